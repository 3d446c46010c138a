//! Whatever a seed brings.
//!
//! `SLOTMESH_SEEDS=100000 cargo test -p engine seeds` runs so many seeds of each climate; `SLOTMESH_SEED=123` only that
//! one, and `SLOTMESH_TRACE=1` shows what happens in it.

mod climate;
mod expect;
mod noise;
mod player;

use climate::{Climate, Run};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Seeds of each climate, unless the environment says otherwise.
const SEEDS: u64 = 500;
/// Of so many seeds one is run twice: the second time without the plain road, which must not make any difference.
const TWICE: u64 = 8;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seeds() -> Range<u64> {
    match number("SLOTMESH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SLOTMESH_SEEDS").unwrap_or(SEEDS),
    }
}

/// Runs one seed; says which it was if that fails.
fn attempt<T>(seed: u64, name: &str, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|problem| {
        eprintln!("seed {seed} failed; again: SLOTMESH_SEED={seed} cargo test -p engine --test all {name}");
        resume_unwind(problem)
    })
}

fn explore(climate: Climate, name: &str) {
    let (mut replies, mut failures) = (0, 0);
    for seed in seeds() {
        let run = attempt(seed, name, || {
            let run = Run::of(climate, seed).play();
            if seed % TWICE == 0 {
                let again = Run::of(climate, seed).without_plain_road().play();
                assert_eq!(again.trace, run.trace, "the same seed, another run");
                assert_eq!(again.counted, run.counted, "the same run, counted differently");
            }
            run
        });
        replies += run.replies;
        failures += run.failures;
    }
    println!("{climate:?}: {replies} replies, of which {failures} failures");
}

/// Slow and cut-up networks, slow readers, small bounds, clients that leave; all nodes are well: no error at all.
#[test]
fn calm() {
    explore(Climate::Calm, "calm");
}

/// Slots move, shards fail over, the control side is late: not one wrong reply, and still no error.
#[test]
fn moving() {
    explore(Climate::Moving, "moving");
}

/// Connections break, nodes freeze, refuse, load: errors in time, and nothing else wrong.
#[test]
fn failing() {
    explore(Climate::Failing, "failing");
}

/// All of that at once, with mirrors, routes, faults, and clients that never read.
#[test]
fn wild() {
    explore(Climate::Wild, "wild");
}

/// Any bytes at any moment.
#[test]
fn noise() {
    // A turn of this takes longer than one of a world.
    let seeds = seeds();
    let few = seeds.start..seeds.end.min(seeds.start + seeds.end.div_ceil(4));
    few.for_each(|seed| attempt(seed, "noise", || noise::make(seed)));
}
