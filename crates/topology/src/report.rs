//! What the workers tell: that the map may no longer be true.

use std::net::SocketAddr;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How many reports may wait. A worker reports once a turn at most; what comes while so many wait is dropped, because
/// the reports that wait already make the cluster be asked.
const WAITING: usize = 1024;

/// Something that happened to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Redirects (MOVED, ASK) were followed; counts towards `redirect_refresh_threshold`.
    Redirected {
        /// How many.
        count: u32,
    },
    /// A node failed requests: closed, timed out, CLUSTERDOWN. Counts towards `failure_refresh_threshold`; in any case the
    /// node is not asked for a while.
    Failed {
        /// The node.
        node: SocketAddr,
        /// How many requests.
        count: u32,
    },
    /// A node turned unhealthy; counts towards `host_degraded_refresh_threshold`, and the node is not asked for a while.
    Degraded {
        /// The node.
        node: SocketAddr,
    },
    /// A request waits for a slot that nobody owns, or for a first map: please look.
    Unknown,
}

/// Where a worker reports to; cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct Reporter(Sender<Report>);

impl Reporter {
    /// A reporter and the end that listens.
    pub(crate) fn new() -> (Self, Receiver<Report>) {
        let (sender, receiver) = channel(WAITING);
        (Self(sender), receiver)
    }

    /// Tells; dropped if too many reports wait, or if nobody listens (a cluster that is not asked).
    pub fn report(&self, report: Report) {
        // Both reasons to fail are reasons to drop it.
        let _ = self.0.try_send(report);
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Reporter, WAITING};

    #[test]
    fn what_is_too_much_is_dropped() {
        let (reporter, mut receiver) = Reporter::new();
        (0..WAITING + 10).for_each(|_| reporter.clone().report(Report::Unknown));
        let mut received = 0;
        while receiver.try_recv().is_ok() {
            received += 1;
        }
        assert_eq!(received, WAITING);
        drop(receiver);
        reporter.report(Report::Unknown);
    }
}
