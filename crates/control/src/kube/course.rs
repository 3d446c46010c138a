//! The decisions: what to ask for next of one kind, and what an answer means. It knows no clock and no connection.
//!
//! First a list: as a stream where the server has them (`sendInitialEvents`), else in pages. Then a watch from the
//! version of the list, and after each end of it another from the last version that was heard of. A version that is too
//! old (410) asks for a new list. What is known stays in force until that is whole.

use super::kinds::Kind;
use super::shelf::Shelf;
use super::wire::{Event, Page, Status};
use std::time::Duration;

/// Between two attempts at something that fails: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Between two watches that say nothing at all, at most.
const LONGEST_IDLE: Duration = Duration::from_secs(1);
/// How often it is looked whether a kind that is not installed is installed by now, and whether a rule is there by now.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// A kind that is answered with 404 is believed to be gone if it is so again after this.
const SURE: Duration = Duration::from_secs(2);
/// The most that a server's `Retry-After` is heeded.
const LONGEST_WISH: Duration = Duration::from_secs(60);
/// Items a page; more of them each time that a list was too slow for its token; 0 is all at once.
const LIMITS: [u32; 3] = [500, 5000, 0];
/// After so many streaming lists that did not become whole, pages are asked for.
const STREAMS_TRIED: u32 = 2;

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A page of the list; with an empty token the first. A limit of 0 is none.
    Page { token: String, limit: u32 },
    /// The list and what happens after it, in one stream.
    Stream,
    /// What has happened since a version.
    Watch { from: String },
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// A stream or watch begins.
    Opened,
    Page(Page),
    Event(Event),
    /// Something else than what was asked for. With how long the server wants to be left alone.
    Refused(Status, Option<Duration>),
    /// A stream or watch has ended as it should.
    Ended,
    /// No connection, or one that broke, or nonsense.
    Broken(String),
}

/// How it stands with a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing was answered yet, or the list is on its way.
    Unknown,
    /// It is watched.
    Current,
    /// The server does not have it.
    Absent,
    /// A rule is missing.
    Forbidden(String),
    /// The server answers something else.
    Refused(String),
    /// The server does not answer.
    Unreachable(String),
}

/// What becomes of the stream at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on.
    Listen,
    /// Something else is to be asked for.
    Ask,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    List,
    Pages { token: String },
    Watch { from: String },
}

/// The course of one kind.
#[derive(Debug)]
pub(super) struct Course {
    kind: &'static Kind,
    plan: Plan,
    /// Which of the kind's versions is asked for, and whether the server is known to have it.
    version: usize,
    proven: bool,
    /// How often the kind was said to be unknown since it was last answered.
    unknown: u32,
    /// Whether streaming lists are worth a try, and how many have failed.
    streams: bool,
    broken_streams: u32,
    /// How many lists in a row were too slow.
    slow: usize,
    /// How many attempts in a row have failed, and how many watches in a row said nothing at all.
    failures: u32,
    idle: u32,
    /// Before the next attempt.
    pause: Duration,
    /// Whether the watch at hand has said anything, so that its end is no failure.
    heard: bool,
    pub(super) standing: Standing,
    /// Whether there has been a whole list, or is none to be had.
    pub(super) is_complete: bool,
    pub(super) restarts: u64,
    pub(super) lists: u64,
    pub(super) errors: u64,
}

