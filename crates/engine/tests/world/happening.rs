//! What happens to the nodes, at its time.

use super::node::{Conn, Door, Phase};
use super::pipe::End;
use super::{Wake, World};
use slots::View;

#[derive(Clone, Debug)]
pub enum Happening {
    /// The control side tells the engine of a cluster as it is now.
    View(usize),
    /// The control side tells what was true once.
    OldView(usize, View),
    GiveSlot {
        slot: usize,
        shard: usize,
    },
    /// A shard has nothing any more, and leaves the view.
    GiveAll {
        from: usize,
        to: usize,
    },
    BeginMove {
        slot: usize,
        shard: usize,
    },
    MoveKey(usize),
    EndMove(usize),
    FailOver {
        shard: usize,
        replica: usize,
    },
    /// The node takes connections like this from now on.
    Door {
        cluster: usize,
        node: usize,
        door: Door,
    },
    /// It says something on all its connections, unasked.
    Blurt {
        cluster: usize,
        node: usize,
        text: &'static str,
    },
    /// The proxy is told of another configuration.
    Change(engine::Change),
    /// The proxy is told to end.
    Drain,
    /// All its connections end.
    Cut {
        cluster: usize,
        node: usize,
        end: End,
    },
    Freeze {
        cluster: usize,
        node: usize,
        micros: u64,
    },
    Password {
        cluster: usize,
        node: usize,
        password: Option<(Option<&'static str>, &'static str)>,
    },
    Excuse {
        cluster: usize,
        node: usize,
        excuse: Option<&'static str>,
    },
}

impl World {
    pub(super) fn let_happen(&mut self) {
        while let Some(entry) = self.happenings.first_entry()
            && entry.key().0 <= self.now
        {
            let what = entry.remove();
            // What is shown of these is not the same in every run.
            if !matches!(what, Happening::OldView(..) | Happening::Change(_)) {
                self.trace.note(self.now, "happens", 0, format!("{what:?}").as_bytes());
            }
            self.happen(what);
        }
    }

    /// Lets something happen now. Within a turn, or to the nodes alone.
    pub fn happen(&mut self, what: Happening) {
        match what {
            Happening::View(cluster) => {
                let view = self.clusters[cluster].view();
                self.engine.apply_view(self.ids[cluster], &view);
            }
            Happening::OldView(cluster, view) => self.engine.apply_view(self.ids[cluster], &view),
            Happening::GiveSlot { slot, shard } => self.clusters[0].give_slot(slot, shard),
            Happening::GiveAll { from, to } => self.clusters[0].give_all(from, to),
            Happening::BeginMove { slot, shard } => self.clusters[0].begin_move(slot, shard),
            Happening::MoveKey(slot) => self.clusters[0].move_key(slot),
            Happening::EndMove(slot) => self.clusters[0].end_move(slot),
            Happening::FailOver { shard, replica } => self.clusters[0].fail_over(shard, replica),
            Happening::Door { cluster, node, door } => self.clusters[cluster].nodes[node].door = door,
            Happening::Freeze { cluster, node, micros } => {
                self.clusters[cluster].nodes[node].frozen_until = self.now + micros;
            }
            Happening::Password { cluster, node, password } => self.clusters[cluster].nodes[node].password = password,
            Happening::Excuse { cluster, node, excuse } => self.clusters[cluster].nodes[node].excuse = excuse,
            Happening::Change(change) => self.engine.change(change),
            Happening::Drain => self.engine.hang_up_all(),
            Happening::Cut { cluster, node, end } => self.cut(cluster, node, end),
            Happening::Blurt { cluster, node, text } => {
                for index in self.connected_to(cluster, node) {
                    self.conns[index].output.extend_from_slice(text.as_bytes());
                    self.wake(self.now, Wake::Conn(index));
                }
            }
        }
    }

    fn connected_to(&self, cluster: usize, node: usize) -> Vec<usize> {
        let fits = |conn: &Conn| (conn.cluster, conn.node, conn.phase) == (cluster, node, Phase::Open);
        (0..self.conns.len()).filter(|index| fits(&self.conns[*index])).collect()
    }

    fn cut(&mut self, cluster: usize, node: usize, end: End) {
        for index in self.connected_to(cluster, node) {
            self.conns[index].to_proxy.finish(self.now, end, &mut self.dice);
            self.flow_conn(index);
        }
    }
}
