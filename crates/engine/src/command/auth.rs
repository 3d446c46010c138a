//! AUTH: who may send commands. Texts are Envoy's, which are Redis's where Redis has them.

use crate::engine::{Engine, SessionId};
use meant::Secret;
use resp::Request;

/// What became of credentials.
pub(super) enum Verdict {
    Accepted,
    /// The text after `-`.
    Refused(&'static str),
}

impl Engine {
    pub(super) fn auth(&mut self, id: SessionId, request: &Request<'_>) {
        let verdict = match request.len() {
            2 => self.check_password(id, request.get(1).unwrap_or_default()),
            3 => self.check_user(id, request.get(1).unwrap_or_default(), request.get(2).unwrap_or_default()),
            _ => Verdict::Refused("ERR syntax error"),
        };
        match verdict {
            Verdict::Accepted => self.answer(id, b"+OK\r\n"),
            Verdict::Refused(text) => self.refuse(id, text.as_bytes()),
        }
    }

    /// AUTH with a password alone is for the user `default`: not enough where another user is configured.
    fn check_password(&mut self, id: SessionId, password: &[u8]) -> Verdict {
        let filter = &self.filters[self.sessions[id.0 as usize].filter.index()];
        if !filter.needs_auth() {
            return Verdict::Refused("ERR Client sent AUTH, but no password is set");
        }
        let user = filter.username.as_ref().is_none_or(|user| user.matches(b"default"));
        let accepted = any_matches(&filter.passwords, password) && user;
        self.conclude(id, accepted, "ERR invalid password")
    }

    pub(super) fn check_user(&mut self, id: SessionId, user: &[u8], password: &[u8]) -> Verdict {
        let filter = &self.filters[self.sessions[id.0 as usize].filter.index()];
        if !filter.needs_auth() {
            return Verdict::Refused("ERR Client sent AUTH, but no username-password pair is set");
        }
        let known = match &filter.username {
            Some(name) => name.matches(user),
            None => user.is_empty() || user == b"default",
        };
        let accepted = any_matches(&filter.passwords, password) && known;
        self.conclude(id, accepted, "WRONGPASS invalid username-password pair")
    }

    /// Credentials that fail take away what earlier ones gave, as Envoy does.
    fn conclude(&mut self, id: SessionId, accepted: bool, refusal: &'static str) -> Verdict {
        self.sessions[id.0 as usize].authorized = accepted;
        if accepted { Verdict::Accepted } else { Verdict::Refused(refusal) }
    }
}

/// Looks at every password, so that the time taken does not tell which one is right.
fn any_matches(passwords: &[Secret], offered: &[u8]) -> bool {
    passwords.iter().fold(false, |found, password| password.matches(offered) | found)
}
