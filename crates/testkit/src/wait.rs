//! Waiting for something to become true, with a deadline and a reason.

use crate::error::{Error, Result, failed};
use crate::reaper;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// Calls `look` until it yields a value; gives up after `deadline` with `what` and the last failure seen.
///
/// `look` returns `Ok(None)` for "not yet" and `Err` for "not yet, and this is why". Gives up at once when
/// everything has been swept away (see [`reaper::sweep`]): nothing can become true any more.
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        let why = match look() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::new(),
            Err(error) => format!(" ({error})"),
        };
        if reaper::swept() {
            return Err(failed(format!("{what}: interrupted")));
        }
        if Instant::now() >= end {
            return Err(Error::Deadline(format!("{what}, within {deadline:?}{why}")));
        }
        std::thread::sleep(GLANCE);
    }
}

/// [`until`] for a plain condition.
pub fn until_true(what: &str, deadline: Duration, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, deadline, || Ok(look()?.then_some(())))
}
