//! The engine in a simulated world: named mechanisms, and whatever a seed brings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)]

mod mechanisms;
mod seeds;
mod world;
