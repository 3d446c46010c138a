//! Station 3: look the command up; what the proxy answers itself.

mod local;
mod auth;
mod hello;
mod picture;

use crate::engine::{Engine, SessionId};
use command::Split;
use resp::Request;

/// How much of a command's arguments an error quotes, as Redis does.
const QUOTED: usize = 128;

impl Engine {
    /// One whole request of a client.
    pub(crate) fn command(&mut self, id: SessionId, request: &Request<'_>) {
        let session = &self.sessions[id.0 as usize];
        let authorized = session.authorized;
        let stats = &self.filters[session.filter.index()].stats;
        stats.downstream_rq_total.inc();
        let name = request.get(0).unwrap_or_default();
        let Some(command) = command::lookup(name) else {
            return if is_http(name) { self.hang_up(id) } else { self.unknown(id, request) };
        };
        let row = command::get(command);
        if row.split == Split::Never {
            return self.unknown(id, request);
        }
        if !row.arity_fits(request.len()) {
            return self.wrong_arity(id, row.name);
        }
        if row.split == Split::Here && self.answers_before_auth(id, row.name, request) {
            return;
        }
        if !authorized {
            return self.answer(id, b"-NOAUTH Authentication required.\r\n");
        }
        match row.split {
            Split::Whole => self.route_whole(id, command, request),
            Split::PerKey => self.route_by_key(id, command, request, 1),
            Split::PerPair => self.route_by_key(id, command, request, 2),
            Split::EveryShard => self.route_everywhere(id, command, request),
            Split::AnyShard => self.route_anywhere(id, command, request),
            Split::NamedShard => self.route_named(id, command, request),
            Split::Cursor => self.route_cursor(id, command, request),
            Split::Here | Split::Never => self.answer_here(id, command, request),
        }
    }

    /// What Redis says of a command that it does not know.
    fn unknown(&mut self, id: SessionId, request: &Request<'_>) {
        let filter = self.sessions[id.0 as usize].filter;
        self.filters[filter.index()].stats.splitter_unsupported_command.inc();
        let mut text = b"ERR unknown command '".to_vec();
        text.extend(request.get(0).unwrap_or_default().iter().take(QUOTED));
        text.extend_from_slice(b"', with args beginning with: ");
        let start = text.len();
        for i in 1..request.len() {
            let room = QUOTED.saturating_sub(text.len() - start);
            if room == 0 {
                break;
            }
            text.push(b'\'');
            text.extend(request.get(i).unwrap_or_default().iter().take(room));
            text.extend_from_slice(b"' ");
        }
        self.refuse(id, &text);
    }

    /// What Redis says of a wrong number of arguments.
    pub(crate) fn wrong_arity(&mut self, id: SessionId, name: &str) {
        let filter = self.sessions[id.0 as usize].filter;
        self.filters[filter.index()].stats.splitter_invalid_request.inc();
        self.refuse(id, format!("ERR wrong number of arguments for '{name}' command").as_bytes());
    }

    /// An error of the proxy's own, in its turn.
    fn refuse(&mut self, id: SessionId, text: &[u8]) {
        let mut reply = self.pool.take();
        resp::write::error(&mut reply, text);
        self.answer(id, &reply);
        self.pool.give(reply);
    }
}

/// As much of a client's word as an error quotes.
fn quoted(word: &[u8]) -> String {
    String::from_utf8_lossy(word.get(..QUOTED).unwrap_or(word)).into_owned()
}

/// The first word of an HTTP request, or of its second line: a browser was made to talk to us, and the rest of what it
/// sends may be commands that an attacker wrote. Redis ends such a connection, too (`securityWarningCommand`).
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}
