//! Counts for `/metrics`, under the names that dashboards for istiod know.

use std::fmt::{self, Write};

use crate::kind::{Kind, PerKind};

/// Upper bounds of the size histogram in bytes, istiod's.
const SIZES: [f64; 6] = [1.0, 1e4, 1e6, 4e6, 1e7, 4e7];
/// Upper bounds of the time histogram in seconds: istiod's, with two more at its lower end.
const SECONDS: [f64; 11] = [0.001, 0.01, 0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0];

/// What a server did since it was started.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Streams opened.
    pub streams: u64,
    /// Changes that the source told of.
    pub changes: u64,
    /// Batches of changes that were pushed.
    pub batches: u64,
    /// Requests for types that are not served.
    pub unknown_types: u64,
    /// Seconds from the first change of a batch until a proxy had acknowledged everything.
    pub convergence: Histogram<11>,
    /// By kind.
    pub kinds: PerKind<KindMetrics>,
}

/// What was sent and answered of one kind.
#[derive(Clone, Debug, Default)]
pub struct KindMetrics {
    /// Responses.
    pub pushes: u64,
    /// Resources in them.
    pub resources: u64,
    /// Accepted responses.
    pub acks: u64,
    /// Refused responses.
    pub rejects: u64,
    /// Requests that spoke of an overtaken response.
    pub expired_nonces: u64,
    /// Encoded bytes of each response.
    pub sizes: Histogram<6>,
}

/// Counts under upper bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Histogram<const N: usize> {
    /// Upper bounds, ascending.
    pub bounds: [f64; N],
    /// Observations not above each bound.
    pub counts: [u64; N],
    /// All observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: [f64; N]) -> Histogram<N> {
        Histogram { bounds, counts: [0; N], count: 0, sum: 0.0 }
    }

    pub(super) fn observe(&mut self, value: f64) {
        for (bound, count) in self.bounds.iter().zip(&mut self.counts) {
            *count += u64::from(value <= *bound);
        }
        self.count += 1;
        self.sum += value;
    }

    fn write(&self, out: &mut String, name: &str, label: &str) -> fmt::Result {
        let comma = if label.is_empty() { "" } else { "," };
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            writeln!(out, "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {count}")?;
        }
        writeln!(out, "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {}", self.count)?;
        let braces = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        writeln!(out, "{name}_sum{braces} {}", self.sum)?;
        writeln!(out, "{name}_count{braces} {}", self.count)
    }
}

impl Default for Histogram<6> {
    fn default() -> Self {
        Histogram::new(SIZES)
    }
}

impl Default for Histogram<11> {
    fn default() -> Self {
        Histogram::new(SECONDS)
    }
}

/// One simple metric: its name, what it is, its help text.
struct Family(&'static str, &'static str, &'static str);

impl Metrics {
    /// In the text format of Prometheus. `connected`: streams now open, by the version of the proxy.
    pub fn prometheus<'a>(&self, connected: impl IntoIterator<Item = (&'a str, u64)>) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out, connected);
        out
    }

    fn write<'a>(&self, out: &mut String, connected: impl IntoIterator<Item = (&'a str, u64)>) -> fmt::Result {
        head(out, &Family("pilot_xds", "gauge", "Proxies connected now."))?;
        for (version, count) in connected {
            writeln!(out, "pilot_xds{{version=\"{version}\"}} {count}")?;
        }
        self.write_totals(out)?;
        self.write_kinds(out)?;
        head(out, &Family("pilot_xds_config_size_bytes", "histogram", "Encoded size of each response."))?;
        for (kind, metrics) in self.kinds.iter() {
            metrics.sizes.write(out, "pilot_xds_config_size_bytes", &format!("type=\"{}\"", kind.url()))?;
        }
        let help = "Seconds from a change until a proxy has acknowledged all that follows from it.";
        head(out, &Family("pilot_proxy_convergence_time", "histogram", help))?;
        self.convergence.write(out, "pilot_proxy_convergence_time", "")
    }

    fn write_totals(&self, out: &mut String) -> fmt::Result {
        let totals = [
            (Family("slotmesh_xds_streams_total", "counter", "Streams opened."), self.streams),
            (Family("slotmesh_xds_changes_total", "counter", "Changes told by the source."), self.changes),
            (Family("slotmesh_xds_batches_total", "counter", "Batches of changes pushed."), self.batches),
            (
                Family("slotmesh_xds_unknown_types_total", "counter", "Requests for types not served."),
                self.unknown_types,
            ),
        ];
        totals.iter().try_for_each(|(family, value)| {
            head(out, family)?;
            writeln!(out, "{} {value}", family.0)
        })
    }

    fn write_kinds(&self, out: &mut String) -> fmt::Result {
        type Read = fn(&KindMetrics) -> u64;
        let families: [(Family, Read); 5] = [
            (Family("pilot_xds_pushes", "counter", "Responses sent."), |kind| kind.pushes),
            (Family("slotmesh_xds_resources_total", "counter", "Resources sent."), |kind| kind.resources),
            (Family("slotmesh_xds_acks_total", "counter", "Responses accepted."), |kind| kind.acks),
            (Family("pilot_total_xds_rejects", "counter", "Responses refused."), |kind| kind.rejects),
            (Family("pilot_xds_expired_nonce", "counter", "Requests that answer an overtaken response."), |kind| {
                kind.expired_nonces
            }),
        ];
        families.iter().try_for_each(|(family, read)| {
            head(out, family)?;
            self.kinds
                .iter()
                .try_for_each(|(kind, metrics)| writeln!(out, "{}{{type=\"{kind}\"}} {}", family.0, read(metrics)))
        })
    }

    pub(super) fn pushed(&mut self, kind: Kind, resources: usize, bytes: usize) {
        let metrics = &mut self.kinds[kind];
        metrics.pushes += 1;
        metrics.resources += resources as u64;
        metrics.sizes.observe(bytes as f64);
    }
}

fn head(out: &mut String, Family(name, kind, help): &Family) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut metrics = Metrics::default();
        metrics.pushed(Kind::Listener, 3, 20_000);
        metrics.kinds[Kind::Listener].rejects += 1;
        metrics.convergence.observe(0.02);
        let text = metrics.prometheus([("1.32-dev", 2)]);
        for line in [
            "pilot_xds{version=\"1.32-dev\"} 2",
            "pilot_xds_pushes{type=\"lds\"} 1",
            "slotmesh_xds_resources_total{type=\"lds\"} 3",
            "pilot_total_xds_rejects{type=\"lds\"} 1",
            "pilot_xds_config_size_bytes_bucket{type=\"type.googleapis.com/envoy.config.listener.v3.Listener\",le=\"10000\"} 0",
            "pilot_xds_config_size_bytes_sum{type=\"type.googleapis.com/envoy.config.listener.v3.Listener\"} 20000",
            "pilot_proxy_convergence_time_bucket{le=\"0.1\"} 1",
            "pilot_proxy_convergence_time_count 1",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
        }
    }
}
