//! A client of a random world: it knows what it asked, and what may be answered.
//!
//! Every value carries the name of its key and a mark that is never used twice, so that a reply that was meant for
//! another request is recognised. A client writes to keys of its own only, so that it knows what they hold.

use super::expect::{Expect, Key, Want, check};
use crate::world::client::{Deed, Mind};
use crate::world::pipe::End;
use crate::world::random::Dice;
use crate::world::speech::request;
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// How a client takes its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// When it has all its replies.
    Satisfied,
    /// It sends QUIT behind its last request.
    Quit,
    /// It closes its side behind its last request, and reads on.
    Half,
    /// It is gone, whatever is under way.
    Abort,
    /// It sends what is no request.
    Garbage,
}

/// What a world lets its clients expect.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Replies come as if there were one server and no other client.
    pub strict: bool,
    /// Requests of one client for one key are carried out in order, if each is for that key alone.
    pub ordered: bool,
    /// The proxy's own errors may come instead of replies.
    pub errors: bool,
    /// A reply comes within so many microseconds.
    pub patience: Option<u64>,
    /// The proxy may close the connection of a client that does not read.
    pub closes: bool,
    /// Keys that everybody reads and nobody writes.
    pub shared: usize,
    /// Before each key, where a route asks for it.
    pub prefix: &'static str,
    /// KEYS may be asked for.
    pub listing: bool,
}

/// What a client has to tell when all is over.
#[derive(Debug, Default)]
pub struct Ledger {
    pub open: usize,
    pub over: bool,
    pub left: bool,
    pub replies: usize,
    pub failures: usize,
    /// Marks of writes that were answered with success.
    pub acknowledged: Vec<String>,
}

pub struct Player {
    pub id: usize,
    pub rules: Rules,
    pub ledger: Rc<RefCell<Ledger>>,
    pub left: usize,
    pub window: usize,
    pub think: RangeInclusive<u64>,
    pub exit: Exit,
    pub keys: Vec<Key>,
    /// What was answered, and how often was asked.
    pub counters: Vec<(BTreeSet<i64>, i64)>,
    /// Where its scan goes on, unless it waits for a page.
    pub cursor: Option<String>,
    pub scanned: BTreeSet<Vec<u8>>,
    open: VecDeque<(u64, String, Expect)>,
    next: u64,
    marks: usize,
    gone: bool,
}

impl Player {
    pub fn new(id: usize, rules: Rules, ledger: Rc<RefCell<Ledger>>, dice: &mut Dice) -> Self {
        let exits = [Exit::Satisfied, Exit::Satisfied, Exit::Quit, Exit::Half, Exit::Abort, Exit::Garbage];
        let key = |n: usize| format!("{}k{id}.{n}", rules.prefix);
        let tagged = |n: usize| format!("{}{{t{id}}}.{n}", rules.prefix);
        let names = (0..3).map(key).chain((0..3).map(tagged));
        let first = dice.below(3000);
        Self {
            id,
            ledger,
            left: 1 + dice.index(24),
            window: 1 + dice.index(12),
            think: 0..=1 + dice.below(4000),
            exit: *dice.pick(&exits),
            keys: names.map(Key::new).collect(),
            counters: vec![(BTreeSet::new(), 0); 2],
            cursor: Some("0".into()),
            scanned: BTreeSet::new(),
            open: VecDeque::new(),
            next: first,
            marks: 0,
            gone: false,
            rules,
        }
    }

    fn mark(&mut self) -> String {
        self.marks += 1;
        format!("#{}.{}", self.id, self.marks)
    }

    fn value(&mut self, key: usize) -> String {
        let mark = self.mark();
        format!("{}={mark}", self.keys[key].name)
    }

    fn shared(&self, n: usize) -> String {
        format!("{}s{n}", self.rules.prefix)
    }

    fn want(&mut self, dice: &mut Dice) -> (String, Want) {
        if dice.percent(50) {
            let n = dice.index(self.rules.shared);
            return (self.shared(n), Want::Shared(self.shared(n)));
        }
        let key = dice.index(self.keys.len());
        (self.keys[key].name.clone(), self.own(key))
    }

