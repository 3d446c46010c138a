//! For named tests: words in, words out.

use super::World;
use super::node::{Answer, Rule};
use super::pipe::End;
use resp::value::{Value, parse};

impl World {
    /// Sends requests, one a line, words between spaces.
    pub fn send(&mut self, client: usize, lines: &str) {
        let bytes: Vec<u8> = lines.lines().flat_map(request).collect();
        self.send_raw(client, &bytes);
    }

    pub fn send_raw(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].unsent.extend_from_slice(bytes);
        self.wake(self.now, super::Wake::Client(client));
    }

    /// Sends a request and waits for one reply, a minute at most.
    pub fn ask(&mut self, client: usize, line: &str) -> String {
        self.clients[client].replies.clear();
        self.send(client, line);
        let until = self.now + 60_000_000;
        while self.clients[client].replies.is_empty() && self.now < until {
            self.run(100);
        }
        self.heard(client).join(" | ")
    }

    /// The replies since the last call.
    pub fn heard(&mut self, client: usize) -> Vec<String> {
        self.clients[client].replies.drain(..).map(|(_, reply)| show(&reply)).collect()
    }

    pub fn leave(&mut self, client: usize, end: End) {
        self.clients[client].leave(self.now, end);
        self.wake(self.now, super::Wake::Client(client));
    }

    /// What a node of the first cluster has seen since the last call.
    pub fn seen(&mut self, node: usize) -> Vec<String> {
        self.seen_by(0, node)
    }

    pub fn seen_by(&mut self, cluster: usize, node: usize) -> Vec<String> {
        self.clusters[cluster].nodes[node].seen.drain(..).map(|seen| seen.words).collect()
    }

    /// Lets a node of the first cluster do something once, instead of answering.
    pub fn teach(&mut self, node: usize, words: &'static str, answer: Answer) {
        self.teach_often(node, words, answer, 1);
    }

    pub fn teach_often(&mut self, node: usize, words: &'static str, answer: Answer, times: usize) {
        self.clusters[0].nodes[node].rules.push(Rule { words, answer, times });
    }

    /// How many connections to a node of the first cluster are open now.
    pub fn connections(&self, node: usize) -> usize {
        let open = |conn: &&super::Conn| (conn.cluster, conn.node) == (0, node) && conn.upstream.is_some();
        self.conns.iter().filter(open).count()
    }

    /// Nothing is left of any request.
    pub fn assert_idle(&self) {
        let usage = self.engine.usage();
        assert_eq!((usage.places, usage.gathers, usage.parked, usage.in_flight), (0, 0, 0, 0), "{usage:?}");
        assert_eq!(usage.bytes, 0, "{usage:?}");
        for stats in &self.filter_stats {
            assert_eq!(stats.downstream_rq_active.get(), 0, "requests counted as active");
        }
        for stats in &self.stats {
            assert_eq!(stats.upstream_rq_active.get(), 0, "requests counted as active at a cluster");
        }
    }
}

pub fn request(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::write::command(&mut bytes, &words);
    bytes
}

/// A reply as a line: `+OK`, `-ERR …`, `:1`, `text`, `nil`, `[a, b]`.
pub fn show(reply: &[u8]) -> String {
    let (value, len) = parse(reply, &resp::Limits::default()).unwrap().unwrap();
    assert_eq!(len, reply.len());
    shown(&value)
}

fn shown(value: &Value<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match value {
        Value::Simple(bytes) => format!("+{}", text(bytes)),
        Value::Error(bytes) => format!("-{}", text(bytes)),
        Value::Integer(number) => format!(":{number}"),
        Value::Bulk(bytes) => text(bytes),
        Value::Null => "nil".into(),
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}
