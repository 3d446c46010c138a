//! Where the demo is played: in network namespaces, with the client's connections captured as in a pod; or, where this
//! process may not make any, on 127.0.0.1, with a listener that opens a port of its own.

use super::folder::{CLIENT, Folder, MIRROR_POD, SERVERS, SERVICE, Wording};
use super::network::{self, Network, ROUTER};
use crate::demo::redis_cli;
use crate::demo::say;
use crate::demo::stage::{REPLICAS, SHARDS, create_by_cli};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Cluster, Server, ports};

/// The port of every server, in the files.
const PORT: u16 = 6379;

/// The ground.
pub enum Ground {
    /// Namespaces, and the names that everybody in them finds.
    Captured { network: Box<Network>, hosts: PathBuf },
    /// Free ports of 127.0.0.1: the service's, and those that a sidecar would capture to.
    Open { service: u16, capture: [u16; 2], xds: u16, http: u16, admin: u16 },
}

impl Ground {
    /// The best ground that there is; what it is is said.
    pub fn prepare(folder: &Path, captured: bool) -> anyhow::Result<Self> {
        let possible = network::possible();
        if let (true, Err(why)) = (captured, &possible) {
            say(&format!("Without capture: this process cannot make network namespaces ({why}); as root it can."))?;
        }
        if !captured || possible.is_err() {
            let free = ports::free(6)?;
            return Ok(Self::Open {
                service: free[0],
                capture: [free[1], free[2]],
                xds: free[3],
                http: free[4],
                admin: free[5],
            });
        }
        say("Two network namespaces: one for the servers and the control plane, one for the client's pod …")?;
        let addresses: Vec<Ipv4Addr> = SERVERS.into_iter().chain([MIRROR_POD]).collect();
        let network = Network::new(&addresses, CLIENT)?;
        let hosts = folder.join("hosts");
        fs::write(&hosts, names())?;
        network.capture()?;
        // All that follows on this thread happens where the servers are.
        network.servers.enter()?;
        Ok(Self::Captured { network: network.into(), hosts })
    }

    pub fn is_captured(&self) -> bool {
        matches!(self, Self::Captured { .. })
    }

    /// Six servers of one cluster.
    pub fn cluster(&self, folder: &Path) -> anyhow::Result<Cluster> {
        let nodes = Cluster::builder(SHARDS, REPLICAS).within(folder);
        create_by_cli(if self.is_captured() { nodes.hosts(SERVERS, PORT) } else { nodes })
    }

    /// The mirror.
    pub fn mirror(&self, folder: &Path) -> anyhow::Result<Server> {
        let server = Server::builder().within(folder);
        Ok(if self.is_captured() { server.host(MIRROR_POD).port(PORT) } else { server }.start()?)
    }

    /// The folder of the control plane.
    pub fn folder(
        &self,
        path: PathBuf,
        wording: Wording,
        cluster: &Cluster,
        mirror: &Server,
    ) -> anyhow::Result<Folder> {
        let Self::Open { service, .. } = self else { return Folder::new(path, wording, Vec::new(), &[]) };
        let first = cluster.node(0).port();
        let mut instead = vec![
            (format!("clusterIP: {SERVICE}\n"), "clusterIP: 127.0.0.1\n".to_owned()),
            (format!("{SERVICE}_{PORT}"), format!("127.0.0.1_{service}")),
            (format!("podIP: {MIRROR_POD}"), "podIP: 127.0.0.1".to_owned()),
            // One address has six ports, and a Service one: as far as connections pass unread, they go to the first.
            (
                format!("    port: {PORT}\n    targetPort: {PORT}\n  - name: tcp-gossip"),
                format!("    port: {service}\n    targetPort: {first}\n  - name: tcp-gossip"),
            ),
            (
                format!("name: tcp\n    port: {PORT}\n    targetPort: {PORT}"),
                format!("name: tcp\n    port: {PORT}\n    targetPort: {}", mirror.port()),
            ),
        ];
        instead.extend(SERVERS.map(|pod| (format!("podIP: {pod}\n"), "podIP: 127.0.0.1\n".to_owned())));
        for (number, node) in cluster.nodes().iter().enumerate() {
            let name =
                format!("redis-cluster-{number}.redis-cluster-nodes.redis.svc.cluster.local, port_value: {PORT}");
            instead.push((name, format!("127.0.0.1, port_value: {}", node.port())));
        }
        Folder::new(path, wording, instead, &[("open.yaml", open(*service))])
    }