    fn own(&mut self, key: usize) -> Want {
        let known = &self.keys[key];
        let value = self.rules.strict.then(|| known.model.clone());
        let value = value.or_else(|| (known.sure && known.open == 0).then(|| known.last.clone()));
        Want::Own { key, writes: known.writes, value, strict: self.rules.strict }
    }

    /// The next request, and what may be answered.
    fn think_of(&mut self, dice: &mut Dice) -> (String, Expect) {
        let key = dice.index(self.keys.len());
        match dice.below(100) {
            0..25 => {
                let (name, want) = self.want(dice);
                (format!("GET {name}"), Expect::One(want))
            }
            25..50 => {
                let value = self.value(key);
                self.keys[key].begin_write(Some(&value));
                (format!("SET {} {value}", self.keys[key].name), Expect::Wrote(vec![(key, Some(value))]))
            }
            50..60 => {
                let wants: Vec<_> = (0..1 + dice.index(6)).map(|_| self.want(dice)).collect();
                let names: Vec<_> = wants.iter().map(|(name, _)| name.as_str()).collect();
                let line = format!("MGET {}", names.join(" "));
                (line, Expect::Many(wants.into_iter().map(|(_, want)| want).collect()))
            }
            60..67 => {
                let first = dice.index(self.keys.len());
                let keys: Vec<_> = (0..1 + dice.index(4)).map(|n| (first + n) % self.keys.len()).collect();
                let pairs: Vec<_> = keys.into_iter().map(|key| (key, Some(self.value(key)))).collect();
                pairs.iter().for_each(|(key, value)| self.keys[*key].begin_write(value.as_deref()));
                let text = |(key, value): &(usize, Option<String>)| {
                    format!(" {} {}", self.keys[*key].name, value.as_deref().unwrap())
                };
                (format!("MSET{}", pairs.iter().map(text).collect::<String>()), Expect::Wrote(pairs))
            }
            67..72 => {
                self.keys[key].begin_write(None);
                let mark = self.mark();
                let line = format!("DEL {} {}no{mark}", self.keys[key].name, self.rules.prefix);
                (line, Expect::Wrote(vec![(key, None)]))
            }
            72..78 => {
                let n = dice.index(self.counters.len());
                self.counters[n].1 += 1;
                (format!("INCR {}n{}.{n}", self.rules.prefix, self.id), Expect::Counted(n))
            }
            78..83 => {
                let keys = 1 + dice.index(4);
                let names: String =
                    (0..keys).map(|_| format!(" {}", self.shared(dice.index(self.rules.shared)))).collect();
                (format!("EXISTS{names}"), Expect::Exactly(format!(":{keys}\r\n").into_bytes()))
            }
            83..94 => self.think_of_local(dice),
            94..96 if self.rules.listing && self.cursor.is_some() => {
                let cursor = self.cursor.take().unwrap();
                (format!("SCAN {cursor}"), Expect::Scanned)
            }
            96..98 if self.rules.listing => (format!("KEYS {}s*", self.rules.prefix), Expect::AllShared),
            _ => ("EVAL return 0".into(), Expect::Keyless(b":7\r\n".to_vec())),
        }
    }

    /// What the proxy answers itself, whatever happens to the nodes.
    fn think_of_local(&mut self, dice: &mut Dice) -> (String, Expect) {
        let mark = self.mark();
        let bulk = |text: &str| {
            let mut bytes = Vec::new();
            resp::write::bulk(&mut bytes, text.as_bytes());
            Expect::Surely(bytes)
        };
        match dice.below(5) {
            0 => ("PING".into(), Expect::Surely(b"+PONG\r\n".to_vec())),
            1 => (format!("PING {mark}"), bulk(&mark)),
            2 => (format!("ECHO {mark}"), bulk(&mark)),
            3 => (
                format!("NONSENSE {mark}"),
                Expect::Surely(
                    format!("-ERR unknown command 'NONSENSE', with args beginning with: '{mark}' \r\n").into_bytes(),
                ),
            ),
            _ => ("GET".into(), Expect::Surely(b"-ERR wrong number of arguments for 'get' command\r\n".to_vec())),
        }
    }

