//! The closed loop: every connection sends a batch, waits for all its replies, and sends the next.

use super::connection::Connections;
use super::{Edge, Outcome, Plan, Tally};
use crate::Result;
use mio::Events;
use std::time::{Duration, Instant};

pub(super) fn run(
    plan: &Plan<'_>,
    pipeline: usize,
    connections: &mut Connections,
    edge: &mut dyn FnMut(Edge),
) -> Result<Outcome> {
    let mut tally = Tally::new()?;
    let mut events = Events::with_capacity(1024);
    let start = Instant::now();
    for connection in &mut connections.all {
        connection.send(plan.requests, pipeline, 0)?;
    }
    while start.elapsed() < plan.warm_up {
        turn(plan, pipeline, connections, &mut events, &mut tally, start)?;
    }
    edge(Edge::Begin);
    let begin = Instant::now();
    tally.counting = true;
    while begin.elapsed() < plan.duration {
        turn(plan, pipeline, connections, &mut events, &mut tally, start)?;
    }
    let elapsed = begin.elapsed();
    edge(Edge::End);
    tally.finish(elapsed)
}

/// Handles what is ready, once.
fn turn(
    plan: &Plan<'_>,
    pipeline: usize,
    connections: &mut Connections,
    events: &mut Events,
    tally: &mut Tally,
    start: Instant,
) -> Result<()> {
    connections.wait(events, Duration::from_millis(50))?;
    tally.check(Instant::now())?;
    for event in events.iter() {
        let index = event.token().0;
        let ended = connections.handle(index, event, plan.requests, &mut tally.counted)?;
        if ended == 0 {
            continue;
        }
        let now = Instant::now();
        let at = now.duration_since(start).as_nanos() as u64;
        tally.last_reply = now;
        let connection = &mut connections.all[index];
        // All requests of a batch began at the same moment.
        let began = connection.started.front().copied().unwrap_or(at);
        connection.started.drain(..(ended as usize).min(connection.started.len()));
        tally.record(at - began, ended);
        if connection.started.is_empty() {
            connection.send(plan.requests, pipeline, at)?;
        }
    }
    Ok(())
}
