//! The Prometheus text format with Envoy's names: <https://prometheus.io/docs/instrumenting/exposition_formats/>
//!
//! Whom a statistic is about becomes a label. The command does not: `redis.cache.command.get.total` is
//! `envoy_redis_command_get_total{envoy_redis_prefix="cache"}`, because that is what Envoy's dashboards ask for. Unlike
//! Envoy, which finds the cluster in `cluster.a.b.upstream_cx_total` by looking for the next dot, names with dots stay
//! whole here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{BOUNDS, Distribution, Kind, Scope, Totals};

/// The lines of one type (counter, gauge, histogram), by family, so that each `# TYPE` is said once.
type Families = BTreeMap<String, String>;

/// Everything: counters, then gauges, then histograms, each by family.
pub fn prometheus(totals: &Totals) -> String {
    let [mut counters, mut gauges, mut histograms] = [const { Families::new() }; 3];
    for sample in totals.samples() {
        let families = match sample.kind {
            Kind::Counter => &mut counters,
            Kind::Gauge => &mut gauges,
        };
        let family = family(&sample.scope, &sample.name);
        let line = format!("{family}{{{}}} {}\n", label(&sample.scope), sample.value);
        families.entry(family).or_default().push_str(&line);
    }
    for shown in totals.distributions() {
        let family = family(&shown.scope, &shown.name);
        let lines = histogram(&family, &shown);
        histograms.entry(family).or_default().push_str(&lines);
    }
    [("counter", counters), ("gauge", gauges), ("histogram", histograms)]
        .into_iter()
        .flat_map(|(kind, families)| {
            families.into_iter().map(move |(family, lines)| format!("# TYPE {family} {kind}\n{lines}"))
        })
        .collect()
}

/// The metric's name: only letters, digits and underscores are allowed.
fn family(scope: &Scope, name: &str) -> String {
    let head = scope.parts().map(|(head, _)| format!("{head}_")).unwrap_or_default();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("envoy_{head}{name}")
}

/// The label that says whom it is about; nothing for the process.
fn label(scope: &Scope) -> String {
    let name = match scope {
        Scope::Cluster(_) => "envoy_cluster_name",
        Scope::Listener(_) => "envoy_listener_address",
        Scope::Redis(_) => "envoy_redis_prefix",
        Scope::Tcp(_) => "envoy_tcp_prefix",
        Scope::Process => return String::new(),
    };
    let whom = scope.parts().map(|(_, whom)| whom).unwrap_or_default();
    format!("{name}=\"{}\"", whom.replace('\\', r"\\").replace('"', "\\\""))
}

fn histogram(family: &str, shown: &Distribution) -> String {
    let mut lines = String::new();
    let label = label(&shown.scope);
    let comma = if label.is_empty() { "" } else { "," };
    let micros = shown.unit.micros();
    let count = shown.snapshot.count();
    let counts = shown.snapshot.cumulative(BOUNDS.map(|bound| bound * micros));
    for (bound, count) in BOUNDS.into_iter().zip(counts) {
        let _ = writeln!(lines, "{family}_bucket{{{label}{comma}le=\"{bound}\"}} {count}");
    }
    let _ = writeln!(lines, "{family}_bucket{{{label}{comma}le=\"+Inf\"}} {count}");
    let _ = writeln!(lines, "{family}_sum{{{label}}} {}", shown.snapshot.sum() as f64 / micros);
    let _ = writeln!(lines, "{family}_count{{{label}}} {count}");
    lines
}
