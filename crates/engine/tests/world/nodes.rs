//! The life of a connection at its node: greet, carry requests out in order, reply in order.

use super::command::{Asked, show};
use super::node::{Answer, Phase, Seen};
use super::pipe::{End, Read};
use super::{Wake, World};
use engine::Closed;
use resp::request::Step;

impl World {
    pub(super) fn conn_wakes(&mut self, index: usize) {
        if !self.is_connected(index) {
            return;
        }
        self.hear_proxy(index);
        self.speak(index);
        self.flow_conn(index);
        self.read_upstream(index);
        if let Some(id) = self.conns[index].upstream
            && self.conns[index].to_node.has_room()
            && !self.engine.upstream_output(id).is_empty()
        {
            self.write_upstream(id);
        }
    }

    fn is_connected(&mut self, index: usize) -> bool {
        let (now, conn) = (self.now, &mut self.conns[index]);
        let Phase::Connecting(at) = conn.phase else { return conn.phase == Phase::Open };
        if at > now {
            return false;
        }
        // The driver has given it up meanwhile.
        let Some(id) = conn.upstream else { return false };
        let door = self.clusters[conn.cluster].nodes.get(conn.node).map(|node| node.door);
        if door != Some(super::node::Door::Open) {
            conn.phase = Phase::Closed;
            self.engine.upstream_closed(id, &Closed::Refused("connection refused".into()));
            return false;
        }
        conn.phase = Phase::Open;
        if let Some(banner) = self.clusters[conn.cluster].nodes[conn.node].banner {
            conn.output.extend_from_slice(banner.as_bytes());
            conn.end = Some(End::Finished);
            conn.mute = true;
        }
        self.trace.note(now, "open", index, &[]);
        self.engine.upstream_opened(id);
        true
    }

    /// Carries out what has arrived, unless the node is frozen.
    fn hear_proxy(&mut self, index: usize) {
        let (now, conn) = (self.now, &mut self.conns[index]);
        let frozen = self.clusters[conn.cluster].nodes[conn.node].frozen_until;
        if frozen > now {
            return self.wake(frozen, Wake::Conn(index));
        }
        while !conn.to_proxy.is_ended() {
            match conn.to_node.read(now, usize::MAX) {
                Read::Bytes(bytes) => conn.input.extend(bytes),
                Read::End(_) => {
                    conn.to_proxy.finish(now, End::Finished, &mut self.dice);
                    break;
                }
                Read::Nothing => break,
            }
        }
        let mut input = std::mem::take(&mut self.conns[index].input);
        let mut scan = std::mem::take(&mut self.conns[index].scan);
        let mut at = 0;
        while at < input.len() {
            match scan.next(&input[at..], &resp::Limits::default()).unwrap() {
                Step::Whole { request, consumed, .. } => {
                    let words: Vec<Vec<u8>> = (0..request.len()).map(|i| request.get(i).unwrap().to_vec()).collect();
                    at += consumed;
                    self.serve(index, &words);
                }
                Step::Skip { .. } => panic!("nothing was asked"),
                Step::Partial { .. } => break,
            }
        }
        input.drain(..at);
        (self.conns[index].input, self.conns[index].scan) = (input, scan);
    }

    fn serve(&mut self, index: usize, words: &[Vec<u8>]) {
        let now = self.now;
        let conn = &mut self.conns[index];
        let (cluster, place) = (conn.cluster, conn.node);
        if conn.to_proxy.is_ended() || conn.end.is_some() {
            // It closes: nothing is carried out any more.
            return;
        }
        let node = &mut self.clusters[cluster].nodes[place];
        let line = show(words);
        node.seen.push(Seen { connection: index, at: now, words: line.clone() });
        let answer = node.rule_for(&line);
        let mut reply = Vec::new();
        match answer {
            Some(Answer::Say(text)) => reply.extend_from_slice(text.as_bytes()),
            _ => self.answer(index, words, &mut reply),
        }
        let late = if let Some(Answer::Late(micros)) = answer { micros } else { 0 };
        let conn = &mut self.conns[index];
        if answer == Some(Answer::Never) {
            conn.mute = true;
        }
        if let Some(Answer::Half(text, end)) = answer {
            reply = text.as_bytes().to_vec();
            conn.end = Some(end);
        }
        if conn.mute && conn.end.is_none() {
            return;
        }
        if self.dice.rarely(self.weather.breaks) {
            reply.truncate(self.dice.index(reply.len()));
            conn.end = Some(if self.dice.percent(50) { End::Finished } else { End::Reset });
        }
        conn.last_reply = conn.last_reply.max(now + late + self.dice.within(&self.weather.work));
        let at = conn.last_reply;
        conn.replies.push_back((at, reply));
        self.wake(at, Wake::Conn(index));
    }

    fn answer(&mut self, index: usize, words: &[Vec<u8>], reply: &mut Vec<u8>) {
        let conn = &mut self.conns[index];
        let redis = &mut self.clusters[conn.cluster];
        let node = &redis.nodes[conn.node];
        let asking = std::mem::take(&mut conn.asking);
        let authorized = conn.authorized || node.lenient || node.password.is_none();
        match (words[0].to_ascii_lowercase().as_slice(), node.excuse) {
            (b"auth", _) => {
                let (user, password) = (words.len() == 3)
                    .then(|| &words[1])
                    .map_or((None, &words[1]), |user| (Some(String::from_utf8_lossy(user).into_owned()), &words[2]));
                let right =
                    node.password.map(|(name, secret)| name == user.as_deref() && secret.as_bytes() == password);
                conn.authorized = right == Some(true);
                match right {
                    Some(true) => resp::write::simple(reply, "OK"),
                    Some(false) => resp::write::error(reply, b"WRONGPASS invalid username-password pair"),
                    None => resp::write::error(reply, UNASKED_AUTH.as_bytes()),
                }
            }
            _ if !authorized => resp::write::error(reply, b"NOAUTH Authentication required."),
            (b"readonly", _) => {
                conn.readonly = true;
                resp::write::simple(reply, "OK");
            }
            (b"asking", _) => {
                conn.asking = true;
                resp::write::simple(reply, "OK");
            }
            (_, Some(excuse)) => resp::write::error(reply, excuse.as_bytes()),
            _ => {
                let asked = Asked { words, readonly: conn.readonly, asking };
                redis.execute(conn.node, &asked, reply);
            }
        }
    }

    /// Says what is due.
    fn speak(&mut self, index: usize) {
        let (now, conn) = (self.now, &mut self.conns[index]);
        while conn.replies.front().is_some_and(|(at, _)| *at <= now) {
            conn.output.extend(conn.replies.pop_front().unwrap().1);
        }
        let n = conn.to_proxy.write(now, &conn.output, &mut self.dice);
        conn.output.drain(..n);
        if conn.upstream.is_none() {
            conn.output.clear();
        }
        if !conn.output.is_empty() {
            self.wake(now + 100, Wake::Conn(index));
        } else if conn.replies.is_empty()
            && let Some(end) = conn.end
        {
            conn.to_proxy.finish(now, end, &mut self.dice);
        }
    }
}

const UNASKED_AUTH: &str = "ERR AUTH <password> called without any password configured for the default user. Are you \
                            sure your configuration is correct?";
