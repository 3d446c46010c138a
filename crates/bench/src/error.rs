//! What can go wrong while measuring.

/// Shorthand for this room.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run, or the whole measurement, gave no numbers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server or a proxy did not start, or did not do what was asked.
    #[error(transparent)]
    Kit(#[from] testkit::Error),
    /// A socket or a file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file of results that is none.
    #[error("not a file of results: {0}")]
    Json(#[from] serde_json::Error),
    /// The other side closed one of the load generator's connections.
    #[error("a connection of the load generator was closed by the other side")]
    Closed,
    /// Nothing came back for so long that the run was given up.
    #[error("no reply for {0:?}")]
    Stalled(std::time::Duration),
    /// What came back is not RESP.
    #[error("not RESP: {0}")]
    Protocol(String),
    /// Replies came, but not the right ones: a measurement of errors is none.
    #[error("{errors} error replies and {misses} missing values; the first error: {first}")]
    Wrong {
        /// Error replies.
        errors: u64,
        /// Null replies, where every key exists.
        misses: u64,
        /// The text of the first error reply.
        first: String,
    },
    /// Anything else, as a sentence.
    #[error("{0}")]
    Failed(String),
}
