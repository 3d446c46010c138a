//! Commands that the proxy answers itself: they speak of the connection, not of data.

use super::quoted;
use crate::engine::{Engine, SessionId};
use resp::Request;
use slots::Slot;

impl Engine {
    /// AUTH, HELLO and QUIT work before authentication. Whether this was one of them, and is done.
    pub(super) fn answers_before_auth(&mut self, id: SessionId, name: &str, request: &Request<'_>) -> bool {
        match name {
            "auth" => self.auth(id, request),
            "hello" => self.hello(id, request),
            "quit" => {
                self.answer(id, b"+OK\r\n");
                self.hang_up(id);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn answer_here(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        match command::get(command).name {
            "ping" => self.ping(id, request),
            "echo" => self.say(id, request.get(1).unwrap_or_default()),
            "time" => self.time(id),
            "client" => self.client(id, request),
            "select" => self.select(id, request),
            "cluster" => self.cluster(id, command, request),
            _ => self.unknown(id, request),
        }
    }

    /// A bulk string.
    fn say(&mut self, id: SessionId, text: &[u8]) {
        let mut reply = self.pool.take();
        resp::write::bulk(&mut reply, text);
        self.answer(id, &reply);
        self.pool.give(reply);
    }

    fn ping(&mut self, id: SessionId, request: &Request<'_>) {
        match (request.len(), request.get(1)) {
            (1, _) => self.answer(id, b"+PONG\r\n"),
            (2, Some(text)) => self.say(id, text),
            _ => self.wrong_arity(id, "ping"),
        }
    }

    /// Seconds since 1970, and the microseconds within the second.
    fn time(&mut self, id: SessionId) {
        let micros = self.wall.saturating_add(self.now.0);
        let mut reply = self.pool.take();
        resp::write::array(&mut reply, 2);
        resp::write::bulk(&mut reply, (micros / 1_000_000).to_string().as_bytes());
        resp::write::bulk(&mut reply, (micros % 1_000_000).to_string().as_bytes());
        self.answer(id, &reply);
        self.pool.give(reply);
    }

    /// There is one database, as in every Redis Cluster.
    fn select(&mut self, id: SessionId, request: &Request<'_>) {
        match request
            .get(1)
            .map(|text| (text, std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok())))
        {
            Some((_, Some(0))) => self.answer(id, b"+OK\r\n"),
            Some((_, Some(_))) => self.refuse(id, b"ERR SELECT is not allowed in cluster mode"),
            _ => self.refuse(id, b"ERR value is not an integer or out of range"),
        }
    }

    fn client(&mut self, id: SessionId, request: &Request<'_>) {
        let word = request.get(1).unwrap_or_default();
        let session = &mut self.sessions[id.0 as usize];
        match word.to_ascii_uppercase().as_slice() {
            b"SETNAME" if request.len() == 3 => {
                let name = request.get(2).unwrap_or_default();
                if name.iter().any(|byte| !(b'!'..=b'~').contains(byte)) {
                    let text = b"ERR Client names cannot contain spaces, newlines or special characters.";
                    return self.refuse(id, text);
                }
                session.name = (!name.is_empty()).then(|| name.into());
                self.answer(id, b"+OK\r\n");
            }
            b"SETINFO" if request.len() == 4 => self.answer(id, b"+OK\r\n"),
            b"GETNAME" if request.len() == 2 => match session.name.clone() {
                Some(name) => self.say(id, &name),
                None => self.answer(id, b"$-1\r\n"),
            },
            b"ID" if request.len() == 2 => {
                let mut reply = Vec::new();
                resp::write::integer(&mut reply, session.number as i64);
                self.answer(id, &reply);
            }
            b"SETNAME" => self.wrong_arity(id, "client|setname"),
            b"SETINFO" => self.wrong_arity(id, "client|setinfo"),
            b"GETNAME" => self.wrong_arity(id, "client|getname"),
            b"ID" => self.wrong_arity(id, "client|id"),
            _ => {
                let word = quoted(word);
                self.refuse(id, format!("ERR CLIENT subcommand '{word}' is not supported by the proxy").as_bytes());
            }
        }
    }

    fn cluster(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        let word = request.get(1).unwrap_or_default();
        match (word.to_ascii_lowercase().as_slice(), request.len()) {
            (b"keyslot", 3) => {
                let mut reply = Vec::new();
                resp::write::integer(&mut reply, Slot::of(request.get(2).unwrap_or_default()).index() as i64);
                self.answer(id, &reply);
            }
            (b"info", 2) => self.route_anywhere(id, command, request),
            (b"slots", 2) => self.picture(id, super::picture::slots),
            (b"shards", 2) => self.picture(id, super::picture::shards),
            (b"nodes", 2) => self.picture(id, super::picture::nodes),
            (b"keyslot" | b"info" | b"slots" | b"shards" | b"nodes", _) => {
                let word = String::from_utf8_lossy(word).to_ascii_lowercase();
                self.wrong_arity(id, &format!("cluster|{word}"));
            }
            _ => {
                // In lower case, as Envoy says it.
                let word = quoted(word).to_ascii_lowercase();
                self.refuse(id, format!("ERR cluster subcommand '{word}' is not supported").as_bytes());
            }
        }
    }
}
