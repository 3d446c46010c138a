use super::{Node, NodeIndex, Part, Range, ShardIndex, Topology};
use crate::Slot;
use proptest::prelude::*;
use std::net::SocketAddr;

fn node(port: u16) -> Node {
    Node { address: ([127, 0, 0, 1], port).into(), names: Vec::new() }
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn range(first: u16, last: u16) -> Range {
    Range { first: slot(first), last: slot(last) }
}

fn part(primary: u16, replicas: &[u16], slots: &[(u16, u16)]) -> Part {
    Part {
        primary: node(primary),
        replicas: replicas.iter().copied().map(node).collect(),
        slots: slots.iter().map(|(first, last)| range(*first, *last)).collect(),
    }
}

/// The port of the primary that owns a slot.
fn owner(map: &Topology, number: u16) -> Option<u16> {
    map.owner(slot(number)).map(|shard| map.node(map.shard(shard).primary).address.port())
}

fn ports(map: &Topology, nodes: &[NodeIndex]) -> Vec<u16> {
    nodes.iter().map(|index| map.node(*index).address.port()).collect()
}

#[test]
fn shards_are_ordered_by_their_lowest_slot() {
    let map =
        Topology::build([part(3, &[], &[(8000, 16_383)]), part(1, &[6], &[(100, 7999)]), part(2, &[], &[(0, 99)])]);
    let primaries: Vec<_> = map.shards().iter().map(|shard| shard.primary).collect();
    assert_eq!(ports(&map, &primaries), [2, 1, 3]);
    assert_eq!([0, 99, 100, 7999, 8000, 16_383].map(|n| owner(&map, n).unwrap()), [2, 2, 1, 1, 3, 3]);
    assert_eq!(map.covered(), Slot::COUNT);
}

#[test]
fn an_unassigned_slot_belongs_to_nobody() {
    let map = Topology::build([part(1, &[], &[(1, 1), (3, 5)])]);
    assert_eq!([0, 1, 2, 3, 5, 6].map(|n| owner(&map, n)), [None, Some(1), None, Some(1), Some(1), None]);
    assert_eq!(map.covered(), 4);
    let ranges: Vec<_> = map.ranges().collect();
    assert_eq!(ranges, [(range(1, 1), ShardIndex(0)), (range(3, 5), ShardIndex(0))]);
    assert_eq!(Topology::build([]), Topology::empty());
    assert_eq!(Topology::empty().ranges().count(), 0);
}

#[test]
fn parts_of_one_primary_are_one_shard() {
    let map = Topology::build([part(1, &[4], &[(0, 10)]), part(2, &[5], &[(11, 20)]), part(1, &[6, 4], &[(21, 30)])]);
    assert_eq!(map.shards().len(), 2);
    assert_eq!(ports(&map, &map.shards()[0].replicas), [4, 6]);
    assert_eq!(map.nodes().len(), 5);
}

#[test]
fn the_order_of_a_reply_does_not_matter() {
    let a = Topology::build([part(1, &[4, 5], &[(0, 10)]), part(2, &[6], &[(11, 20)])]);
    let b = Topology::build([part(2, &[6], &[(11, 20)]), part(1, &[5, 4], &[(5, 10), (0, 4)])]);
    assert_eq!(a, b);
    assert_ne!(a, Topology::build([part(1, &[4], &[(0, 10)]), part(2, &[6], &[(11, 20)])]));
    assert_ne!(a, Topology::build([part(4, &[1, 5], &[(0, 10)]), part(2, &[6], &[(11, 20)])]));
}

#[test]
fn who_owns_nothing_is_left_out() {
    let map = Topology::build([
        part(1, &[3], &[]),
        part(2, &[], &[(0, 5)]),
        part(7, &[8], &[(0, 2)]),
        part(2, &[], &[(0, 5)]),
    ]);
    assert_eq!(map.nodes().len(), 1);
    assert_eq!(owner(&map, 0), Some(2));
}

#[test]
fn one_address_is_one_node_with_all_its_names() {
    let named = |names: &[&str]| Node { names: names.iter().map(ToString::to_string).collect(), ..node(1) };
    let slots = |n| vec![range(n, n)];
    let parts = [
        Part { primary: named(&["b"]), replicas: vec![named(&["c"])], slots: slots(0) },
        Part { primary: named(&["a", "b"]), replicas: vec![], slots: slots(1) },
    ];
    let map = Topology::build(parts);
    assert_eq!(map.nodes(), [named(&["a", "b"])]);
    assert!(map.shards()[0].replicas.is_empty(), "a primary is no replica of itself");
}

#[test]
fn nodes_are_found_by_address() {
    let map = Topology::build([part(9, &[4, 2], &[(0, 10)])]);
    for port in [9, 4, 2] {
        let found = map.find(node(port).address).unwrap();
        assert_eq!(map.node(found).address.port(), port);
    }
    assert_eq!(map.find(node(3).address), None);
}

#[test]
fn more_nodes_than_an_index_can_name_lose_replicas_only() {
    let replicas = |i: u16| {
        (0..40_000).map(move |port| Node { address: SocketAddr::from(([10, 0, 0, i as u8], port)), names: vec![] })
    };
    let parts = (0..2).map(|i| Part { primary: node(i), replicas: replicas(i).collect(), slots: vec![range(i, i)] });
    let map = Topology::build(parts);
    assert_eq!(map.nodes().len(), Topology::MAX_NODES);
    assert_eq!([owner(&map, 0), owner(&map, 1)], [Some(0), Some(1)]);
}

proptest! {
    #[test]
    fn every_map_is_consistent(parts in proptest::collection::vec((0u16..6, proptest::collection::vec(0u16..12, 0..4), proptest::collection::vec((0u16..60, 0u16..30), 0..3)), 0..8)) {
        let mut expected = [None; 100];
        let mut told = Vec::new();
        for (primary, replicas, ranges) in &parts {
            let ranges: Vec<_> = ranges.iter().map(|(first, more)| (*first, first + more)).collect();
            for (first, last) in &ranges {
                expected[usize::from(*first)..=usize::from(*last)].fill(Some(*primary));
            }
            told.push(part(*primary, replicas, &ranges));
        }
        let map = Topology::build(told);
        for number in 0..100 {
            prop_assert_eq!(owner(&map, number), expected[usize::from(number)]);
        }
        prop_assert_eq!(map.covered(), expected.iter().flatten().count());
        prop_assert_eq!(map.ranges().map(|(range, _)| range.count()).sum::<usize>(), map.covered());
        for shard in map.shards() {
            prop_assert!(!shard.replicas.contains(&shard.primary));
        }
    }
}
