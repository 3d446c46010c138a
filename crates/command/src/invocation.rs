//! For tests: a request from words.

use resp::{Arg, Request};

/// A request that owns its bytes.
pub(crate) struct Invocation {
    bytes: Vec<u8>,
    args: Vec<Arg>,
}

impl Invocation {
    /// The words between single spaces; two spaces have an empty word between them.
    pub(crate) fn new(line: &str) -> Self {
        let (mut start, mut args) = (0, Vec::new());
        for word in line.split(' ') {
            args.push(Arg { start, len: word.len() as u32 });
            start += word.len() as u32 + 1;
        }
        Self { bytes: line.as_bytes().to_vec(), args }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request { bytes: &self.bytes, args: &self.args }
    }
}
