//! Which arguments of a request are keys.

use crate::row::{Command, Keys};
use resp::Request;
use thiserror::Error;

/// The arguments contradict each other, so that nobody can say which are keys. The client's fault; a server would
/// refuse the request too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKeys {
    /// The number of keys is not a number, or negative.
    #[error("the number of keys is not a number")]
    NotANumber,
    /// The number of keys is larger than what follows it.
    #[error("Number of keys can't be greater than number of args")]
    TooMany,
    /// A key of a pair has no value (MSET with an odd number of arguments).
    #[error("a key has no value")]
    Unpaired,
    /// The word STREAMS is missing, or what follows is not as many ids as keys.
    #[error("Unbalanced list of streams: for each stream key an ID or '$' must be specified.")]
    Unbalanced,
    /// MIGRATE with both a key and KEYS.
    #[error("When using MIGRATE KEYS option, the key argument must be set to the empty string")]
    KeyAndKeys,
}

/// Where the keys of one request stand: one before the others, a run, one after.
#[derive(Clone, Copy, Default)]
struct Places {
    destination: Option<usize>,
    first: usize,
    end: usize,
    step: usize,
    stored: [Option<usize>; 2],
}

impl Command {
    /// Whether this number of arguments (the name counts) is one that the server accepts.
    pub fn arity_fits(&self, arguments: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { arguments >= arity } else { arguments == arity }
    }

    /// The index of the first key; `None` if these arguments have no key, or contradict each other: the request then
    /// says nothing about where to go, and any server can refuse it.
    #[inline]
    pub fn first_key(&self, request: &Request) -> Option<usize> {
        if let Keys::Range { first, last, .. } = self.keys {
            let first = usize::from(first);
            // BLPOP ends with something that is no key.
            let behind = if last < 0 { usize::from(last.unsigned_abs()) - 1 } else { 0 };
            return (first + behind < request.len()).then_some(first);
        }
        let places = self.places(request).ok()?;
        places.destination.or((places.first < places.end).then_some(places.first))
    }

    /// Calls `f` with the index of every key, in the order in which they stand.
    ///
    /// # Errors
    ///
    /// [`BadKeys`] if the arguments contradict each other; `f` has not been called then.
    pub fn for_each_key(&self, request: &Request, f: impl FnMut(usize)) -> Result<(), BadKeys> {
        let places = self.places(request)?;
        let run = (places.first..places.end).step_by(places.step.max(1));
        places.destination.into_iter().chain(run).chain(places.stored.into_iter().flatten()).for_each(f);
        Ok(())
    }

    fn places(&self, request: &Request) -> Result<Places, BadKeys> {
        let one = Places { first: 1, end: request.len().min(2), step: 1, ..Places::default() };
        match self.keys {
            Keys::None => Ok(Places::default()),
            Keys::Range { first, last, step } => range(request, first.into(), last.into(), step.into()),
            Keys::Counted { count, first, destination } => {
                let run = counted(request, count.into(), first.into(), 1)?;
                Ok(Places { destination: destination.map(usize::from), ..run })
            }
            Keys::CountedPairs { count, first } => counted(request, count.into(), first.into(), 2),
            Keys::Streams => streams(request),
            Keys::Stored => Ok(Places { stored: [sort_store(request), None], ..one }),
            Keys::NearStored => Ok(Places { stored: near_store(request), ..one }),
            Keys::Migrated => migrated(request),
        }
    }
}

fn range(request: &Request, first: usize, last: isize, step: usize) -> Result<Places, BadKeys> {
    let len = request.len();
    let end = if last < 0 { (len + 1).saturating_sub(last.unsigned_abs()) } else { len.min(last.unsigned_abs() + 1) };
    let end = end.max(first);
    if step > 1 && !(end - first).is_multiple_of(step) {
        return Err(BadKeys::Unpaired);
    }
    Ok(Places { first, end, step, ..Places::default() })
}

fn counted(request: &Request, count: usize, first: usize, step: usize) -> Result<Places, BadKeys> {
    let keys = request.get(count).and_then(number).ok_or(BadKeys::NotANumber)?;
    let room = request.len().saturating_sub(first);
    if keys > room / step {
        return Err(BadKeys::TooMany);
    }
    Ok(Places { first, end: first + keys * step, step, ..Places::default() })
}

/// A number as Redis reads it: digits only, no sign, no leading zero.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    digits.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + usize::from(c - b'0')))
}

/// XREAD and XREADGROUP: options, then STREAMS, then as many ids as keys. A group or consumer may well be named
/// `streams`, so the options are stepped over and not searched.
fn streams(request: &Request) -> Result<Places, BadKeys> {
    let mut i = 1;
    while let Some(word) = request.get(i) {
        i += match word {
            _ if is(word, "streams") => return half(request, i + 1),
            _ if is(word, "noack") => 1,
            _ if ["block", "count", "claim", "maxcount", "maxsize"].iter().any(|option| is(word, option)) => 2,
            _ if is(word, "group") => 3,
            _ => break,
        };
    }
    Err(BadKeys::Unbalanced)
}

fn half(request: &Request, first: usize) -> Result<Places, BadKeys> {
    let rest = request.len().saturating_sub(first);
    if rest == 0 || !rest.is_multiple_of(2) {
        return Err(BadKeys::Unbalanced);
    }
    Ok(Places { first, end: first + rest / 2, step: 1, ..Places::default() })
}

/// Where SORT stores, the last STORE winning. A pattern of BY or GET may be the word `store`.
fn sort_store(request: &Request) -> Option<usize> {
    let mut stored = None;
    let mut i = 2;
    while let Some(word) = request.get(i) {
        i += match word {
            _ if is(word, "limit") => 3,
            _ if is(word, "get") || is(word, "by") => 2,
            _ if is(word, "store") => {
                stored = Some(i + 1);
                2
            }
            _ => 1,
        };
    }
    stored.filter(|&key| key < request.len())
}

/// Where GEORADIUS stores: it uses the last of STORE and STOREDIST, but a server wants both keys in one slot. Its options
/// begin at argument 5 or 6; a member may be named `store`.
fn near_store(request: &Request) -> [Option<usize>; 2] {
    let (mut store, mut distances) = (None, None);
    let mut i = 5;
    while let Some(word) = request.get(i) {
        let target = match word {
            _ if is(word, "store") => &mut store,
            _ if is(word, "storedist") => &mut distances,
            _ => {
                i += 1;
                continue;
            }
        };
        if i + 1 < request.len() {
            *target = Some(i + 1);
        }
        i += 2;
    }
    if distances < store { [distances, store] } else { [store, distances] }
}

fn migrated(request: &Request) -> Result<Places, BadKeys> {
    let one = Places { first: 3, end: request.len().min(4), step: 1, ..Places::default() };
    let mut i = 6;
    while let Some(word) = request.get(i) {
        i += match word {
            _ if is(word, "keys") => {
                let empty = request.get(3).is_some_and(<[u8]>::is_empty);
                return empty.then(|| Places { first: i + 1, end: request.len(), ..one }).ok_or(BadKeys::KeyAndKeys);
            }
            _ if is(word, "auth") => 2,
            _ if is(word, "auth2") => 3,
            _ => 1,
        };
    }
    Ok(one)
}

fn is(word: &[u8], lower: &str) -> bool {
    word.eq_ignore_ascii_case(lower.as_bytes())
}

#[cfg(test)]
mod tests;
