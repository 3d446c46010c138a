use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::{Kind, Registry, Sample, Scope, Unit};

fn id(name: &str) -> command::Id {
    command::lookup(name.as_bytes()).unwrap()
}

fn names(registry: &Registry) -> Vec<String> {
    let totals = registry.totals();
    let samples = totals.samples().map(|sample| sample.scope.dotted(&sample.name));
    samples.chain(totals.distributions().map(|shown| shown.scope.dotted(&shown.name))).collect()
}

#[test]
fn the_same_worker_and_name_give_the_same_set() {
    let registry = Registry::new(2);
    assert!(Arc::ptr_eq(&registry.cluster(0, "c"), &registry.cluster(0, "c")));
    assert!(!Arc::ptr_eq(&registry.cluster(0, "c"), &registry.cluster(1, "c")));
    assert!(!Arc::ptr_eq(&registry.cluster(0, "c"), &registry.cluster(0, "d")));
}

#[test]
fn a_command_appears_when_it_is_first_used() {
    let registry = Registry::new(1);
    let (filter, cluster) = (registry.filter(0, "f", false), registry.cluster(0, "c"));
    assert!(!names(&registry).iter().any(|name| name.contains(".command.") || name.contains("upstream_commands.get")));

    filter.command(id("get")).total.inc();
    cluster.command(id("get")).total.inc();
    let shown: Vec<_> = names(&registry).into_iter().filter(|name| name.contains(".get.")).collect();
    assert_eq!(
        shown,
        [
            "cluster.c.redis_cluster.upstream_commands.get.failure",
            "cluster.c.redis_cluster.upstream_commands.get.success",
            "cluster.c.redis_cluster.upstream_commands.get.total",
            "redis.f.command.get.delay_fault",
            "redis.f.command.get.error",
            "redis.f.command.get.error_fault",
            "redis.f.command.get.success",
            "redis.f.command.get.total",
            "cluster.c.redis_cluster.upstream_commands.get.latency",
            "redis.f.command.get.latency",
        ]
    );
    assert!(std::ptr::eq(filter.command(id("get")), filter.command(id("get"))));
}

#[test]
fn every_command_of_the_table_has_its_own_statistics() {
    let registry = Registry::new(1);
    let filter = registry.filter(0, "f", false);
    for (row, n) in command::TABLE.iter().zip(1..) {
        filter.command(id(row.name)).total.add(n);
    }
    let totals = registry.totals();
    for (row, n) in command::TABLE.iter().zip(1..) {
        let name = format!("command.{}.total", row.name);
        let found = totals.samples().find(|sample| sample.name == name);
        assert_eq!(found.map(|sample| sample.value), Some(n), "{name}");
    }
}

#[test]
fn the_unit_is_the_filters_choice_upstream_it_is_always_microseconds() {
    let registry = Registry::new(1);
    for (prefix, micros) in [("ms", false), ("us", true)] {
        registry.filter(0, prefix, micros).command(id("get")).latency.record(20_000);
    }
    registry.cluster(0, "c").upstream_rq_time.record(20_000);
    let quantiles: Vec<_> =
        registry.totals().distributions().map(|shown| (shown.unit, shown.quantile(0.5).unwrap().round())).collect();
    assert_eq!(quantiles, [(Unit::Micros, 19_968.0), (Unit::Millis, 20.0), (Unit::Micros, 19_968.0)]);
}

#[test]
fn selecting_by_name_and_by_use() {
    let registry = Registry::new(1);
    registry.cluster(0, "c").upstream_cx_total.inc();
    let mut totals = registry.totals();
    totals.add(Sample { scope: Scope::Process, name: "server.live".into(), kind: Kind::Gauge, value: 1 });
    totals.select(false, |name| name.starts_with("cluster.c.upstream_cx"));
    assert!(totals.samples().all(|sample| sample.name.starts_with("upstream_cx")));
    totals.select(true, |_| true);
    let left: Vec<_> = totals.samples().map(|sample| (sample.name, sample.value)).collect();
    assert_eq!(left, [("upstream_cx_total".into(), 1)]);
    assert_eq!(totals.distributions().count(), 0);
}

#[test]
fn nodes_are_summed_over_workers_and_zero_if_unknown() {
    let registry = Registry::new(2);
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, 7000).into();
    for worker in 0..2 {
        registry.cluster(worker, "c").node(address).cx_active.add(1);
        registry.cluster(worker, "other").node(address).cx_active.add(5);
    }
    let nodes = registry.nodes("c");
    assert_eq!(nodes.of(address)["cx_active"], (Kind::Gauge, 2));
    let unknown = nodes.of((Ipv4Addr::LOCALHOST, 7001).into());
    assert_eq!(unknown.keys().copied().collect::<Vec<_>>(), nodes.of(address).into_keys().collect::<Vec<_>>());
    assert!(unknown.values().all(|(_, value)| *value == 0));
}

#[test]
fn a_worker_counts_while_another_thread_sums() {
    let registry = Registry::new(2);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let filter = registry.filter(worker, "f", false);
            scope.spawn(move || {
                (0..20_000).for_each(|_| {
                    filter.downstream_rq_total.inc();
                    filter.command(id("get")).latency.record(5);
                });
            });
        }
        let mut last = 0;
        while last < 40_000 {
            let totals = registry.totals();
            let now = totals.samples().find(|sample| sample.name == "downstream_rq_total").unwrap().value;
            assert!(now >= last);
            last = now;
        }
    });
    let counts: Vec<_> = registry.totals().distributions().map(|shown| shown.snapshot.count()).collect();
    assert_eq!(counts, [40_000]);
}
