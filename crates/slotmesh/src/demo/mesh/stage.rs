//! What runs: six servers, a mirror, the control plane, and a sidecar that knows nothing but where the control plane is.

use super::folder::{Folder, Wording};
use super::ground::Ground;
use crate::demo::say;
use crate::demo::scene::Scene;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use testkit::{Cluster, Process, Server, http, reaper, wait};

/// How long the sidecar may take to have its configuration.
const START: Duration = Duration::from_secs(30);

/// The sidecar's bootstrap; the addresses of the control plane and of its own pages are put in.
const BOOTSTRAP: &str = include_str!("../../../../../examples/sidecar.yaml");

/// There is no DNS server in the namespaces: Envoy's own resolver, unlike the system's, would ask for one.
const RESOLVER: &str = "{typed_dns_resolver_config: {name: envoy.network.dns_resolver.getaddrinfo, typed_config: {'@type': \
     type.googleapis.com/envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig}}}";

/// Fields are dropped in this order: the sidecar before those that it talks to, the folder last.
pub struct Stage {
    sidecar: Process,
    control: Process,
    cluster: Cluster,
    mirror: Server,
    pub ground: Ground,
    pub folder: Folder,
    place: TempDir,
}

impl Stage {
    /// Starts everything, up to a sidecar that has what the control plane says; `envoy` is a real Envoy to be used as the
    /// sidecar instead of slotmesh. `captured` asks for network namespaces, if they can be had.
    pub fn build(envoy: Option<&Path>, captured: bool, wording: Wording) -> anyhow::Result<Self> {
        let place = reaper::folder()?;
        let ground = Ground::prepare(place.path(), captured)?;
        say("Starting six servers …")?;
        let cluster = ground.cluster(place.path())?;
        let mirror = ground.mirror(place.path())?;
        let folder = ground.folder(place.path().join("yaml"), wording, &cluster, &mirror)?;
        say(&format!("Starting the control plane on the files in {} …", folder.path().display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("control").arg("--files").arg(folder.path()).args(ground.control_args(place.path())?);
        let control = start(&mut command, &place.path().join("control.log"))?;
        let (_, pages) = ground.control();
        wait::until_true("the control plane is ready", START, || {
            Ok(http::get(pages, "/ready").is_ok_and(|page| page.status == 200))
        })?;
        say(&format!(
            "Starting the sidecar: {} …",
            envoy.map_or("slotmesh".into(), |path| path.display().to_string())
        ))?;
        let sidecar = sidecar(&ground, place.path(), envoy)?;
        Ok(Self { sidecar, control, cluster, mirror, ground, folder, place })
    }

    /// A page of the control plane.
    pub fn control_page(&self, path: &str) -> anyhow::Result<String> {
        Ok(http::get(self.ground.control().1, path)?.body)
    }

    /// What went wrong, for whoever looks.
    pub fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = std::fs::read_to_string(self.place.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        ["control.log", "sidecar.log"].map(tail).concat()
    }

    /// How to look around while everything keeps running.
    pub fn invitation(&self) -> String {
        let (xds, pages) = self.ground.control();
        let enter = |holder: u32| format!("nsenter --net=/proc/{holder}/ns/net ");
        let (pod, servers) = match &self.ground {
            Ground::Captured { network, .. } => (enter(network.pod.holder()), enter(network.servers.holder())),
            Ground::Open { .. } => (String::new(), String::new()),
        };
        let service = self.ground.service();
        format!(
            "\nEverything keeps running.\n  {pod}redis-cli -h {} -p {}\n  {pod}curl http://{}/\n  {servers}curl http://{pages}/ \
             (control plane; xDS at {xds})\n  files {}\n  sidecar: process {}, control plane: process {}\n\
             Ctrl-C ends everything and cleans up.\n",
            service.ip(),
            service.port(),
            self.ground.admin(),
            self.folder.path().display(),
            self.sidecar.id(),
            self.control.id(),
        )
    }
}

impl Scene for Stage {
    fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        self.ground.ask(words)
    }

    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn mirror(&self) -> &Server {
        &self.mirror
    }

    fn name(&self, node: usize) -> String {
        format!("redis-cluster-{node}")
    }
}

fn start(command: &mut Command, log: &Path) -> anyhow::Result<Process> {
    let log = File::create(log)?;
    Ok(Process::start(command.stdout(log.try_clone()?).stderr(log))?)
}

/// Starts it, and waits until it says that it is ready.
fn sidecar(ground: &Ground, place: &Path, envoy: Option<&Path>) -> anyhow::Result<Process> {
    let bootstrap = place.join("sidecar.yaml");
    let (xds, admin) = (ground.control().0, ground.admin());
    let put = |text: &str, written: &str, address: SocketAddr| {
        text.replace(written, &format!("address: {}, port_value: {}", address.ip(), address.port()))
    };
    let text = put(BOOTSTRAP, "address: 127.0.0.1, port_value: 15010", xds);
    std::fs::write(&bootstrap, put(&text, "address: 127.0.0.1, port_value: 15000", admin))?;
    let program: PathBuf = envoy.map_or_else(std::env::current_exe, |path| Ok(path.to_owned()))?;
    let mut command = ground.sidecar(&program);
    match envoy {
        None => command.args(["proxy", "--workers", "1", "-c"]).arg(&bootstrap),
        Some(_) => {
            command.arg("-c").arg(&bootstrap).args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"])
        }
    };
    if envoy.is_some() {
        // As Istio sets it: how long old connections of a changed listener are let be.
        command.args(["--drain-time-s", "45", "--config-yaml", RESOLVER]);
    }
    let log = place.join("sidecar.log");
    let process = ground.in_pod(|| start(&mut command, &log))?;
    wait::until_true("the sidecar is ready", START, || {
        let page = ground.in_pod(|| Ok(http::get(admin, "/ready").is_ok_and(|page| page.status == 200)));
        page.map_err(|error| testkit::Error::Failed(error.to_string()))
    })
    .map_err(|error| anyhow::anyhow!("{error}\n{}", std::fs::read_to_string(&log).unwrap_or_default()))?;
    Ok(process)
}
