//! The lines of `/stats`: counters and gauges by name, then histograms by name.

use std::fmt::Write as _;

use crate::{Distribution, Totals};

/// The quantiles shown of a histogram, in percent.
pub const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

/// Everything, one `name: value` a line.
pub fn text(totals: &Totals) -> String {
    let mut values: Vec<_> =
        totals.samples().map(|sample| (sample.scope.dotted(&sample.name), sample.value.to_string())).collect();
    values.sort();
    let mut histograms: Vec<_> =
        totals.distributions().map(|shown| (shown.scope.dotted(&shown.name), quantiles(&shown))).collect();
    histograms.sort();
    values.into_iter().chain(histograms).map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Envoy's shape, `P50(since the last flush,since the start)`. Nothing is flushed here, and `nan` is what Envoy says
/// when it has nothing to say about the interval.
fn quantiles(shown: &Distribution) -> String {
    let mut line = String::new();
    for percent in QUANTILES {
        let Some(value) = shown.quantile(percent / 100.0) else { return "No recorded values".to_owned() };
        let gap = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{gap}P{percent}(nan,{value})");
    }
    line
}
