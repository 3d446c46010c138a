//! The open loop: requests leave when they are due, and their time begins when they are due.
//!
//! A timer of the kernel wakes the loop for every request (epoll's own timeout counts in milliseconds). Where the
//! loop is late all the same, the delay is in the latency of everybody alike, and shown as `lag`.

use super::connection::Connections;
use super::schedule::Schedule;
use super::{Edge, Outcome, Plan, Tally};
use crate::Result;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The timer's token; no run has so many connections.
const TIMER: Token = Token(usize::MAX - 1);
/// After the last request has left, how long to wait for replies; what is still open then counts as that late.
const DRAIN: Duration = Duration::from_secs(2);
/// Waking more often than this would cost more than it shows.
const FINEST: Duration = Duration::from_micros(10);

/// What the loop carries along.
struct Loop<'a> {
    plan: &'a Plan<'a>,
    schedule: Schedule,
    timer: OwnedFd,
    events: Events,
    tally: Tally,
    start: Instant,
    sent: u64,
    /// Requests before this one are warm-up.
    first: u64,
}

pub(super) fn run(
    plan: &Plan<'_>,
    rate: u64,
    connections: &mut Connections,
    edge: &mut dyn FnMut(Edge),
) -> Result<Outcome> {
    let schedule = Schedule::new(rate);
    let timer = timer(schedule.interval().max(FINEST))?;
    connections.poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
    let mut state = Loop {
        plan,
        schedule,
        timer,
        events: Events::with_capacity(1024),
        tally: Tally::new()?,
        start: Instant::now(),
        sent: 0,
        first: u64::MAX,
    };
    while state.start.elapsed() < plan.warm_up {
        state.turn(connections, true)?;
    }
    edge(Edge::Begin);
    let begin = Instant::now();
    // What fell due while `edge` looked at the processes is left out: a burst of our own making would be measured.
    state.first = state.schedule.due_by(state.now());
    state.sent = state.first;
    state.tally.counting = true;
    while begin.elapsed() < plan.duration {
        state.turn(connections, true)?;
    }
    let elapsed = begin.elapsed();
    edge(Edge::End);
    state.drain(connections)?;
    state.tally.finish(elapsed)
}

/// A timer that fires every `interval`.
fn timer(interval: Duration) -> Result<OwnedFd> {
    let fd = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
        .map_err(std::io::Error::from)?;
    let each = Timespec { tv_sec: interval.as_secs() as i64, tv_nsec: i64::from(interval.subsec_nanos()) };
    let spec = Itimerspec { it_interval: each, it_value: each };
    rustix::time::timerfd_settime(&fd, TimerfdTimerFlags::empty(), &spec).map_err(std::io::Error::from)?;
    Ok(fd)
}

impl Loop<'_> {
    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Sends what is due, then handles what is ready.
    fn turn(&mut self, connections: &mut Connections, sending: bool) -> Result<()> {
        connections.wait(&mut self.events, Duration::from_millis(50))?;
        self.tally.check(Instant::now())?;
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match event.token() {
                // The timer goes on only once it has been read.
                TIMER => drop(rustix::io::read(&self.timer, &mut [0; 8])),
                Token(index) => self.receive(connections, index, event)?,
            }
        }
        self.events = events;
        if sending { self.send_due(connections) } else { Ok(()) }
    }

    fn send_due(&mut self, connections: &mut Connections) -> Result<()> {
        let now = self.now();
        let due = self.schedule.due_by(now);
        while self.sent < due {
            let started = self.schedule.due(self.sent);
            if self.sent >= self.first {
                self.tally.lag.saturating_record((now - started).max(1));
            }
            let index = (self.sent % connections.all.len() as u64) as usize;
            connections.all[index].send(self.plan.requests, 1, started)?;
            self.sent += 1;
        }
        Ok(())
    }

    fn receive(&mut self, connections: &mut Connections, index: usize, event: &mio::event::Event) -> Result<()> {
        let ended = connections.handle(index, event, self.plan.requests, &mut self.tally.counted)?;
        if ended > 0 {
            self.tally.last_reply = Instant::now();
        }
        let now = self.now();
        let first = self.schedule.due(self.first);
        for _ in 0..ended {
            let Some(started) = connections.all[index].started.pop_front() else { break };
            if started >= first {
                self.tally.record(now - started, 1);
            }
        }
        Ok(())
    }

    /// Waits for the replies that are still to come. A request that was never answered is not forgotten: it has
    /// waited until now.
    fn drain(&mut self, connections: &mut Connections) -> Result<()> {
        let end = Instant::now() + DRAIN;
        let answered = self.tally.requests;
        let waiting = |connections: &Connections| connections.all.iter().any(|one| !one.started.is_empty());
        while waiting(connections) && Instant::now() < end {
            self.turn(connections, false)?;
        }
        let (now, first) = (self.now(), self.schedule.due(self.first));
        for started in connections.all.iter().flat_map(|one| &one.started).filter(|started| **started >= first) {
            self.tally.record(now - started, 1);
        }
        // Throughput is what was answered in time.
        self.tally.requests = answered;
        Ok(())
    }
}
