//! One request: where it ends, and where its arguments lie.

mod head;
mod inline;
mod scan;
mod tail;

pub use scan::{Scan, Step};
pub use tail::Tail;

/// Where one argument lies in the bytes of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Offset of the first byte of the argument (after its `$n\r\n`).
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// A whole request: the original bytes, and where its arguments lie. Never empty: argument 0 is the command's name.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The bytes as they came, an array of bulk strings: `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`.
    pub bytes: &'a [u8],
    /// The arguments in order, the name first.
    pub args: &'a [Arg],
}

impl<'a> Request<'a> {
    /// How many arguments there are, the name included.
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether there is no argument at all (never, for a request that the scan returned).
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// Argument `i`, or nothing past the end.
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        let arg = self.args.get(i)?;
        self.bytes.get(arg.start as usize..arg.start as usize + arg.len as usize)
    }

    /// Argument `i` as it stands in the request, with its `$n\r\n` and its line end; or nothing past the end.
    #[inline]
    pub fn raw(&self, i: usize) -> Option<&'a [u8]> {
        let end = |arg: &Arg| arg.start as usize + arg.len as usize + 2;
        let begin = match i.checked_sub(1) {
            Some(before) => end(self.args.get(before)?),
            None => self.bytes.iter().position(|byte| *byte == b'\n')? + 1,
        };
        self.bytes.get(begin..end(self.args.get(i)?))
    }
}
