use std::fmt;

/// Why bytes are no frame, or one beyond the [`crate::Limits`].
///
/// The sender's fault, and final: where the next frame would begin is unknown, so the connection has to be closed. The
/// text is what a client should read after `ERR Protocol error: `, in Redis's own words (`networking.c`) wherever
/// Redis knows the mistake; the names that begin with `Reply` are a node's mistakes and go to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The number behind `*` is none, or above `Limits::arguments`.
    #[error("invalid multibulk length")]
    MultibulkLength,
    /// The line behind `*` has no end within `Limits::inline`.
    #[error("too big mbulk count string")]
    MultibulkLine,
    /// An argument does not begin with `$`, but with this byte.
    #[error("expected '$', got '{}'", Printable(*.0))]
    ExpectedBulk(u8),
    /// The number behind an argument's `$` is none, negative, or above `Limits::bulk`.
    #[error("invalid bulk length")]
    BulkLength,
    /// The line behind `$` has no end within `Limits::inline`.
    #[error("too big bulk count string")]
    BulkLine,
    /// An argument is not followed by CRLF. Redis does not look.
    #[error("expected CRLF after a bulk string")]
    BulkEnd,
    /// A whole request would be longer than `Limits::request`. Redis closes without a word.
    #[error("too big request")]
    TooBig,
    /// An inline request has no end within `Limits::inline`.
    #[error("too big inline request")]
    InlineLine,
    /// A quote of an inline request is not closed, or closed in the middle of a word.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An element of a reply begins with a byte that is no type.
    #[error("unknown reply type '{}'", Printable(*.0))]
    ReplyType(u8),
    /// The length or count of an element is no number, negative where that means nothing, or a bulk's is above
    /// `Limits::bulk`.
    #[error("invalid reply length")]
    ReplyLength,
    /// `$?` and its like: RESP3's streamed forms, which no Redis has ever sent.
    #[error("streamed reply")]
    ReplyStreamed,
    /// A line of a reply has no end within `Limits::line`.
    #[error("too big reply line")]
    ReplyLine,
    /// A line or a bulk of a reply does not end in CRLF.
    #[error("expected CRLF in reply")]
    ReplyEnd,
    /// A number, boolean or null of this type is not written as one.
    #[error("invalid reply value of type '{}'", Printable(*.0))]
    ReplyValue(u8),
    /// Aggregates are nested deeper than `Limits::depth`.
    #[error("reply nested too deep")]
    ReplyDepth,
    /// A reply has more elements than `Limits::elements`.
    #[error("too many elements in reply")]
    ReplyElements,
}

/// A byte that somebody else chose, for a text that must stay on one line.
struct Printable(u8);

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.is_ascii_graphic() { char::from(self.0) } else { ' ' };
        write!(f, "{shown}")
    }
}
