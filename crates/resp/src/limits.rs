/// How much of anything is accepted, from a client or from a node, before it is called [`crate::Malformed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an inline request's line before its LF, and of a header line (`*3`, `$5`) before its CR. Redis:
    /// `PROTO_INLINE_MAX_SIZE`, 64 KiB.
    pub inline: usize,
    /// Arguments of one request, the name included. Redis took 1 Mi up to 6.2, `INT_MAX` since.
    pub arguments: usize,
    /// Bytes of one bulk string, in a request or a reply. Redis: `proto-max-bulk-len`, 512 MiB.
    pub bulk: usize,
    /// Bytes of one whole request. Redis: `client-query-buffer-limit`, 1 GiB; never more than 4 GiB - 1 here, whatever
    /// is set, because an [`crate::Arg`] counts in 32 bits.
    pub request: usize,
    /// How deep the aggregates of one reply may be nested; a flat array is one deep.
    pub depth: usize,
    /// Elements of one reply, those of its nested aggregates and attributes included.
    pub elements: usize,
    /// Bytes of one line of a reply: a simple string, an error, a number.
    pub line: usize,
}

impl Limits {
    /// What Redis itself accepts, as far as it has such a limit.
    pub const DEFAULT: Self = Self {
        inline: 64 << 10,
        arguments: 1 << 20,
        bulk: 512 << 20,
        request: 1 << 30,
        depth: 32,
        elements: 4 << 20,
        line: 64 << 10,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