impl Course {
    pub(super) fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            plan: Plan::List,
            version: 0,
            proven: false,
            unknown: 0,
            streams: true,
            broken_streams: 0,
            slow: 0,
            failures: 0,
            idle: 0,
            pause: Duration::ZERO,
            heard: false,
            standing: Standing::Unknown,
            is_complete: false,
            restarts: 0,
            lists: 0,
            errors: 0,
        }
    }

    /// The version of the API that is asked for.
    pub(super) fn version(&self) -> &'static str {
        self.kind.versions.get(self.version).copied().unwrap_or("v1")
    }

    /// What to ask for, and how long to wait before.
    pub(super) fn next(&mut self, shelf: &mut Shelf) -> (Duration, Ask) {
        self.heard = false;
        let ask = match &self.plan {
            Plan::List => {
                shelf.begin();
                if self.streams { Ask::Stream } else { Ask::Page { token: String::new(), limit: self.limit() } }
            }
            Plan::Pages { token } => Ask::Page { token: token.clone(), limit: self.limit() },
            Plan::Watch { from } => Ask::Watch { from: from.clone() },
        };
        (std::mem::take(&mut self.pause), ask)
    }

    fn limit(&self) -> u32 {
        LIMITS[self.slow.min(LIMITS.len() - 1)]
    }

    /// Takes what was heard. Returns what becomes of the stream at hand, and whether the shelf says anything new.
    pub(super) fn hear(&mut self, heard: Heard, shelf: &mut Shelf) -> (Next, bool) {
        match heard {
            Heard::Opened => {
                self.answered();
                (Next::Listen, false)
            }
            Heard::Page(page) => (Next::Ask, self.page(page, shelf)),
            Heard::Event(event) => self.event(event, shelf),
            Heard::Refused(status, wish) => (Next::Ask, self.refused(&status, wish, shelf)),
            Heard::Ended => {
                self.ended(shelf);
                (Next::Ask, false)
            }
            Heard::Broken(why) => {
                self.broken(why, shelf);
                (Next::Ask, false)
            }
        }
    }

    fn answered(&mut self) {
        (self.proven, self.unknown) = (true, 0);
        self.standing = if matches!(self.plan, Plan::Watch { .. }) { Standing::Current } else { Standing::Unknown };
    }

    fn page(&mut self, page: Page, shelf: &mut Shelf) -> bool {
        self.answered();
        self.failures = 0;
        for item in page.items {
            shelf.put(item);
        }
        if page.token.is_empty() {
            self.slow = 0;
            return self.whole(page.version, shelf);
        }
        self.plan = Plan::Pages { token: page.token };
        false
    }

    /// The list is whole, as of a version.
    fn whole(&mut self, version: String, shelf: &mut Shelf) -> bool {
        self.plan = Plan::Watch { from: version };
        (self.standing, self.is_complete) = (Standing::Current, true);
        (self.failures, self.broken_streams) = (0, 0);
        self.lists += 1;
        shelf.commit()
    }

    fn event(&mut self, event: Event, shelf: &mut Shelf) -> (Next, bool) {
        self.heard = true;
        self.failures = 0;
        match event {
            Event::Put(item, version) => {
                let is_new = shelf.put(*item);
                self.reached(version);
                (Next::Listen, is_new)
            }
            Event::Remove(name, version) => {
                let is_new = shelf.remove(&name);
                self.reached(version);
                (Next::Listen, is_new)
            }
            Event::Bookmark(version, true) if self.plan == Plan::List => (Next::Listen, self.whole(version, shelf)),
            Event::Bookmark(version, _) => {
                self.reached(version);
                (Next::Listen, false)
            }
            Event::Status(status) => (Next::Ask, self.refused(&status, None, shelf)),
        }
    }

    fn reached(&mut self, version: String) {
        if let Plan::Watch { from } = &mut self.plan
            && !version.is_empty()
        {
            *from = version;
        }
    }

    fn ended(&mut self, shelf: &mut Shelf) {
        if !matches!(self.plan, Plan::Watch { .. }) {
            return self.broken("the streaming list ended before it was whole".to_owned(), shelf);
        }
        self.restarts += 1;
        // A server that ends every watch at once is not to be asked as fast as it answers.
        self.idle = if self.heard { 0 } else { self.idle + 1 };
        if self.idle > 1 {
            self.pause = pause(self.idle - 2).min(LONGEST_IDLE);
        }
    }

    fn broken(&mut self, why: String, shelf: &mut Shelf) {
        self.restarts += u64::from(matches!(self.plan, Plan::Watch { .. }) && self.standing == Standing::Current);
        // A stream that had begun is asked for again first: most servers that go away come back by another.
        let had_begun = self.standing == Standing::Current || (self.plan == Plan::List && self.heard);
        self.no_stream(shelf);
        self.failed();
        if had_begun && self.failures <= 1 {
            return;
        }
        self.standing = Standing::Unreachable(why);
    }

    /// A list that was on its way will not become whole.
    fn no_stream(&mut self, shelf: &mut Shelf) {
        if matches!(self.plan, Plan::Watch { .. }) {
            return;
        }
        if self.plan == Plan::List && self.streams && self.proven {
            self.broken_streams += 1;
            self.streams = self.broken_streams < STREAMS_TRIED;
        }
        if self.plan == Plan::List {
            shelf.give_up();
        }
    }

    fn failed(&mut self) {
        self.errors += 1;
        self.pause = pause(self.failures);
        self.failures += 1;
    }

    fn refused(&mut self, status: &Status, wish: Option<Duration>, shelf: &mut Shelf) -> bool {
        match status.code {
            410 => self.expired(shelf),
            // How a server says that it does not know the parameters of a streaming list.
            400 | 405 | 422 if self.plan == Plan::List && self.streams => self.streams = false,
            404 => return self.unknown(shelf),
            403 => {
                self.failed();
                self.pause = self.pause.min(LOOK_AGAIN);
                self.standing = Standing::Forbidden(status.message.clone());
            }
            code => {
                let is_ahead = status.message.contains("Too large resource version");
                self.failed();
                self.no_stream(shelf);
                if is_ahead {
                    // The server was set back, as by a backup: what it had said since is not so.
                    self.plan = Plan::List;
                }
                self.pause = wish.map_or(self.pause, |wish| wish.min(LONGEST_WISH)).max(self.pause);
                let advice = if code == 401 { ": these credentials are not accepted" } else { "" };
                self.standing = Standing::Refused(format!("{code} {}{advice}", status.message));
            }
        }
        false
    }

    /// The version to go on from is too old, or the token of the next page.
    fn expired(&mut self, shelf: &mut Shelf) {
        match self.plan {
            Plan::Pages { .. } => self.slow += 1,
            Plan::List => self.no_stream(shelf),
            Plan::Watch { .. } => self.restarts += 1,
        }
        shelf.give_up();
        // The first list anew is asked for at once; if it comes to the same, with pauses.
        self.pause = if self.failures == 0 { Duration::ZERO } else { pause(self.failures - 1) };
        self.failures += 1;
        self.plan = Plan::List;
    }

    /// The server does not know the kind in this version.
    fn unknown(&mut self, shelf: &mut Shelf) -> bool {
        self.unknown += 1;
        if self.proven && self.unknown == 1 {
            self.pause = SURE;
            return false;
        }
        if self.proven {
            (self.proven, self.version) = (false, 0);
        } else {
            self.version += 1;
        }
        (self.plan, self.pause, self.streams) = (Plan::List, Duration::ZERO, true);
        if self.version < self.kind.versions.len() {
            return false;
        }
        (self.version, self.pause, self.failures) = (0, LOOK_AGAIN, 0);
        if !self.kind.may_be_absent() {
            self.errors += 1;
            self.standing = Standing::Refused("404, as if it did not exist".to_owned());
            return false;
        }
        (self.standing, self.is_complete) = (Standing::Absent, true);
        shelf.clear()
    }
}

/// How long to wait after so many failures before the last one.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
