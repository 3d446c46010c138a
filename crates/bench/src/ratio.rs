//! Medians, and ratios with their spread.
//!
//! Two contenders are compared within a round, where both met the same machine in the same minute; the ratios of all
//! rounds then give a median and a spread.

use crate::sample::{Metric, Sample};

/// What all rounds say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// How many there were.
    pub rounds: usize,
}

/// The spread of `values`; `None` if there are none.
pub fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let (low, high) = (*values.first()?, *values.last()?);
    let n = values.len();
    let median = if n % 2 == 1 { values[n / 2] } else { f64::midpoint(values[n / 2 - 1], values[n / 2]) };
    Some(Spread { median, low, high, rounds: n })
}

/// One number of one contender in one workload, over all rounds.
pub fn of(samples: &[Sample], workload: &str, contender: &str, metric: Metric) -> Option<Spread> {
    spread(rounds(samples, workload, contender, metric).into_iter().map(|(_, value)| value).collect())
}

/// A number of one contender divided by the same of another one in the same round, over all rounds that both have.
pub fn between(samples: &[Sample], workload: &str, metric: Metric, ours: &str, theirs: &str) -> Option<Spread> {
    let theirs = rounds(samples, workload, theirs, metric);
    let ratio = |(round, value): (usize, f64)| {
        let (_, other) = theirs.iter().find(|(other, _)| *other == round)?;
        Some(value / other)
    };
    spread(rounds(samples, workload, ours, metric).into_iter().filter_map(ratio).collect())
}

fn rounds(samples: &[Sample], workload: &str, contender: &str, metric: Metric) -> Vec<(usize, f64)> {
    let wanted = samples.iter().filter(|sample| sample.workload == workload && sample.contender == contender);
    wanted.filter_map(|sample| Some((sample.round, *sample.values.get(&metric)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(contender: &str, round: usize, cpu: f64) -> Sample {
        Sample::new("w".into(), contender, round).with(Metric::Cpu, cpu)
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(spread(vec![4.0, 1.0, 2.0]), Some(Spread { median: 2.0, low: 1.0, high: 4.0, rounds: 3 }));
        assert_eq!(spread(vec![3.0, 1.0]).map(|spread| spread.median), Some(2.0));
        assert_eq!(spread(vec![]), None);
        assert_eq!(spread(vec![f64::NAN]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was twice as slow in round 1: single numbers differ, the ratio does not.
        let samples =
            [sample("a", 0, 1.0), sample("b", 0, 2.0), sample("b", 1, 4.0), sample("a", 1, 2.0), sample("a", 2, 9.0)];
        let ratio = between(&samples, "w", Metric::Cpu, "a", "b");
        assert_eq!(ratio, Some(Spread { median: 0.5, low: 0.5, high: 0.5, rounds: 2 }));
        assert_eq!(between(&samples, "w", Metric::Cpu, "a", "c"), None);
        assert_eq!(of(&samples, "w", "a", Metric::Cpu).map(|spread| spread.median), Some(2.0));
    }
}
