//! One node's view is taken at its word, unless it looks like that of a node cut off from the cluster or behind it:
//! - it says `cluster_state:fail`, or
//! - it assigns fewer slots than the map in use, or
//! - its configuration epoch is lower than that of the map in use.
//!
//! Such a view is taken only if a second node has the very same one. A second node whose view is not doubtful is believed
//! instead. If nobody else can be asked, the map in use stays; but where there is none yet, or the view knows no other
//! node that could confirm it, a doubtful view is better than nothing.
//!
//! A view equal to the map in use changes nothing and needs no second.

use slots::Topology;
use std::net::SocketAddr;
use std::sync::Arc;

/// What one node says of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opinion {
    /// Who says so.
    pub(crate) from: SocketAddr,
    /// Who owns what.
    pub(crate) map: Arc<Topology>,
    /// Whether it says `cluster_state:fail`.
    pub(crate) down: bool,
    /// Its `cluster_current_epoch`, if it told.
    pub(crate) epoch: Option<u64>,
    /// What its map does without, in words.
    pub(crate) left_out: Vec<String>,
}

/// What follows from an opinion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the truth.
    Accept(Opinion),
    /// Somebody else has to be asked, because of this.
    Doubt(String),
}

/// Weighs the opinions of one read.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    /// The opinion in use.
    present: Option<&'a Opinion>,
    /// Doubtful opinions heard in this read.
    heard: Vec<Opinion>,
}

impl<'a> Judge<'a> {
    /// For one read, while `present` is in use.
    pub(crate) fn new(present: Option<&'a Opinion>) -> Self {
        Self { present, heard: Vec::new() }
    }

    /// Weighs what one more node says. Each node has one opinion a read.
    pub(crate) fn hear(&mut self, opinion: Opinion) -> Verdict {
        let Some(doubt) = self.doubt(&opinion) else { return Verdict::Accept(opinion) };
        let seconded = self.heard.iter().any(|other| other.from != opinion.from && other.map == opinion.map);
        if seconded || knows_nobody_else(&opinion) {
            return Verdict::Accept(opinion);
        }
        self.heard.push(opinion);
        Verdict::Doubt(doubt)
    }

    /// Nobody else can be asked: the widest of the doubtful views, if there is no map in use.
    pub(crate) fn closed(self) -> Option<Opinion> {
        if self.present.is_some() {
            return None;
        }
        self.heard.into_iter().max_by_key(|opinion| opinion.map.covered())
    }

    /// Why an opinion cannot be taken at its word.
    fn doubt(&self, opinion: &Opinion) -> Option<String> {
        if self.present.is_some_and(|present| present.map == opinion.map) {
            return None;
        }
        if opinion.down {
            return Some("it says cluster_state:fail, and no second node agrees with it".to_owned());
        }
        let present = self.present?;
        let (now, before) = (opinion.map.covered(), present.map.covered());
        if now < before {
            return Some(format!("it assigns {now} slots where {before} were assigned, and no second node agrees"));
        }
        let (now, before) = (opinion.epoch?, present.epoch?);
        (now < before).then(|| format!("its epoch {now} is older than {before}, and no second node agrees"))
    }
}

/// Whether the only node of a view is the one that has it.
fn knows_nobody_else(opinion: &Opinion) -> bool {
    opinion.map.nodes().iter().all(|node| node.address == opinion.from)
}

#[cfg(test)]
mod tests {
    use super::{Judge, Opinion, Verdict};
    use slots::{Node, Part, Range, Slot, Topology};
    use std::net::SocketAddr;
    use std::sync::Arc;

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    /// One shard: slots from 0 to below `slots` belong to `primary`, who has the replica 9.
    fn opinion(from: u16, primary: u16, slots: u16) -> Opinion {
        let node = |port| Node { address: at(port), names: Vec::new() };
        let range = Slot::new(0).zip(Slot::new(slots - 1)).map(|(first, last)| Range { first, last });
        let part = Part { primary: node(primary), replicas: vec![node(9)], slots: range.into_iter().collect() };
        let map = Arc::new(Topology::build([part]));
        Opinion { from: at(from), map, down: false, epoch: Some(5), left_out: Vec::new() }
    }

