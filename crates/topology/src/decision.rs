//! What is decided about a Redis Cluster, without a socket or a clock: when to ask, whom to ask, what to believe.

/// When to ask.
mod schedule;
/// Whom to ask.
mod candidates;
/// What to believe.
mod judge;
/// Chance, from a seed.
mod random;

pub(crate) use candidates::{Candidate, Candidates};
pub(crate) use judge::{Judge, Opinion, Verdict};
pub(crate) use random::Random;
pub(crate) use schedule::Schedule;
