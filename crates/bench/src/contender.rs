//! Who is measured, one row each.

use crate::workload::{Action, Scope, Setup, Shape, Workload};
use crate::world::World;
use crate::{Error, Result, usage};
use Ability::{CutsCommands, LargeValues, ManyClients, ManyShards, Mirrors, ReadsReplicas};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use testkit::{Process, Proxy, ports, wait};

/// How long a contender may take to listen.
const START: Duration = Duration::from_secs(10);

/// What a contender can do; a workload that needs more leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Sends each key to its shard. Who cannot is given the keys of one shard.
    ManyShards,
    /// Cuts MGET and MSET into parts for several shards.
    CutsCommands,
    /// Sends reads to replicas.
    ReadsReplicas,
    /// Copies writes to a mirror.
    Mirrors,
    /// Values of 16 KiB and more.
    LargeValues,
    /// Ten thousand clients: a pass-through needs twice as many open files as many systems allow.
    ManyClients,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// Its name in tables.
    pub name: &'static str,
    /// What it can do.
    abilities: &'static [Ability],
    /// Starts it; `None` where its program is not installed.
    launch: fn(&World, Setup) -> Result<Option<Running>>,
}

/// Every contender. The first is ours.
pub const CONTENDERS: &[Contender] = &[
    Contender {
        name: "slotmesh",
        abilities: &[ManyShards, CutsCommands, ReadsReplicas, Mirrors, LargeValues, ManyClients],
        launch: slotmesh,
    },
    Contender {
        name: "envoy",
        abilities: &[ManyShards, CutsCommands, ReadsReplicas, Mirrors, LargeValues, ManyClients],
        launch: envoy,
    },
    Contender {
        name: "twemproxy",
        // It cuts MGET into one part a server, not one a slot, and a cluster refuses that part.
        abilities: &[ManyShards, LargeValues, ManyClients],
        launch: twemproxy,
    },
    Contender { name: "haproxy", abilities: &[LargeValues], launch: haproxy },
    Contender { name: "direct", abilities: &[LargeValues], launch: direct },
    Contender { name: "floor", abilities: &[ManyShards], launch: floor },
];

impl Contender {
    /// Whether it can do what `workload` needs.
    pub fn takes(&self, workload: &Workload) -> bool {
        needs(workload).iter().all(|need| self.abilities.contains(need)) && !self.left_out(workload)
    }

    /// The shard whose keys it is given, if it can reach only one.
    pub fn only_shard(&self) -> Option<usize> {
        (!self.abilities.contains(&ManyShards)).then_some(0)
    }

    /// Starts it for `setup`; `None` where its program is not installed or knows no such set-up.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, world: &World, setup: Setup) -> Result<Option<Running>> {
        let need = match setup {
            Setup::Plain => None,
            Setup::Replicas => Some(ReadsReplicas),
            Setup::Mirror => Some(Mirrors),
        };
        if need.is_some_and(|need| !self.abilities.contains(&need)) {
            return Ok(None);
        }
        (self.launch)(world, setup)
    }

    /// The memory of a Redis server is its data: beside proxies it says nothing.
    fn left_out(&self, workload: &Workload) -> bool {
        self.name == "direct" && matches!(workload.shape, Shape::Idle(_) | Shape::Big(_))
    }
}

/// What a contender must be able to do for `workload`.
fn needs(workload: &Workload) -> Vec<Ability> {
    let mut needs = match workload.setup {
        Setup::Plain => Vec::new(),
        Setup::Replicas => vec![ReadsReplicas],
        Setup::Mirror => vec![Mirrors],
    };
    if matches!(workload.action, Action::Mget(Scope::Spread) | Action::Mset(Scope::Spread)) {
        needs.push(CutsCommands);
    }
    if workload.value >= 16 << 10 || matches!(workload.shape, Shape::Big(_)) {
        needs.push(LargeValues);
    }
    if matches!(workload.shape, Shape::Idle(5000..)) {
        needs.push(ManyClients);
    }
    needs
}

/// A contender that runs; ended on drop.
#[derive(Debug)]
pub struct Running {
    /// Where its clients connect.
    pub address: SocketAddr,
    /// The process that is measured.
    pub pid: u32,
    /// Kept alive until then.
    held: Held,
}

#[derive(Debug)]
enum Held {
    Proxy(Proxy),
    Process { _process: Process, folder: TempDir },
    Server,
}

impl Running {
    /// If the process has ended, how and with which last words.
    pub fn fate(&self) -> Option<String> {
        let status = usage::exit_status(self.pid)?;
        let words = match &self.held {
            Held::Proxy(proxy) => proxy.log_tail(),
            Held::Process { folder, .. } => fs::read_to_string(folder.path().join("log")).unwrap_or_default(),
            Held::Server => String::new(),
        };
        Some(format!("its process has ended ({status})\n{words}"))
    }
}

