//! HELLO: the protocol of a connection (<https://redis.io/docs/latest/commands/hello/>). RESP2 only, so far.

use super::auth::Verdict;
use super::quoted;
use crate::engine::{Engine, SessionId};
use resp::Request;

/// The options of one HELLO.
#[derive(Default)]
struct Options<'a> {
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl Engine {
    pub(super) fn hello(&mut self, id: SessionId, request: &Request<'_>) {
        if request.get(1).is_some_and(|version| version != b"2") {
            let filter = self.sessions[id.0 as usize].filter;
            self.filters[filter.index()].stats.downstream_rq_noproto.inc();
            return self.refuse(id, b"NOPROTO unsupported protocol version");
        }
        let options = match read_options(request) {
            Ok(options) => options,
            Err(text) => return self.refuse(id, text.as_bytes()),
        };
        let verdict = options.auth.map(|(user, password)| self.check_user(id, user, password));
        if let Some(Verdict::Refused(text)) = verdict {
            return self.refuse(id, text.as_bytes());
        }
        if !self.sessions[id.0 as usize].authorized {
            return self.refuse(id, b"NOAUTH Authentication required.");
        }
        if let Some(name) = options.name {
            self.sessions[id.0 as usize].name = Some(name.into());
        }
        let reply = self.greeting(id);
        self.answer(id, &reply);
    }

    /// Seven pairs in a flat array, as Redis answers HELLO 2.
    fn greeting(&self, id: SessionId) -> Vec<u8> {
        let mut out = Vec::new();
        resp::write::array(&mut out, 14);
        let mut pair = |name: &str, value: &str| {
            resp::write::bulk(&mut out, name.as_bytes());
            resp::write::bulk(&mut out, value.as_bytes());
        };
        pair("server", "redis");
        pair("version", env!("CARGO_PKG_VERSION"));
        resp::write::bulk(&mut out, b"proto");
        resp::write::integer(&mut out, 2);
        resp::write::bulk(&mut out, b"id");
        resp::write::integer(&mut out, self.sessions[id.0 as usize].number as i64);
        for (name, value) in [("mode", "standalone"), ("role", "master")] {
            resp::write::bulk(&mut out, name.as_bytes());
            resp::write::bulk(&mut out, value.as_bytes());
        }
        resp::write::bulk(&mut out, b"modules");
        resp::write::array(&mut out, 0);
        out
    }
}

fn read_options<'a>(request: &Request<'a>) -> Result<Options<'a>, String> {
    let mut options = Options::default();
    let mut at = 2;
    while let Some(word) = request.get(at) {
        if word.eq_ignore_ascii_case(b"AUTH") {
            let pair = request.get(at + 1).zip(request.get(at + 2));
            options.auth = Some(pair.ok_or("ERR Syntax error: HELLO AUTH requires <username> <password>")?);
            at += 3;
        } else if word.eq_ignore_ascii_case(b"SETNAME") {
            if options.name.is_some() {
                return Err("ERR Syntax error: HELLO SETNAME specified more than once".into());
            }
            let name = request.get(at + 1).ok_or("ERR Syntax error: HELLO SETNAME requires a <clientname>")?;
            options.name = Some(name);
            at += 2;
        } else {
            let word = quoted(word);
            return Err(format!("ERR Syntax error: unknown HELLO option '{word}'"));
        }
    }
    Ok(options)
}
