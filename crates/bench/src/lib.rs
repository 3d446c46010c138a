//! Measuring what a proxy costs, beside its peers: a load generator and the runs.
//!
//! `make bench` starts one real cluster, puts every contender in front of it, and gives all of them the same work in
//! turn, round by round. What counts is the ratio between two contenders within a round: it survives a noisy
//! machine, a single number does not.
//!
//! A workload is a row of [`workload::WORKLOADS`], a contender a row of [`contender::CONTENDERS`], a goal a row of
//! [`bars::BARS`].

/// The load generator: closed and open loops.
pub mod load;

/// What a process has used: processor time, memory, context switches.
pub mod usage;

/// Keys whose owner all contenders agree about.
pub mod keys;

/// What is measured, one row each.
pub mod workload;

/// The requests of a workload.
pub mod traffic;

/// The cluster, the mirror and the programs that all runs share.
pub mod world;

/// Who is measured, one row each.
pub mod contender;

/// What one run said.
pub mod sample;

/// The runs themselves, interleaved.
pub mod run;

/// Runs that measure memory, each with a process of its own.
pub mod memory;

/// Medians, and ratios with their spread.
pub mod ratio;

/// The goals, one row each.
pub mod bars;

/// A whole measurement as a file, with the machine it was taken on.
pub mod results;

/// The tables in the terminal.
pub mod report;

/// The charts, as SVG.
pub mod chart;

/// What can go wrong.
pub mod error;

pub use error::{Error, Result};
