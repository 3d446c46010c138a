//! A latency histogram: 16 equal cells for every doubling.
//!
//! A value below 32 has a cell of its own; above, a cell spans a sixteenth of its octave, so that the middle of a cell
//! is within 3.2 % of every value in it. Finding the cell takes a count of leading zeros and a shift. The cells of one
//! histogram take 4 KiB, and only once something was recorded: most commands are never used.
//!
//! Envoy's own histogram has cells of two decimal digits. They hit the bounds 0.5, 1, 5, 10, … exactly and are wrong by
//! up to 5 % elsewhere; here a bound inside a cell takes its share of that cell.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The upper bounds of Envoy's histogram buckets, in the unit in which the histogram is rendered.
pub const BOUNDS: [f64; 19] = [
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0,
    600000.0, 1800000.0, 3600000.0,
];

/// Cells per octave, as a power of two.
const FINE: u32 = 4;
/// Values of this many bits and more share the last cell: 2^36 µs are 19 hours.
const WIDEST: u32 = 36;
const CELLS: usize = ((WIDEST - FINE + 1) as usize) << FINE;

type Cells = Box<[AtomicU64]>;

/// How often which values occurred, to within 3.2 %. One thread records, any thread takes snapshots.
#[derive(Debug, Default)]
pub struct Histogram {
    cells: OnceLock<Cells>,
    sum: AtomicU64,
}

impl Histogram {
    /// Counts one value (of latencies: microseconds). Values of 2^36 and more count as the largest.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts the same value `times` times.
    #[inline]
    pub fn record_many(&self, value: u64, times: u64) {
        let cells = self.cells.get_or_init(empty_cells);
        if let Some(cell) = cells.get(cell_of(value)) {
            cell.store(cell.load(Relaxed) + times, Relaxed);
        }
        self.sum.store(self.sum.load(Relaxed).wrapping_add(value.wrapping_mul(times)), Relaxed);
    }

    /// What was recorded so far.
    pub fn snapshot(&self) -> Snapshot {
        let cells = self.cells.get().map(|cells| cells.iter().map(|cell| cell.load(Relaxed)).collect());
        Snapshot { cells: cells.unwrap_or_default(), sum: self.sum.load(Relaxed) }
    }
}

#[cold]
fn empty_cells() -> Cells {
    (0..CELLS).map(|_| AtomicU64::new(0)).collect()
}

/// The cell of a value, always below [`CELLS`].
#[inline]
fn cell_of(value: u64) -> usize {
    let value = value.min((1 << WIDEST) - 1);
    let octave = (u64::BITS - value.leading_zeros()).saturating_sub(FINE + 1);
    (octave << FINE) as usize + (value >> octave) as usize
}

/// The smallest value of a cell, and how many values it spans.
fn span_of(cell: usize) -> (u64, u64) {
    let octave = (cell >> FINE).saturating_sub(1);
    (((cell - (octave << FINE)) as u64) << octave, 1 << octave)
}

/// What a histogram held at one moment; those of several workers can be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Empty if nothing was recorded.
    cells: Vec<u64>,
    sum: u64,
}

impl Snapshot {
    /// Adds what another holds.
    pub fn merge(&mut self, other: &Snapshot) {
        self.sum = self.sum.wrapping_add(other.sum);
        if self.cells.is_empty() {
            self.cells.clone_from(&other.cells);
            return;
        }
        self.cells.iter_mut().zip(&other.cells).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// The sum of the values, exact.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The value that the fraction `q` (0 to 1) of all values does not exceed, to within 3.2 %; none if there are none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = ((self.count() as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let cell = self.cells.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let (low, width) = span_of(cell);
        Some(low as f64 + (width - 1) as f64 / 2.0)
    }

    /// How many values are at most `bound`, for every bound in ascending order. A cell that a bound cuts counts for the
    /// part below it.
    pub fn cumulative(&self, bounds: impl IntoIterator<Item = f64>) -> Vec<u64> {
        let mut cells = self.cells.iter().enumerate().peekable();
        let mut below = 0;
        let at_bound = |bound: f64| {
            while let Some((_, count)) = cells.next_if(|(cell, _)| last_of(*cell) <= bound) {
                below += count;
            }
            below + cells.peek().map_or(0, |(cell, count)| part_below(*cell, **count, bound))
        };
        bounds.into_iter().map(at_bound).collect()
    }
}

/// The largest value of a cell.
fn last_of(cell: usize) -> f64 {
    let (low, width) = span_of(cell);
    (low + width - 1) as f64
}

/// How many of a cell's `count` values are at most `bound`, if they lie evenly.
fn part_below(cell: usize, count: u64, bound: f64) -> u64 {
    let (low, width) = span_of(cell);
    let share = ((bound.floor() + 1.0 - low as f64) / width as f64).clamp(0.0, 1.0);
    (count as f64 * share).round() as u64
}

#[cfg(test)]
mod tests;
