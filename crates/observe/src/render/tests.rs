use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{prometheus, text};
use crate::{Kind, Registry, Sample, Scope};

fn id(name: &str) -> command::Id {
    command::lookup(name.as_bytes()).unwrap()
}

/// Two workers, one filter, one cluster whose name has what breaks formats.
fn house() -> Arc<Registry> {
    let registry = Registry::new(2);
    for worker in 0..2 {
        let filter = registry.filter(worker, "cache", false);
        filter.downstream_rq_total.add(10);
        filter.command(id("get")).total.add(2);
        filter.command(id("get")).latency.record(700);
        registry.cluster(worker, "a:b.c\"d\\e\nf").upstream_cx_active.add(1);
        registry.listener(worker, "[::1]:6379").downstream_cx_total.inc();
        registry.tcp(worker, "pass").idle_timeout.inc();
    }
    registry
}

#[test]
fn text_says_what_envoy_says() {
    let registry = house();
    let mut totals = registry.totals();
    let name = "server.concurrency".into();
    totals.add(Sample { scope: Scope::Process, name, kind: Kind::Gauge, value: 2 });
    totals.select(true, |_| true);
    assert_eq!(
        text(&totals),
        "cluster.a_b.c\"d\\e_f.upstream_cx_active: 2\n\
         listener.[__1]_6379.downstream_cx_total: 2\n\
         redis.cache.command.get.total: 4\n\
         redis.cache.downstream_rq_total: 20\n\
         server.concurrency: 2\n\
         tcp.pass.idle_timeout: 2\n\
         redis.cache.command.get.latency: P0(nan,0.6875) P25(nan,0.6875) P50(nan,0.6875) P75(nan,0.6875) \
         P90(nan,0.6875) P95(nan,0.6875) P99(nan,0.6875) P99.5(nan,0.6875) P99.9(nan,0.6875) P100(nan,0.6875)\n"
    );
}

#[test]
fn an_empty_histogram_says_so() {
    let registry = Registry::new(1);
    registry.cluster(0, "c");
    let shown = text(&registry.totals());
    assert!(shown.ends_with("cluster.c.redis_cluster.upstream_commands.upstream_rq_time: No recorded values\n"));
}

#[test]
fn prometheus_says_what_envoy_says() {
    let mut totals = house().totals();
    totals.select(true, |_| true);
    let rendered = prometheus(&totals);
    let (plain, histogram) = rendered.split_at(rendered.find("# TYPE envoy_redis_command_get_latency ").unwrap());
    assert_eq!(
        plain,
        "# TYPE envoy_listener_downstream_cx_total counter\n\
         envoy_listener_downstream_cx_total{envoy_listener_address=\"[__1]_6379\"} 2\n\
         # TYPE envoy_redis_command_get_total counter\n\
         envoy_redis_command_get_total{envoy_redis_prefix=\"cache\"} 4\n\
         # TYPE envoy_redis_downstream_rq_total counter\n\
         envoy_redis_downstream_rq_total{envoy_redis_prefix=\"cache\"} 20\n\
         # TYPE envoy_tcp_idle_timeout counter\n\
         envoy_tcp_idle_timeout{envoy_tcp_prefix=\"pass\"} 2\n\
         # TYPE envoy_cluster_upstream_cx_active gauge\n\
         envoy_cluster_upstream_cx_active{envoy_cluster_name=\"a_b.c\\\"d\\\\e_f\"} 2\n"
    );
    let lines: Vec<_> = histogram.lines().collect();
    assert_eq!(lines.len(), 1 + 20 + 2);
    assert_eq!(lines[1], "envoy_redis_command_get_latency_bucket{envoy_redis_prefix=\"cache\",le=\"0.5\"} 0");
    assert_eq!(lines[2], "envoy_redis_command_get_latency_bucket{envoy_redis_prefix=\"cache\",le=\"1\"} 2");
    assert_eq!(lines[19], "envoy_redis_command_get_latency_bucket{envoy_redis_prefix=\"cache\",le=\"3600000\"} 2");
    assert_eq!(lines[20], "envoy_redis_command_get_latency_bucket{envoy_redis_prefix=\"cache\",le=\"+Inf\"} 2");
    assert_eq!(lines[21], "envoy_redis_command_get_latency_sum{envoy_redis_prefix=\"cache\"} 1.4");
    assert_eq!(lines[22], "envoy_redis_command_get_latency_count{envoy_redis_prefix=\"cache\"} 2");
}

#[test]
fn the_process_has_no_label_and_says_so_as_envoy_does() {
    let mut totals = Registry::new(1).totals();
    totals.add(Sample { scope: Scope::Process, name: "server.live".into(), kind: Kind::Gauge, value: 1 });
    assert_eq!(prometheus(&totals), "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n");
}

#[test]
fn with_every_command_used_no_type_or_series_is_said_twice() {
    let registry = house();
    for row in command::TABLE {
        registry.filter(0, "cache", false).command(id(row.name));
        registry.filter(0, "other", true).command(id(row.name));
        registry.cluster(1, "c").command(id(row.name));
    }
    let rendered = prometheus(&registry.totals());
    let mut seen = BTreeSet::new();
    let mut types = BTreeMap::new();
    for line in rendered.lines() {
        let (series, last) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "{series} twice");
        match series.strip_prefix("# TYPE ") {
            Some(family) => assert!(types.insert(family, last).is_none(), "{family} twice"),
            None => {
                let name = series.split('{').next().unwrap();
                let shared = ["_bucket", "_sum", "_count"].iter().find_map(|tail| name.strip_suffix(tail));
                assert!(types.contains_key(name) || shared.is_some_and(|base| types[base] == "histogram"), "{line}");
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
            }
        }
    }
}