    /// More arguments of the control plane; the mesh's settings are written into `folder`.
    pub fn control_args(&self, folder: &Path) -> anyhow::Result<Vec<String>> {
        let Self::Open { capture: [out, inward], xds, http, .. } = self else {
            return Ok(["--xds", &format!("{ROUTER}:15010"), "--http", &format!("{ROUTER}:15014")]
                .map(str::to_owned)
                .into());
        };
        let mesh = folder.join("mesh.yaml");
        fs::write(&mesh, format!("proxyListenPort: {out}\nproxyInboundListenPort: {inward}\n"))?;
        let (xds, http) = (format!("127.0.0.1:{xds}"), format!("127.0.0.1:{http}"));
        Ok(["--mesh", &mesh.display().to_string(), "--xds", &xds, "--http", &http].map(str::to_owned).into())
    }

    /// Where the control plane listens: for proxies, and with its pages.
    pub fn control(&self) -> (SocketAddr, SocketAddr) {
        match self {
            Self::Captured { .. } => ((ROUTER, 15010).into(), (ROUTER, 15014).into()),
            Self::Open { xds, http, .. } => ((Ipv4Addr::LOCALHOST, *xds).into(), (Ipv4Addr::LOCALHOST, *http).into()),
        }
    }

    /// Where the sidecar has its pages.
    pub fn admin(&self) -> SocketAddr {
        let port = match self {
            Self::Captured { .. } => 15000,
            Self::Open { admin, .. } => *admin,
        };
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// The one plain address of the service.
    pub fn service(&self) -> SocketAddr {
        match self {
            Self::Captured { .. } => SocketAddr::new(SERVICE.parse().unwrap_or(ROUTER.into()), PORT),
            Self::Open { service, .. } => (Ipv4Addr::LOCALHOST, *service).into(),
        }
    }

    /// The beginning of the sidecar's command, to be run by [`Ground::in_pod`].
    pub fn sidecar(&self, program: &Path) -> Command {
        match self {
            Self::Captured { hosts, .. } => {
                let mut command = network::with_names_as_sidecar(hosts);
                command.arg(program);
                command
            }
            Self::Open { .. } => Command::new(program),
        }
    }

    /// What a plain client in the pod reads.
    pub fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        self.ask_at("redis-cluster", words)
    }

    /// What it reads when it calls another host; on 127.0.0.1 there is only one.
    pub fn ask_at(&self, host: &str, words: &[&str]) -> anyhow::Result<String> {
        match self {
            Self::Captured { network, hosts } => network
                .pod
                .within(|| redis_cli::said(network::with_names(hosts).args(["redis-cli", "-h", host]).args(words))),
            Self::Open { .. } => redis_cli::run(self.service(), words),
        }
    }

    /// Does something where the client is.
    pub fn in_pod<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        match self {
            Self::Captured { network, .. } => network.pod.within(work),
            Self::Open { .. } => work(),
        }
    }

    /// Moves the calling thread to where the client is, for good.
    pub fn enter_pod(&self) -> anyhow::Result<()> {
        match self {
            Self::Captured { network, .. } => network.pod.enter(),
            Self::Open { .. } => Ok(()),
        }
    }
}

/// What the cluster's DNS would answer.
fn names() -> String {
    let mut hosts = format!("127.0.0.1 localhost\n{SERVICE} redis-cluster redis-cluster.redis.svc.cluster.local\n");
    for (number, address) in SERVERS.iter().enumerate() {
        let name = format!("redis-cluster-{number}.redis-cluster-nodes.redis.svc.cluster.local");
        // Writing to text does not fail.
        let _ = writeln!(hosts, "{address} {name}");
    }
    hosts
}

/// A listener of a service is not opened by itself: connections come to it by capture.
fn open(port: u16) -> String {
    format!(
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{ name: open, namespace: istio-system }}\n\
         spec:\n  configPatches:\n  - applyTo: LISTENER\n    match: {{ listener: {{ name: 127.0.0.1_{port} }} }}\n    \
         patch: {{ operation: MERGE, value: {{ bind_to_port: true }} }}\n"
    )
}
