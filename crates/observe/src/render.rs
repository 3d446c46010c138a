//! Statistics as text: pure functions from the sums to what Envoy's `/stats` and `/stats/prometheus` would say.

mod prometheus;
mod text;

pub use prometheus::prometheus;
pub use text::{QUANTILES, text};

#[cfg(test)]
mod tests;