    fn down(from: u16, primary: u16, slots: u16) -> Opinion {
        Opinion { down: true, ..opinion(from, primary, slots) }
    }

    #[track_caller]
    fn accepted(verdict: &Verdict, from: u16) {
        assert!(matches!(verdict, Verdict::Accept(opinion) if opinion.from == at(from)), "{verdict:?}");
    }

    #[track_caller]
    fn doubted(verdict: &Verdict, why: &str) {
        assert!(matches!(verdict, Verdict::Doubt(doubt) if doubt.contains(why)), "{verdict:?}");
    }

    #[test]
    fn a_sound_view_is_taken_at_its_word() {
        let present = opinion(1, 1, 100);
        for (present, new) in [(None, 100), (Some(&present), 100), (Some(&present), 200)] {
            accepted(&Judge::new(present).hear(opinion(2, 2, new)), 2);
        }
    }

    #[test]
    fn a_failing_view_needs_a_second() {
        let present = opinion(1, 1, 100);
        let mut judge = Judge::new(Some(&present));
        doubted(&judge.hear(down(2, 2, 100)), "cluster_state:fail");
        doubted(&judge.hear(down(3, 3, 100)), "cluster_state:fail");
        accepted(&judge.hear(down(4, 2, 100)), 4);
    }

    #[test]
    fn a_node_cannot_second_itself() {
        let present = opinion(1, 1, 100);
        let mut judge = Judge::new(Some(&present));
        judge.hear(down(2, 2, 100));
        doubted(&judge.hear(down(2, 2, 100)), "cluster_state:fail");
    }

    #[test]
    fn fewer_slots_need_a_second() {
        let present = opinion(1, 1, 100);
        let mut judge = Judge::new(Some(&present));
        doubted(&judge.hear(opinion(2, 1, 99)), "99 slots where 100");
        accepted(&judge.hear(opinion(3, 1, 99)), 3);
    }

    #[test]
    fn a_sound_view_wins_over_a_doubtful_one() {
        let present = opinion(1, 1, 100);
        let mut judge = Judge::new(Some(&present));
        doubted(&judge.hear(opinion(2, 1, 99)), "99 slots");
        accepted(&judge.hear(opinion(3, 3, 100)), 3);
    }

    #[test]
    fn an_older_epoch_needs_a_second() {
        let present = opinion(1, 1, 100);
        let old = |from| Opinion { epoch: Some(4), ..opinion(from, 2, 100) };
        let mut judge = Judge::new(Some(&present));
        doubted(&judge.hear(old(2)), "epoch 4 is older than 5");
        accepted(&judge.hear(old(3)), 3);
        let untold = Opinion { epoch: None, ..opinion(2, 2, 100) };
        accepted(&Judge::new(Some(&present)).hear(untold), 2);
    }

    #[test]
    fn what_changes_nothing_needs_no_second() {
        let present = opinion(1, 1, 100);
        let same = Opinion { epoch: Some(1), ..down(2, 1, 100) };
        accepted(&Judge::new(Some(&present)).hear(same), 2);
    }

    #[test]
    fn when_nobody_else_can_be_asked_the_present_map_stays() {
        let present = opinion(1, 1, 100);
        let mut judge = Judge::new(Some(&present));
        judge.hear(down(2, 2, 100));
        assert_eq!(judge.closed(), None);
    }

    #[test]
    fn without_a_map_the_widest_doubtful_view_is_better_than_nothing() {
        let mut judge = Judge::new(None);
        judge.hear(down(2, 2, 50));
        judge.hear(down(3, 3, 100));
        judge.hear(down(4, 4, 10));
        assert_eq!(judge.closed().map(|opinion| opinion.from), Some(at(3)));
        assert_eq!(Judge::new(None).closed(), None);
    }

    #[test]
    fn a_cluster_of_one_needs_no_second() {
        let present = opinion(1, 1, 100);
        accepted(&Judge::new(Some(&present)).hear(down(9, 9, 50)), 9);
    }
}
