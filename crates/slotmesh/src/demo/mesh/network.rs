//! Two network namespaces, joined by a wire: one for the pods of the servers and the control plane, one for the pod of the
//! client, whose connections are captured as `istio-init` does it.
//!
//! A namespace lives as long as somebody is in it, so nothing has to be removed: when the processes have ended it is gone.

use anyhow::{Context as _, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::{Process, wait};

/// How long a tool may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the servers' side of the wire is: the control plane's address, and the way to everywhere else.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
/// The group whose connections are not captured: the sidecar's own, as in Istio. The user stays the same, so that the
/// sidecar may read its program wherever that lies.
const SIDECAR: u32 = 1337;

/// A network namespace, held by a process that does nothing.
pub struct Namespace {
    holder: Process,
    entrance: File,
}

/// Whether this process may make namespaces.
pub fn possible() -> Result<(), String> {
    let tools = ["unshare", "ip", "iptables", "mount", "setpriv"];
    let missing = |tool: &&&str| {
        let words = ["-c", &format!("command -v {tool}")];
        !Command::new("sh").args(words).output().is_ok_and(|output| output.status.success())
    };
    if let Some(tool) = tools.iter().find(missing) {
        return Err(format!("`{tool}` is not installed"));
    }
    let tried = Command::new("unshare").args(["--net", "--mount", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Namespace {
    fn new() -> anyhow::Result<Self> {
        let mut command = Command::new("unshare");
        let holder = Process::start(command.args(["--net", "sleep", "infinity"]))?;
        let path = format!("/proc/{}/ns/net", holder.id());
        let own = std::fs::read_link("/proc/self/ns/net")?;
        wait::until_true("a network namespace", PATIENCE, || {
            Ok(std::fs::read_link(&path).is_ok_and(|there| there != own))
        })?;
        let entrance = File::open(&path).with_context(|| path.clone())?;
        Ok(Self { holder, entrance })
    }

    /// Moves the calling thread into it, for good; threads and processes that it starts are born there.
    pub fn enter(&self) -> anyhow::Result<()> {
        Ok(move_into_link_name_space(self.entrance.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Does something inside, on a thread of its own.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        let done = std::thread::scope(|scope| scope.spawn(|| self.enter().and_then(|()| work())).join());
        done.map_err(|_| anyhow::anyhow!("a thread inside a namespace has panicked"))?
    }

    /// The process that holds it, for `nsenter`.
    pub fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// Runs a line of a shell inside.
    fn run(&self, line: &str) -> anyhow::Result<()> {
        let output = self.within(|| Ok(Command::new("sh").args(["-ec", line]).output()?))?;
        ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}

/// A command that finds the names of `hosts`, a file like `/etc/hosts`, whatever else the machine knows.
pub fn with_names(hosts: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", "mount --bind \"$0\" /etc/hosts; exec \"$@\""]).arg(hosts);
    command
}

/// The same for the sidecar, which is not captured.
pub fn with_names_as_sidecar(hosts: &Path) -> Command {
    let mut command = with_names(hosts);
    command.args(["setpriv", "--regid", &SIDECAR.to_string(), "--clear-groups", "--"]);
    command
}

/// Where everything is.
pub struct Network {
    /// Of the servers and the control plane.
    pub servers: Namespace,
    /// Of the client and its sidecar.
    pub pod: Namespace,
}

impl Network {
    /// Two namespaces; the servers' has `addresses`, the pod has `client`.
    pub fn new(addresses: &[Ipv4Addr], client: Ipv4Addr) -> anyhow::Result<Self> {
        let network = Self { servers: Namespace::new()?, pod: Namespace::new()? };
        let pod = network.pod.holder.id();
        network.servers.run(&format!(
            "ip link set lo up; ip link add wire type veth peer name eth0 netns {pod}; \
             ip address add {ROUTER}/16 dev wire; ip link set wire up"
        ))?;
        for address in addresses {
            network.servers.run(&format!("ip address add {address}/32 dev wire"))?;
        }
        network.pod.run(&format!(
            "ip link set lo up; ip address add {client}/16 dev eth0; ip link set eth0 up; \
             ip route add default via {ROUTER}"
        ))?;
        Ok(network)
    }

    /// Sends every connection that leaves the pod, and every one that comes to it, to the sidecar.
    pub fn capture(&self) -> anyhow::Result<()> {
        self.pod.run(&format!(
            "iptables -t nat -A OUTPUT -p tcp -m owner --gid-owner {SIDECAR} -j RETURN; \
             iptables -t nat -A OUTPUT -p tcp -d 127.0.0.1/32 -j RETURN; \
             iptables -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001; \
             iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006"
        ))
    }
}
