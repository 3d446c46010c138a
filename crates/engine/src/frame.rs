//! Station 2: cut one frame off a client's bytes, or wait for more.
//!
//! Bytes are cut where they lie, in the driver's read buffer; only what is left over is kept. A client with too much
//! under way is paused: its bytes wait, first here (at most one read's worth), then in the kernel, then at the client.

use crate::buffer::Buffer;
use crate::engine::{Decision, Engine, SessionId};
use crate::plain::Stop;
use crate::session::Phase;
use resp::Malformed;
use resp::request::Scan;

impl Engine {
    /// Bytes that a client sent.
    pub fn client_bytes(&mut self, id: SessionId, bytes: &[u8]) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        self.filters[session.filter.index()].stats.downstream_cx_rx_bytes_total.add(bytes.len() as u64);
        if session.phase != Phase::Open {
            return;
        }
        if !session.input.is_empty() {
            session.input.extend(bytes);
            return if session.input.len() >= session.needed {
                self.cut_kept(id)
            };
        }
        let consumed = self.cut(id, bytes);
        let rest = bytes.get(consumed..).unwrap_or_default();
        let session = &mut self.sessions[id.0 as usize];
        if !rest.is_empty() && session.phase == Phase::Open {
            self.pool.extend(&mut session.input, rest);
        }
    }

    /// Whether the driver should read this client. If not, [`Decision::Resume`] says when to go on.
    pub fn wants_bytes(&self, id: SessionId) -> bool {
        self.sessions.get(id.0 as usize).is_some_and(|session| !session.paused && session.phase == Phase::Open)
    }

    /// Cuts what was kept.
    fn cut_kept(&mut self, id: SessionId) {
        let mut input = std::mem::take(&mut self.sessions[id.0 as usize].input);
        let consumed = self.cut(id, input.data());
        input.consume(consumed);
        self.pool.reclaim(&mut input);
        let session = &mut self.sessions[id.0 as usize];
        session.input = if session.phase == Phase::Open { input } else { Buffer::default() };
    }

    /// Cuts and carries out requests from the front of `bytes`; how many bytes are done with.
    fn cut(&mut self, id: SessionId, bytes: &[u8]) -> usize {
        let mut scan = self.take_scan(id);
        let mut at = 0;
        while let session = &self.sessions[id.0 as usize]
            && session.phase == Phase::Open
            && !session.paused
        {
            if session.body.is_some() {
                at += self.pass_body(id, &bytes[at..]);
                if self.sessions[id.0 as usize].body.is_some() {
                    break;
                }
                continue;
            }
            match self.plain_requests(id, &mut scan, bytes, &mut at) {
                Stop::Odd(len) => {
                    self.command(id, &scan.again(&bytes[at..at + len]));
                    at += len;
                }
                Stop::Partial(needed) if self.begin_body(id, &scan, &bytes[at..], needed) => {
                    scan.reset();
                    break;
                }
                Stop::Partial(needed) => {
                    self.keep_scan(id, scan, needed);
                    return at;
                }
                Stop::Malformed(malformed) => {
                    self.refuse_bytes(id, &malformed);
                    at = bytes.len();
                    scan.reset();
                }
                Stop::Full => {
                    self.sessions[id.0 as usize].paused = true;
                    break;
                }
                Stop::Empty => break,
            }
        }
        self.put_scan(id, scan);
        at
    }

    fn take_scan(&mut self, id: SessionId) -> Box<Scan> {
        match self.sessions[id.0 as usize].partial.take() {
            Some(scan) => scan,
            None => self.scan.take().unwrap_or_default(),
        }
    }

    fn put_scan(&mut self, id: SessionId, scan: Box<Scan>) {
        if scan.is_fresh() {
            self.scan = Some(scan);
            self.sessions[id.0 as usize].needed = 0;
        } else {
            // Paused in the middle of a request, which goes on where it stopped.
            let needed = self.sessions[id.0 as usize].needed;
            self.keep_scan(id, scan, needed);
        }
    }

    fn keep_scan(&mut self, id: SessionId, scan: Box<Scan>, needed: usize) {
        let session = &mut self.sessions[id.0 as usize];
        session.needed = needed;
        session.partial = Some(scan);
    }

    /// Goes on with clients that were paused and have room again.
    pub(crate) fn resume(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        let limit = self.filters[session.filter.index()].buffer_limit;
        let roomy = session.waiting <= self.limits.places / 2 && session.output.len() + session.held <= limit / 2;
        if !session.paused || !roomy || session.phase != Phase::Open || !session.may_go_on() {
            return;
        }
        session.paused = false;
        session.quiet = false;
        if !session.input.is_empty() {
            self.cut_kept(id);
        }
        if self.wants_bytes(id) {
            self.decisions.push(Decision::Resume(id));
        }
    }

    /// Bytes that are no request: an error after all earlier replies, then the end, as Redis does.
    fn refuse_bytes(&mut self, id: SessionId, malformed: &Malformed) {
        let filter = self.sessions[id.0 as usize].filter;
        self.filters[filter.index()].stats.downstream_cx_protocol_error.inc();
        let mut text = self.pool.take();
        resp::write::error(&mut text, format!("ERR Protocol error: {malformed}").as_bytes());
        self.answer(id, &text);
        self.pool.give(text);
        self.hang_up(id);
    }

    /// Takes no more requests from any client: each is closed once its replies are out.
    pub fn hang_up_all(&mut self) {
        let open = self.sessions.iter().filter(|(_, session)| session.phase == Phase::Open);
        let ids: Vec<SessionId> = open.map(|(id, _)| SessionId(id as u32)).collect();
        for id in ids {
            let filter = self.sessions[id.0 as usize].filter;
            self.filters[filter.index()].stats.downstream_cx_drain_close.inc();
            self.hang_up(id);
        }
    }

    /// Takes no more requests from a client, and closes it once its replies are out.
    pub(crate) fn hang_up(&mut self, id: SessionId) {
        let session = &mut self.sessions[id.0 as usize];
        if session.phase == Phase::Open {
            session.phase = Phase::Leaving;
            self.abandon_body(id);
        }
        self.leave_if_done(id);
    }
}