fn slotmesh(world: &World, setup: Setup) -> Result<Option<Running>> {
    let proxy = Proxy::start_with(&world.programs.slotmesh, &bootstrap(world, setup), &["--workers", "1"])?;
    Ok(Some(held(proxy)))
}

fn envoy(world: &World, setup: Setup) -> Result<Option<Running>> {
    let Some(program) = &world.programs.envoy else { return Ok(None) };
    Ok(Some(held(Proxy::envoy(program, &bootstrap(world, setup))?)))
}

fn held(proxy: Proxy) -> Running {
    Running { address: proxy.address(), pid: proxy.process().id(), held: Held::Proxy(proxy) }
}

fn twemproxy(world: &World, _: Setup) -> Result<Option<Running>> {
    let Some(program) = &world.programs.nutcracker else { return Ok(None) };
    let statistics = ports::one()?.to_string();
    let config = include_str!("../../../bench/configs/nutcracker.yml");
    process(world, program, config, &["-c", "$FILE", "-a", "127.0.0.1", "-s", &statistics]).map(Some)
}

fn haproxy(world: &World, _: Setup) -> Result<Option<Running>> {
    let Some(program) = &world.programs.haproxy else { return Ok(None) };
    let config = include_str!("../../../bench/configs/haproxy.cfg");
    process(world, program, config, &["-db", "-f", "$FILE"]).map(Some)
}

fn direct(world: &World, _: Setup) -> Result<Option<Running>> {
    let node = world.cluster.node(0);
    Ok(Some(Running { address: node.address(), pid: node.process().id(), held: Held::Server }))
}

fn floor(world: &World, _: Setup) -> Result<Option<Running>> {
    let Some(program) = &world.programs.floor else { return Ok(None) };
    process(world, program, "", &["$LISTEN", "$NODE1", "$NODE2", "$NODE3"]).map(Some)
}

/// The bootstrap that slotmesh and Envoy are both given; `$LISTEN` and `$ADMIN` are left to the test kit.
fn bootstrap(world: &World, setup: Setup) -> String {
    let text = match setup {
        Setup::Plain => include_str!("../../../bench/configs/plain.yaml"),
        Setup::Replicas => include_str!("../../../bench/configs/replicas.yaml"),
        Setup::Mirror => include_str!("../../../bench/configs/mirror.yaml"),
    };
    with_ports(world, text)
}

/// Ports of the nodes and the mirror in place of their words.
fn with_ports(world: &World, text: &str) -> String {
    let nodes = world.cluster.nodes().iter().enumerate();
    let text = nodes
        .fold(text.to_owned(), |text, (i, node)| text.replace(&format!("$NODE{}", i + 1), &node.port().to_string()));
    text.replace("$MIRROR", &world.mirror.port().to_string())
}

/// Starts a program with a configuration file, and waits until it accepts connections.
fn process(world: &World, program: &Path, config: &str, args: &[&str]) -> Result<Running> {
    let (folder, port) = (testkit::reaper::folder()?, ports::one()?);
    let file = folder.path().join("config");
    let fill = |text: &str| with_ports(world, text).replace("$LISTEN", &port.to_string());
    fs::write(&file, fill(config))?;
    let args = args.iter().map(|arg| fill(arg).replace("$FILE", &file.display().to_string()));
    let log = fs::File::create(folder.path().join("log"))?;
    let mut command = Command::new(program);
    let mut process = Process::start(command.args(args).stdout(Stdio::from(log.try_clone()?)).stderr(log))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let said = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let settled = || Ok(process.ended()?.is_some() || TcpStream::connect(address).is_ok());
    wait::until_true(&format!("{} listens", program.display()), START, settled)
        .map_err(|error| Error::Kit(error.with(&said())))?;
    if let Some(status) = process.ended()? {
        return Err(Error::Failed(format!("{} ended: {status}\n{}", program.display(), said())));
    }
    Ok(Running { address, pid: process.id(), held: Held::Process { _process: process, folder } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::WORKLOADS;

    fn who(workload: &str) -> Vec<&'static str> {
        let row = WORKLOADS.iter().find(|row| row.name() == workload).unwrap();
        CONTENDERS.iter().filter(|contender| contender.takes(row)).map(|contender| contender.name).collect()
    }

    #[test]
    fn everybody_does_what_they_can() {
        assert_eq!(who("get-64-p1").len(), CONTENDERS.len());
        assert_eq!(who("mget10-spread-64-p1"), ["slotmesh", "envoy"]);
        assert_eq!(who("set-64-p16-mirror"), ["slotmesh", "envoy"]);
        assert!(!who("get-1048576-p1").contains(&"floor"));
        assert!(!who("get-64-idle10000").contains(&"haproxy"));
    }

    #[test]
    fn who_reaches_one_shard_gets_its_keys_only() {
        let one: Vec<_> = CONTENDERS.iter().filter(|one| one.only_shard().is_some()).map(|one| one.name).collect();
        assert_eq!(one, ["haproxy", "direct"]);
    }
}
