//! What is measured, one row each.

use Action::{Get, Mget, Mixed, Mset, Set};
use Scope::{SameSlot, Spread};

/// Keys in an MGET or MSET.
pub const MANY: usize = 10;

/// Where the keys of a command with many keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All in one slot.
    SameSlot,
    /// All over the cluster.
    Spread,
}

/// What clients send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads.
    Get,
    /// Writes.
    Set,
    /// Three reads, one write.
    Mixed,
    /// Reads of [`MANY`] keys.
    Mget(Scope),
    /// Writes of [`MANY`] keys.
    Mset(Scope),
}

impl Action {
    /// Its name in the name of a workload.
    pub fn name(self) -> &'static str {
        match self {
            Get => "get",
            Set => "set",
            Mixed => "mixed",
            Mget(SameSlot) => "mget10-slot",
            Mget(Spread) => "mget10-spread",
            Mset(SameSlot) => "mset10-slot",
            Mset(Spread) => "mset10-spread",
        }
    }
}

/// How the proxy is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setup {
    /// Reads and writes go to primaries.
    Plain,
    /// Reads go to replicas.
    Replicas,
    /// Every write is copied to a mirror.
    Mirror,
}

/// How the load comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As fast as the contender allows.
    Closed,
    /// A constant rate: so many percent of what Envoy reaches in `get-64-p1`.
    Open(u64),
    /// A fresh process; so many clients send one command and stay; then the closed loop runs beside them.
    Idle(usize),
    /// A fresh process; one client sets and gets one value of so many bytes.
    Big(usize),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// What clients send.
    pub action: Action,
    /// Bytes of a value.
    pub value: usize,
    /// Requests that a client sends at once.
    pub pipeline: usize,
    /// Active clients.
    pub clients: usize,
    /// How the proxy is set up.
    pub setup: Setup,
    /// How the load comes.
    pub shape: Shape,
    /// Whether the quick form has it too.
    pub quick: bool,
}

impl Workload {
    /// Its name: `set-64-p16-mirror`, `get-64-open50`, `get-64-idle1000`, `big-67108864`.
    pub fn name(&self) -> String {
        let setup = match self.setup {
            Setup::Plain => "",
            Setup::Replicas => "-replicas",
            Setup::Mirror => "-mirror",
        };
        let (action, value, pipeline) = (self.action.name(), self.value, self.pipeline);
        match self.shape {
            Shape::Closed => format!("{action}-{value}-p{pipeline}{setup}"),
            Shape::Open(percent) => format!("{action}-{value}-open{percent}{setup}"),
            Shape::Idle(clients) => format!("{action}-{value}-idle{clients}{setup}"),
            Shape::Big(bytes) => format!("big-{bytes}{setup}"),
        }
    }

    const fn pipeline(mut self, pipeline: usize) -> Self {
        self.pipeline = pipeline;
        self
    }

    const fn value(mut self, value: usize) -> Self {
        self.value = value;
        self
    }

    const fn clients(mut self, clients: usize) -> Self {
        self.clients = clients;
        self
    }

    const fn setup(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }

    const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }
}

/// Values of 64 bytes, 50 clients, no pipeline, plain set-up, closed loop.
const fn row(action: Action) -> Workload {
    let (setup, shape) = (Setup::Plain, Shape::Closed);
    Workload { action, value: 64, pipeline: 1, clients: 50, setup, shape, quick: false }
}

/// The values of the memory bars, in bytes: far larger than any buffer.
pub const BIG: usize = 64 << 20;

/// Every workload. RESP3 and TLS join when slotmesh has them.
pub const WORKLOADS: &[Workload] = &[
    row(Get).quick(),
    row(Get).pipeline(16).quick(),
    row(Get).pipeline(64).quick(),
    row(Set).quick(),
    row(Set).pipeline(16).quick(),
    row(Set).pipeline(64).quick(),
    row(Mixed),
    row(Mixed).pipeline(16),
    row(Mixed).pipeline(64),
    row(Mget(SameSlot)),
    row(Mget(Spread)).quick(),
    row(Mset(SameSlot)),
    row(Mset(Spread)),
    row(Get).value(1 << 10),
    row(Set).value(1 << 10),
    row(Get).value(16 << 10),
    row(Set).value(16 << 10),
    // Fewer clients: fifty values of this size under way would measure the machine's memory.
    row(Get).value(1 << 20).clients(8),
    row(Set).value(1 << 20).clients(8),
    row(Get).setup(Setup::Replicas),
    row(Get).pipeline(16).setup(Setup::Replicas),
    row(Mixed).pipeline(16).setup(Setup::Replicas),
    row(Set).setup(Setup::Mirror),
    row(Set).pipeline(16).setup(Setup::Mirror).quick(),
    row(Mixed).pipeline(16).setup(Setup::Mirror),
    row(Get).shape(Shape::Open(25)),
    row(Get).shape(Shape::Open(50)).quick(),
    row(Get).shape(Shape::Open(75)),
    row(Get).shape(Shape::Idle(1000)).quick(),
    row(Get).shape(Shape::Idle(10_000)),
    row(Get).shape(Shape::Big(BIG)).quick(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<String> = WORKLOADS.iter().map(Workload::name).collect();
        assert_eq!(names.len(), WORKLOADS.len());
        for name in ["get-64-p1", "set-64-p16-mirror", "get-64-open50", "mget10-spread-64-p1", "big-67108864"] {
            assert!(names.contains(name), "{name}");
        }
    }
}
