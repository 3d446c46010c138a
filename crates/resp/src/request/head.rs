use super::Request;
use crate::Limits;

/// How an array begins: its number of arguments and its name. Most requests of a client begin like the one before, and
/// then a comparison of three words is all that it takes to read so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    words: [u64; 3],
    /// Which bits of the words count.
    masks: [u64; 3],
    /// Where the second argument begins; 0 if there is nothing to compare with.
    end: u32,
    /// How many arguments there are in all.
    count: u32,
    name: u32,
}

/// A longer head is not remembered.
const LONGEST: usize = 24;

impl Head {
    /// The head of a request that came as an array.
    #[inline]
    pub(super) fn of(request: &Request<'_>) -> Self {
        let Some(name) = request.args.first() else { return Self::default() };
        let end = name.start as usize + name.len as usize + 2;
        let Some(head) = request.bytes.get(..end).filter(|_| end <= LONGEST) else { return Self::default() };
        let (mut bytes, mut mask) = ([0; LONGEST], [0; LONGEST]);
        bytes.iter_mut().zip(&mut mask).zip(head).for_each(|((to, mask), from)| (*to, *mask) = (*from, 0xff));
        Self {
            words: words(&bytes),
            masks: words(&mask),
            end: end as u32,
            count: request.args.len() as u32,
            name: name.len,
        }
    }

    /// Whether `bytes` begin so, as far as can be told at once; and nothing in it is beyond the limits.
    #[inline]
    pub(super) fn fits(&self, bytes: &[u8], limits: &Limits) -> bool {
        let Some(start) = bytes.first_chunk::<LONGEST>() else { return false };
        let [a, b, c] = words(start);
        let differ = (a ^ self.words[0]) & self.masks[0]
            | (b ^ self.words[1]) & self.masks[1]
            | (c ^ self.words[2]) & self.masks[2];
        let allowed = self.count as usize <= limits.arguments && self.name as usize <= limits.bulk;
        differ == 0 && self.end > 0 && allowed && self.end as usize <= limits.request
    }

    /// Where the second argument begins, and how many arguments follow.
    #[inline]
    pub(super) fn behind(&self) -> (usize, usize) {
        (self.end as usize, self.count as usize - 1)
    }

    /// There is nothing to compare with.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.end = 0;
    }
}

#[inline]
fn words(bytes: &[u8; LONGEST]) -> [u64; 3] {
    let (words, _) = bytes.as_chunks::<8>();
    [0, 1, 2].map(|i| words.get(i).map_or(0, |word| u64::from_le_bytes(*word)))
}
