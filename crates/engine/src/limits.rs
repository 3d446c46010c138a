//! Everything is bounded: the bounds, with their defaults.

/// The bounds of one engine (one worker). Every one has a clear error or a stop to reading behind it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sizes of frames: of requests, and of replies that are joined.
    pub frames: resp::Limits,
    /// Sizes within replies that only pass through: nothing is allocated per element, so there may be 256 Mi of them.
    pub replies: resp::Limits,
    /// Bytes of one whole reply; beyond, its client reads so, and the connection is closed, since nobody can tell how
    /// much more is to come. Default 1 GiB.
    pub reply: usize,
    /// Sizes of frames before a client has authenticated: 10 arguments of 16 KiB, as Redis does.
    pub unauthenticated: resp::Limits,
    /// A bulk string of more bytes is passed on to its client as it comes. Default 1 MiB.
    pub large_reply: usize,
    /// A request of more bytes is passed on to its node as it comes, if it has one key and is neither copied nor changed
    /// on its way. Default 1 MiB.
    pub large_request: usize,
    /// Requests of one client that wait for a reply; beyond, the client is read no more. Default 4,096.
    pub places: u32,
    /// Bytes of replies that one client may leave unread before it is closed, beyond a single reply. The softer bound,
    /// where it is read no more, is its listener's `buffer_limit`. Default 256 MiB.
    pub unread: usize,
    /// Bytes of requests that may wait at one upstream; beyond, requests fail. Default 128 MiB.
    pub upstream_bytes: usize,
    /// Requests that may wait at one upstream; beyond, requests fail. Default 262,144.
    pub upstream_requests: usize,
    /// Bytes of copies that may wait at one mirror's upstream; beyond, copies are dropped and counted. Default 8 MiB.
    pub mirror_bytes: usize,
    /// Requests that may wait for a cluster whose members are not known yet. Default 4,096.
    pub parked_requests: usize,
    /// Their bytes. Default 16 MiB.
    pub parked_bytes: usize,
    /// How often one request is sent again (MOVED, ASK, a lost connection). Default 5.
    pub hops: u8,
}

impl Default for Limits {
    fn default() -> Self {
        let frames = resp::Limits::default();
        let unauthenticated =
            resp::Limits { bulk: 16 << 10, arguments: 10, request: 256 << 10, ..resp::Limits::default() };
        let replies = resp::Limits { elements: 256 << 20, ..frames };
        Self {
            frames,
            replies,
            reply: 1 << 30,
            large_reply: 1 << 20,
            large_request: 1 << 20,
            unauthenticated,
            places: 4096,
            unread: 256 << 20,
            upstream_bytes: 128 << 20,
            upstream_requests: 262_144,
            mirror_bytes: 8 << 20,
            parked_requests: 4096,
            parked_bytes: 16 << 20,
            hops: 5,
        }
    }
}
