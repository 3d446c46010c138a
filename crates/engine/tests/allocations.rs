//! In steady state a request on the plain road costs no allocation: buffers, places and lists are used again.
#![cfg(test)]

#[path = "../examples/costs/rig.rs"]
mod rig;

use rig::{Rig, WORKLOADS, Workload};

/// Rounds until every buffer has been as large as it gets: four batches a client, in turn.
const WARM_UP: usize = 200;
const ROUNDS: usize = 40;

/// What a request may cost where its parts or its copy need something of their own; 0 for all others.
///
/// Of a cut-up MGET the list of its parts is kept until the last has come. Of a copy its bytes are kept in the mirror's
/// window, which is used again.
const BOUNDS: &[(&str, f64)] = &[("mget10-spread-p1", 16.0), ("set-p16-mirror", 0.0)];

fn allocations(workload: &Workload) -> f64 {
    let mut rig = Rig::new(workload);
    let warm: usize = (0..WARM_UP).map(|_| rig.round()).sum();
    let mut requests = 0;
    let counted = allocation_counter::measure(|| requests = (0..ROUNDS).map(|_| rig.round()).sum());
    assert!(warm > 0 && requests > 0 && rig.received > 0, "{}: nothing was done", workload.name);
    counted.count_total as f64 / requests as f64
}

#[test]
fn a_request_in_steady_state_allocates_nothing() {
    let mut wrong = Vec::new();
    for workload in WORKLOADS {
        let bound = BOUNDS.iter().find(|(name, _)| *name == workload.name).map_or(0.0, |(_, bound)| *bound);
        let counted = allocations(workload);
        println!("{}: {counted} allocations a request", workload.name);
        if counted > bound {
            wrong.push(format!("{}: {counted} allocations a request, {bound} allowed", workload.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_allocated_is_seen() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(counted.count_total, 1);
}
