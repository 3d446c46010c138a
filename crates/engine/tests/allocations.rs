//! In steady state no request costs an allocation: buffers, places and lists are used again.
#![cfg(test)]

#[path = "../examples/costs/rig.rs"]
mod rig;

use rig::{Rig, WORKLOADS, Workload};

/// Rounds until nothing grows any more. A window is as large as the largest turn that it has seen, and where a random
/// choice decides who gets a request, the largest turn is long in coming.
const WARM_UP: usize = 200;
const ROUNDS: usize = 40;

fn allocations(workload: &Workload) -> u64 {
    let mut rig = Rig::new(workload);
    let warm: usize = (0..WARM_UP).map(|_| rig.round()).sum();
    let received = rig.received;
    let counted = allocation_counter::measure(|| assert!((0..ROUNDS).map(|_| rig.round()).sum::<usize>() > 0));
    assert!(warm > 0 && rig.received > received, "{}: nothing was done", workload.name);
    counted.count_total
}

#[test]
fn a_request_in_steady_state_allocates_nothing() {
    let counted = WORKLOADS.iter().map(|workload| (workload.name, allocations(workload)));
    let wrong: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
    assert!(wrong.is_empty(), "allocations in {ROUNDS} rounds: {wrong:?}");
}

#[test]
fn what_is_allocated_is_seen() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(counted.count_total, 1);
}
