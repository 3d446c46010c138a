//! Counting reads and members, in Envoy's names (`cluster.<name>.`).

use observe::{Counter, Gauge, Kind};

/// The statistics of one cluster's discovery. Its task is the only one that writes them.
#[derive(Debug, Default)]
pub struct DiscoveryStats {
    /// Reads begun: a cluster asked, or its names resolved.
    pub update_attempt: Counter,
    /// Reads that ended with members that can be trusted, changed or not. (Envoy's Redis cluster leaves it 0.)
    pub update_success: Counter,
    /// Reads that ended without.
    pub update_failure: Counter,
    /// Reads that failed because the names have no address.
    pub update_empty: Counter,
    /// Reads that found nothing changed.
    pub update_no_rebuild: Counter,
    /// How often the set of members changed.
    pub membership_change: Counter,
    /// How many members there are.
    pub membership_total: Gauge,
    /// How many of them are not known to fail. Without a health check that is all of them, as in Envoy.
    pub membership_healthy: Gauge,
}

impl DiscoveryStats {
    /// Shows every statistic with its name below `cluster.<name>.`
    pub fn each(&self, mut show: impl FnMut(&'static str, Kind, u64)) {
        let mut counter = |name, counter: &Counter| show(name, Kind::Counter, counter.get());
        counter("update_attempt", &self.update_attempt);
        counter("update_success", &self.update_success);
        counter("update_failure", &self.update_failure);
        counter("update_empty", &self.update_empty);
        counter("update_no_rebuild", &self.update_no_rebuild);
        counter("membership_change", &self.membership_change);
        let mut gauge = |name, gauge: &Gauge| show(name, Kind::Gauge, gauge.get());
        gauge("membership_total", &self.membership_total);
        gauge("membership_healthy", &self.membership_healthy);
    }

    /// There are `total` members now; `changed` says whether they are others than before.
    pub(crate) fn members(&self, total: usize, changed: bool) {
        if changed {
            self.membership_change.inc();
        }
        self.membership_total.set(total as u64);
        self.membership_healthy.set(total as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::DiscoveryStats;
    use observe::Kind;

    #[test]
    fn every_statistic_is_shown_by_its_name() {
        let stats = DiscoveryStats::default();
        stats.update_empty.add(3);
        stats.members(6, true);
        stats.members(5, false);
        let mut shown = Vec::new();
        stats.each(|name, kind, value| shown.push((name, kind, value)));
        assert_eq!(shown.len(), 8);
        assert!(shown.contains(&("update_empty", Kind::Counter, 3)));
        assert!(shown.contains(&("membership_change", Kind::Counter, 1)));
        assert!(shown.contains(&("membership_total", Kind::Gauge, 5)));
    }
}
