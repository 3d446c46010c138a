//! A Redis Cluster: its map is asked for again and again, from one node at a time.
//!
//! One read, in this order, until somebody gives a map that can be believed: nodes known (primaries first, drawn at random,
//! without those that failed of late), then the seeds, resolved again, then those that failed of late.

/// One read in progress.
mod reading;

use crate::Report;
use crate::ask::Asker;
use crate::connect::Connector;
use crate::decision::{Candidates, Opinion, Random, Schedule};
use crate::names::Names;
use crate::task::{Begin, Publisher};
use meant::RedisCluster;
use reading::{Reading, Step};
use slots::{Topology, View};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep_until;

/// How many problems of one read are told.
const TOLD: usize = 8;

/// The discovery of one Redis Cluster.
pub(crate) struct Redis {
    asker: Arc<Asker>,
    publisher: Publisher,
    schedule: Schedule,
    candidates: Candidates,
    random: Random,
    /// The opinion in use.
    present: Option<Opinion>,
}

impl Redis {
    pub(crate) fn new(
        connector: Connector,
        settings: &RedisCluster,
        names: Names,
        publisher: Publisher,
        random: Random,
    ) -> Self {
        Self {
            schedule: Schedule::new(settings, Instant::now()),
            asker: Arc::new(Asker::new(connector, names, settings.refresh_timeout)),
            publisher,
            candidates: Candidates::default(),
            random,
            present: None,
        }
    }

    /// Never ends while somebody can report.
    pub(crate) async fn run(mut self, begin: Begin, mut reports: Receiver<Report>) {
        if begin == Begin::WhenUsed {
            match reports.recv().await {
                Some(report) => self.heard(&report),
                None => return,
            }
        }
        loop {
            tokio::select! {
                // What has been reported first: it may say whom not to ask.
                biased;
                report = reports.recv() => match report {
                    Some(report) => self.heard(&report),
                    None => return,
                },
                () = sleep_until(self.schedule.due().into()) => self.read().await,
            }
        }
    }

    fn heard(&mut self, report: &Report) {
        let now = Instant::now();
        if let Report::Failed { node, .. } | Report::Degraded { node } = report {
            self.candidates.failed(*node, now);
        }
        self.schedule.heard(report, now);
    }

    /// One read, from asking to publishing.
    async fn read(&mut self) {
        self.publisher.begun();
        self.schedule.begun(Instant::now());
        let present = self.present.take();
        let mut reading = Reading::new(&self.asker, &mut self.candidates, present.as_ref());
        let found = find(&mut reading, present.as_ref().map(|opinion| &*opinion.map), &mut self.random).await;
        let (found, problems, empty) = reading.close(found);
        let now = Instant::now();
        match found {
            Some(opinion) => {
                self.present = Some(self.accept(opinion, present));
                self.schedule.succeeded(now);
            }
            None => {
                self.present = present;
                if empty {
                    self.publisher.stats.update_empty.inc();
                }
                self.publisher.failed(summary(problems));
                self.schedule.failed(now, &mut self.random);
            }
        }
    }

    /// Publishes an opinion, if its map is another one; gives the opinion in use from now on.
    fn accept(&self, opinion: Opinion, present: Option<Opinion>) -> Opinion {
        let left_out = opinion.left_out.clone();
        let members = |map: &Topology| map.nodes().iter().map(|node| node.address).collect::<Vec<_>>();
        let before = present.as_ref().map(|present| members(&present.map));
        if let Some(present) = present.filter(|present| present.map == opinion.map) {
            self.publisher.unchanged(left_out);
            // The map in use is shared with the workers; a node behind the others does not make it older.
            return Opinion { map: present.map, epoch: present.epoch.max(opinion.epoch), ..opinion };
        }
        let now = members(&opinion.map);
        self.publisher.stats.members(now.len(), before.as_ref() != Some(&now));
        self.publisher.publish(View::Slots(Arc::clone(&opinion.map)), left_out);
        opinion
    }
}

/// Asks in the order above until somebody is believed.
async fn find(reading: &mut Reading<'_>, map: Option<&Topology>, random: &mut Random) -> Option<Opinion> {
    let now = Instant::now();
    if let Some(map) = map {
        let known = reading.candidates.known(map, now, random);
        let found = reading.ask_each(known.into_iter().map(Step::Ask)).await;
        if found.is_some() {
            return found;
        }
    }
    // Without a map every seed is as good as another.
    let avoided = map.map(|map| reading.candidates.avoided(map, now, random)).unwrap_or_default();
    reading.hold_back(&avoided);
    let seeds = reading.seeds();
    let found = reading.ask_each(seeds).await;
    if found.is_some() {
        return found;
    }
    reading.hold_back(&[]);
    reading.ask_each(avoided.into_iter().map(Step::Ask)).await
}

/// The problems of a read as one text; ordered, so that the same problems are the same text.
fn summary(mut problems: Vec<String>) -> String {
    problems.sort_unstable();
    let told = problems.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    match problems.len().checked_sub(TOLD) {
        _ if problems.is_empty() => "there is no seed to ask".to_owned(),
        Some(more @ 1..) => format!("{told}; and {more} more"),
        _ => told,
    }
}

#[cfg(test)]
mod tests;
