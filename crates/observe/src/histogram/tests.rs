use super::{BOUNDS, CELLS, Histogram, Snapshot, cell_of, span_of};

fn recorded(values: impl IntoIterator<Item = u64>) -> Snapshot {
    let histogram = Histogram::default();
    values.into_iter().for_each(|value| histogram.record(value));
    histogram.snapshot()
}

#[test]
fn cells_follow_each_other_without_gap_or_overlap() {
    let mut next = 0;
    for cell in 0..CELLS {
        let (low, width) = span_of(cell);
        assert_eq!(low, next, "cell {cell}");
        assert_eq!((cell_of(low), cell_of(low + width - 1)), (cell, cell));
        next = low + width;
    }
    assert_eq!(next, 1 << 36, "the last cell ends where the largest value is");
    assert_eq!(cell_of(u64::MAX), CELLS - 1);
}

#[test]
fn the_middle_of_a_cell_is_near_every_value_in_it() {
    for exponent in 0..36 {
        for step in 0..64 {
            let value = (1u64 << exponent) + ((1u64 << exponent) * step / 64);
            let found = recorded([value]).quantile(0.5).unwrap();
            let error = (found - value as f64).abs() / value as f64;
            assert!(error <= 0.032, "{value} became {found}: {error}");
        }
    }
}

#[test]
fn small_values_are_exact() {
    for value in 0..32 {
        assert_eq!(recorded([value]).quantile(1.0), Some(value as f64));
    }
}

#[test]
fn quantiles_of_a_known_spread() {
    let snapshot = recorded(1..=10_000);
    for (q, truth) in [(0.0, 1.0), (0.25, 2500.0), (0.5, 5000.0), (0.99, 9900.0), (0.999, 9990.0), (1.0, 10_000.0)] {
        let found = snapshot.quantile(q).unwrap();
        assert!((found - truth).abs() / truth <= 0.032, "p{q}: {found} instead of {truth}");
    }
    assert_eq!((snapshot.count(), snapshot.sum()), (10_000, 50_005_000));
}

#[test]
fn nothing_recorded_has_no_quantile_and_no_cells() {
    let snapshot = Histogram::default().snapshot();
    assert_eq!(snapshot, Snapshot::default());
    assert_eq!((snapshot.quantile(0.5), snapshot.count(), snapshot.sum()), (None, 0, 0));
    assert_eq!(snapshot.cumulative(BOUNDS), [0; 19]);
    assert!(size_of::<Histogram>() <= 32, "an idle histogram is small");
}

#[test]
fn workers_merge_into_what_one_would_have_seen() {
    let mut merged = Snapshot::default();
    merged.merge(&recorded((0..500).map(|n| n * 7)));
    merged.merge(&recorded([]));
    merged.merge(&recorded((500..1000).map(|n| n * 7)));
    assert_eq!(merged, recorded((0..1000).map(|n| n * 7)));
}

#[test]
fn cumulative_counts_are_near_the_truth_and_never_fall() {
    let snapshot = recorded(1..=100_000);
    let counts = snapshot.cumulative([100.0, 500.0, 1000.0, 25_000.0, 99_000.0, 1e9]);
    assert!(counts.is_sorted());
    for (count, truth) in counts.iter().zip([100.0, 500.0, 1000.0, 25_000.0, 99_000.0, 100_000.0]) {
        assert!((*count as f64 - truth).abs() / truth <= 0.01, "{count} instead of {truth}");
    }
    assert_eq!(counts.last(), Some(&snapshot.count()), "no value is above the largest bound");
}

#[test]
fn several_bounds_inside_one_cell_and_a_value_beyond_all() {
    let snapshot = recorded([u64::MAX, 3, 1_000_000]);
    assert_eq!(snapshot.cumulative([0.5, 2.0, 3.0, 3.9, 4.0, 2e6]), [0, 0, 1, 1, 1, 2]);
    assert_eq!(snapshot.count(), 3);
}

#[test]
fn a_snapshot_may_be_taken_while_another_thread_records() {
    let histogram = Histogram::default();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100_000).for_each(|value| histogram.record(value)));
        let mut last = 0;
        while last < 100_000 {
            let now = histogram.snapshot().count();
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
    });
    assert_eq!(histogram.snapshot(), recorded(0..100_000));
}
