//! The goals, one row each.

use crate::ratio::{self, Spread};
use crate::sample::{Metric, Sample};
use serde::{Deserialize, Serialize};

/// Who is measured by the bars.
const OURS: &str = "slotmesh";
/// One mebibyte.
const MIB: f64 = 1_048_576.0;

/// What our number is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Against {
    /// The same number of another contender, in the same round.
    Same(&'static str),
    /// Nothing: the limit is absolute.
    Nothing,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    workload: &'static str,
    metric: Metric,
    against: Against,
    limit: f64,
    /// Whether more is better.
    at_least: bool,
}

const fn cpu(workload: &'static str, who: &'static str, limit: f64) -> Bar {
    Bar { workload, metric: Metric::Cpu, against: Against::Same(who), limit, at_least: false }
}

const fn tail(metric: Metric) -> Bar {
    Bar { workload: "get-64-open50", metric, against: Against::Same("envoy"), limit: 0.8, at_least: false }
}

const fn faster(workload: &'static str, limit: f64) -> Bar {
    Bar { workload, metric: Metric::Throughput, against: Against::Same("envoy"), limit, at_least: true }
}

const fn memory(workload: &'static str, metric: Metric, limit: f64) -> Bar {
    Bar { workload, metric, against: Against::Nothing, limit, at_least: false }
}

/// Every bar.
pub const BARS: &[Bar] = &[
    cpu("get-64-p1", "floor", 1.25),
    cpu("get-64-p16", "floor", 1.25),
    cpu("get-64-p64", "floor", 1.25),
    cpu("set-64-p1", "floor", 1.25),
    cpu("set-64-p16", "floor", 1.25),
    cpu("set-64-p64", "floor", 1.25),
    cpu("get-64-p1", "envoy", 0.70),
    cpu("get-64-p16", "envoy", 0.40),
    cpu("get-64-p64", "envoy", 0.22),
    cpu("set-64-p1", "envoy", 0.70),
    cpu("set-64-p16", "envoy", 0.40),
    cpu("set-64-p64", "envoy", 0.22),
    cpu("get-64-p1", "direct", 1.1),
    cpu("get-64-p16", "direct", 0.75),
    cpu("get-64-p64", "direct", 0.45),
    cpu("set-64-p16-mirror", "envoy", 0.40),
    cpu("mget10-spread-64-p1", "envoy", 0.25),
    faster("get-64-p16", 1.5),
    faster("get-64-p64", 2.0),
    tail(Metric::P99),
    tail(Metric::P999),
    memory("get-64-idle1000", Metric::StartMemory, 12.0 * MIB),
    memory("get-64-idle1000", Metric::IdleMemory, 2048.0),
    memory("big-67108864", Metric::BigMemory, 4.0 * MIB),
    Bar {
        workload: "get-64-p1",
        metric: Metric::RedisCpu,
        against: Against::Same("direct"),
        limit: 0.6,
        at_least: false,
    },
];

/// How a bar turned out.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Verdict {
    /// The workload.
    pub workload: String,
    /// What was compared with what: `CPU µs/request ÷ envoy`.
    pub what: String,
    /// `≤ 0.70`, `≤ 12.0 MiB`.
    pub bar: String,
    /// The median over all rounds, as text; empty if there was nothing to compare.
    pub median: String,
    /// The lowest and the highest round, as text.
    pub spread: String,
    /// Whether the median keeps the bar; `None` if there was nothing to compare.
    pub met: Option<bool>,
}

impl Bar {
    /// Holds `samples` against the bar.
    pub fn judge(&self, samples: &[Sample]) -> Verdict {
        let spread = self.measured(samples);
        let keeps = |value: f64| if self.at_least { value >= self.limit } else { value <= self.limit };
        let sign = if self.at_least { '≥' } else { '≤' };
        Verdict {
            workload: self.workload.into(),
            what: self.what(),
            bar: format!("{sign} {}", self.show(self.limit)),
            median: spread.map_or_else(String::new, |spread| self.show(spread.median)),
            spread: spread
                .map_or_else(String::new, |spread| format!("{} – {}", self.show(spread.low), self.show(spread.high))),
            met: spread.map(|spread| keeps(spread.median)),
        }
    }

    fn measured(&self, samples: &[Sample]) -> Option<Spread> {
        match self.against {
            Against::Same(who) => ratio::between(samples, self.workload, self.metric, OURS, who),
            Against::Nothing => ratio::of(samples, self.workload, OURS, self.metric),
        }
    }

    fn what(&self) -> String {
        match self.against {
            Against::Same(who) => format!("{} ÷ {who}", self.metric.title()),
            Against::Nothing => self.metric.title().into(),
        }
    }

    fn show(&self, value: f64) -> String {
        if self.against == Against::Nothing { self.metric.show(value) } else { format!("{value:.2}") }
    }
}

/// All bars, held against `samples`.
pub fn judge_all(samples: &[Sample]) -> Vec<Verdict> {
    BARS.iter().map(|bar| bar.judge(samples)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::CONTENDERS;
    use crate::workload::WORKLOADS;

    fn samples(ours: f64, envoy: f64) -> Vec<Sample> {
        let one = |who, value| {
            Sample::new("get-64-p16".into(), who, 0).with(Metric::Cpu, value).with(Metric::Throughput, value)
        };
        vec![one("slotmesh", ours), one("envoy", envoy)]
    }

    #[test]
    fn a_bar_is_kept_missed_or_without_an_answer() {
        let bar = cpu("get-64-p16", "envoy", 0.40);
        assert_eq!(bar.judge(&samples(0.8, 2.0)).met, Some(true));
        let missed = bar.judge(&samples(1.0, 2.0));
        assert_eq!((missed.met, missed.median.as_str(), missed.bar.as_str()), (Some(false), "0.50", "≤ 0.40"));
        assert_eq!(bar.judge(&[]).met, None);
        assert_eq!(faster("get-64-p16", 1.5).judge(&samples(1.0, 2.0)).met, Some(false));
        assert_eq!(faster("get-64-p16", 1.5).judge(&samples(3.0, 2.0)).met, Some(true));
    }

    #[test]
    fn absolute_bars_are_shown_in_their_unit() {
        let sample = Sample::new("get-64-idle1000".into(), OURS, 0).with(Metric::StartMemory, 6.0 * MIB);
        let bar = memory("get-64-idle1000", Metric::StartMemory, 12.0 * MIB).judge(&[sample]);
        assert_eq!((bar.what.as_str(), bar.bar.as_str(), bar.median.as_str()), ("start MiB", "≤ 12.0", "6.0"));
    }

    #[test]
    fn bars_name_quick_workloads_and_contenders_that_exist() {
        for bar in BARS {
            let row = WORKLOADS.iter().find(|row| row.name() == bar.workload);
            assert!(row.is_some_and(|row| row.quick), "{}", bar.workload);
            if let Against::Same(who) = bar.against {
                let takes =
                    |one: &crate::contender::Contender| one.name == who && row.is_some_and(|row| one.takes(row));
                assert!(CONTENDERS.iter().any(takes), "{who} {}", bar.workload);
            }
        }
    }
}
