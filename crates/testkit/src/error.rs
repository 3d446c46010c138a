//! What may go wrong while a test world is built or watched.

use std::fmt;

/// The result of everything in this room.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something did not happen, told to the reader of a failed test.
#[derive(Clone, PartialEq, Eq)]
pub enum Error {
    /// It did not happen in time.
    Deadline(String),
    /// The other side closed the connection.
    Closed(String),
    /// Anything else: a process that ended, a reply that makes no sense, a file that cannot be written.
    Failed(String),
}

impl Error {
    /// Puts what was being done in front of the reason.
    pub fn during(self, what: &str) -> Self {
        match self {
            Self::Deadline(why) => Self::Deadline(format!("{what}: {why}")),
            Self::Closed(why) => Self::Closed(format!("{what}: {why}")),
            Self::Failed(why) => Self::Failed(format!("{what}: {why}")),
        }
    }

    /// Adds evidence (the end of a log) behind the reason.
    pub fn with(self, evidence: &str) -> Self {
        match self {
            Self::Deadline(why) => Self::Deadline(format!("{why}\n{evidence}")),
            Self::Closed(why) => Self::Closed(format!("{why}\n{evidence}")),
            Self::Failed(why) => Self::Failed(format!("{why}\n{evidence}")),
        }
    }
}

/// A failure told as `text`, for `?` on an `Option` or in a `map_err`.
pub fn failed(text: impl Into<String>) -> Error {
    Error::Failed(text.into())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(why) => write!(f, "not in time: {why}"),
            Self::Closed(why) => write!(f, "closed by the other side: {why}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// As `Display`: `unwrap` in a test then prints sentences and line breaks instead of an escaped string.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
        match error.kind() {
            TimedOut | WouldBlock => Self::Deadline(error.to_string()),
            ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => Self::Closed(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