    fn ask(&mut self, now: u64, dice: &mut Dice) -> Vec<u8> {
        let (line, expect) = self.think_of(dice);
        let bytes = match line.starts_with("EVAL") {
            true => request("EVAL x 0"),
            false if dice.percent(5) => format!("{line}\r\n").into_bytes(),
            false => request(&line),
        };
        self.left -= 1;
        self.open.push_back((now, line, expect));
        bytes
    }

    fn depart(&mut self, now: u64) -> Vec<Deed> {
        self.gone = true;
        self.ledger.borrow_mut().left = true;
        match self.exit {
            Exit::Satisfied => {
                self.gone = self.open.is_empty();
                if self.gone { vec![Deed::Leave(End::Finished)] } else { Vec::new() }
            }
            Exit::Half => vec![Deed::Leave(End::Finished)],
            Exit::Abort => {
                self.open.clear();
                vec![Deed::Leave(End::Reset)]
            }
            Exit::Quit => {
                self.open.push_back((now, "QUIT".into(), Expect::Surely(b"+OK\r\n".to_vec())));
                vec![Deed::Send(request("QUIT")), Deed::Send(request("PING"))]
            }
            Exit::Garbage => {
                self.open.push_back((now, "garbage".into(), Expect::Refused));
                vec![Deed::Send(b"*1\r\n:1\r\n".to_vec()), Deed::Send(request("PING"))]
            }
        }
    }
}

impl Mind for Player {
    fn act(&mut self, now: u64, dice: &mut Dice) -> Vec<Deed> {
        let mut deeds = Vec::new();
        if self.gone {
            return deeds;
        }
        // With a full window, the next reply wakes it.
        let room = self.window - self.open.len();
        if now >= self.next && room > 0 && self.left > 0 {
            let batch = (1 + dice.index(room)).min(self.left);
            let bytes = (0..batch).flat_map(|_| self.ask(now, dice)).collect();
            self.next = now + 1 + dice.within(&self.think);
            deeds.push(Deed::Send(bytes));
        }
        if now < self.next {
            deeds.push(Deed::WakeAt(self.next));
        }
        if self.left == 0 {
            deeds.extend(self.depart(now));
        }
        self.ledger.borrow_mut().open = self.open.len();
        deeds
    }

    fn hear(&mut self, now: u64, reply: &[u8]) {
        let Some((asked, line, expect)) = self.open.pop_front() else {
            panic!("client {}: {:?} was not asked for", self.id, reply.escape_ascii().to_string());
        };
        let whom = format!("client {} asked {line:?} and reads {}", self.id, reply.escape_ascii());
        if let Some(patience) = self.rules.patience {
            assert!(now - asked <= patience, "{whom}, after {} ms", (now - asked) / 1000);
        }
        let failed = reply[0] == b'-' && !matches!(expect, Expect::Surely(_) | Expect::Refused);
        let demoted = matches!(expect, Expect::Keyless(_)) && reply.starts_with(b"-READONLY");
        assert!(self.rules.errors || !failed || demoted, "{whom}");
        check(self, &expect, reply, &whom);
        let mut ledger = self.ledger.borrow_mut();
        ledger.open = self.open.len();
        ledger.replies += 1;
        ledger.failures += usize::from(failed);
        if let Expect::Wrote(pairs) = &expect
            && !failed
        {
            ledger.acknowledged.extend(pairs.iter().filter_map(|(_, value)| value.clone()));
        }
    }

    fn end(&mut self, _now: u64, _end: End) {
        if !self.rules.closes {
            assert!(
                self.gone && self.open.is_empty(),
                "client {}: closed, and these are open: {:?}",
                self.id,
                self.open
            );
        }
        self.gone = true;
        self.open.clear();
        let mut ledger = self.ledger.borrow_mut();
        (ledger.over, ledger.open) = (true, 0);
    }
}
