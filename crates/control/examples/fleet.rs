//! What a change of a file costs the control plane as it is: 1,000 services and the tutorial's EnvoyFilters, and 10, 1,000
//! and 10,000 proxies, each the sidecar of one of the services' pods. Seconds from the file's change to the last push,
//! bytes, memory.
//!
//! `cargo run --release -p control --example fleet [SERVICES [PROXIES...]]`
#![allow(clippy::print_stdout, reason = "the figures are for people")]

use control::Schema;
use control::files::Files;
use control::plane::Plane;
use control::watch::Watcher;
use prost::Message as _;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use xds::proto::{DeltaDiscoveryRequest, Node};
use xds::server::{Server, Settings};
use xds::{Kind, node};

type Failure = Box<dyn std::error::Error>;

/// Bytes before each message of gRPC: a flag and a length.
const FRAME: usize = 5;
/// When nothing has come for this long, the last push has been made.
const QUIET: Duration = Duration::from_millis(1500);
/// The files of the tutorial whose services and filters are there besides.
const TUTORIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// The address of a pod.
fn pod(number: usize) -> String {
    format!("10.{}.{}.{}", 128 + number / 62_500, number / 250 % 250, number % 250 + 1)
}

/// A service and its pods: every proxy whose number leaves the service's own as a rest.
fn service(number: usize, services: usize, proxies: usize, more: &str) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: svc-{number}, namespace: redis}}\nspec: {{clusterIP: 10.100.{}.{}, selector: {{app: svc-{number}}}, ports: [{{name: tcp, port: 6379}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: svc-{number}-1, namespace: redis, labels: {{kubernetes.io/service-name: svc-{number}}}}}\naddressType: IPv4\nports: [{{name: tcp, port: 6379}}]\nendpoints:\n",
        number / 250,
        number % 250 + 1,
    );
    let pods = (number..proxies.max(services)).step_by(services);
    for address in pods.map(pod).chain((!more.is_empty()).then(|| more.to_owned())) {
        let _ = writeln!(text, "- addresses: [{address}]");
    }
    text
}

fn put(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    fs::write(folder.join(".aside"), text)?;
    fs::rename(folder.join(".aside"), folder.join(name))
}

/// What the proxies have received.
#[derive(Default)]
struct Seen {
    bytes: AtomicU64,
    resources: AtomicU64,
    /// Microseconds after the fleet's start.
    last: AtomicU64,
}

struct Fleet {
    folder: TempDir,
    server: Server,
    seen: Arc<Seen>,
    started: Instant,
    services: usize,
    proxies: usize,
    _watching: std::sync::mpsc::Sender<()>,
}

impl Fleet {
    fn start(services: usize, proxies: usize) -> Result<Fleet, Failure> {
        let folder = TempDir::new()?;
        for number in 0..services {
            put(folder.path(), &format!("svc-{number}.yaml"), &service(number, services, proxies, ""))?;
        }
        for file in fs::read_dir(Path::new(TUTORIAL).join("tutorial"))? {
            let file = file?;
            fs::copy(file.path(), folder.path().join(file.file_name()))?;
        }
        let plane = Arc::new(Plane::new(Arc::new(Schema::load_mesh()?)));
        let mut watcher = Watcher::new(Files::new(folder.path(), None), Arc::clone(&plane));
        let reading = Instant::now();
        watcher.first()?;
        println!(
            "{proxies} proxies, {services} services; the files are read in {:.3} s",
            reading.elapsed().as_secs_f64()
        );
        let (watching, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || watcher.run(&ended));
        let server = Server::start(plane, Settings::default());
        let (seen, started) = (Arc::new(Seen::default()), Instant::now());
        for number in 0..proxies {
            tokio::spawn(proxy(server.clone(), number, services, Arc::clone(&seen), started));
        }
        Ok(Fleet { folder, server, seen, started, services, proxies, _watching: watching })
    }

    /// Makes a change, waits until the last proxy has what follows from it, and shows what that took.
    async fn change(&self, what: &str, file: &str, text: &str) -> Result<(), Failure> {
        let cpu = cpu();
        let began = Instant::now();
        if !file.is_empty() {
            put(self.folder.path(), file, text)?;
        }
        let mut last = (0, began);
        while last.0 == 0 || last.1.elapsed() < QUIET {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.seen.resources.load(Ordering::Relaxed);
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        let end = self.started + Duration::from_micros(self.seen.last.swap(0, Ordering::Relaxed));
        let (bytes, resources) =
            (self.seen.bytes.swap(0, Ordering::Relaxed), self.seen.resources.swap(0, Ordering::Relaxed));
        println!(
            "  {what:<44} {:>8.3} s {:>8.3} s CPU {:>12.0} B {:>7.1} resources a proxy",
            end.duration_since(began).as_secs_f64(),
            self::cpu() - cpu,
            bytes as f64 / self.proxies as f64,
            resources as f64 / self.proxies as f64,
        );
        Ok(())
    }
}

/// A proxy that acknowledges what comes.
async fn proxy(server: Server, number: usize, services: usize, seen: Arc<Seen>, started: Instant) {
    let (up, requests) = mpsc::unbounded_channel();
    let mut responses = server.delta(UnboundedReceiverStream::new(requests));
    let app = format!("svc-{}", number % services);
    let id = format!("sidecar~{}~{app}-{number}.redis~redis.svc.cluster.local", pod(number));
    let mut metadata = serde_json::Map::new();
    metadata.insert("ISTIO_VERSION".to_owned(), "1.31.0".into());
    metadata.insert("NAMESPACE".to_owned(), "redis".into());
    metadata.insert("LABELS".to_owned(), serde_json::json!({"app": app}));
    let node = node::Node { id, metadata, ..node::Node::default() }.write();
    let ask = |kind: Kind, node: Option<Node>, resource_names_subscribe: Vec<String>| {
        let type_url = kind.url().to_owned();
        let request =
            DeltaDiscoveryRequest { node, type_url, resource_names_subscribe, ..DeltaDiscoveryRequest::default() };
        drop(up.send(Ok(request)));
    };
    ask(Kind::Cluster, Some(node), Vec::new());
    ask(Kind::Listener, None, Vec::new());
    let mut subscribed = false;
    while let Some(Ok(response)) = responses.next().await {
        seen.bytes.fetch_add((response.encoded_len() + FRAME) as u64, Ordering::Relaxed);
        seen.last.fetch_max(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        let count = response.resources.len() + response.removed_resources.len();
        seen.resources.fetch_add(count as u64, Ordering::Relaxed);
        if response.type_url == Kind::Cluster.url() && !subscribed {
            subscribed = true;
            let names = response.resources.iter().map(|cluster| cluster.name.clone());
            ask(Kind::Endpoints, None, names.filter(|name| name.starts_with("outbound")).collect());
        }
        let (type_url, response_nonce) = (response.type_url, response.nonce);
        drop(up.send(Ok(DeltaDiscoveryRequest { type_url, response_nonce, ..DeltaDiscoveryRequest::default() })));
    }
}

/// Resident memory of this process in MB: control plane and proxies.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Seconds of processor time of this process: control plane and proxies.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

async fn measure(services: usize, proxies: usize) -> Result<(), Failure> {
    let before = memory();
    let fleet = Fleet::start(services, proxies)?;
    let read = memory();
    fleet.change("everything, all proxies connect at once", "", "").await?;
    let after = memory();
    println!(
        "  memory {before:.0} MB, with the files {read:.0} MB, with the proxies {after:.0} MB: {:.1} KB a proxy",
        (after - read) * 1024.0 / proxies as f64
    );
    let of_service = |number: usize, more: &str| service(number, fleet.services, proxies, more);
    fleet.change("an endpoint more", "svc-7.yaml", &of_service(7, "10.99.0.1")).await?;
    fleet.change("an endpoint less", "svc-7.yaml", &of_service(7, "")).await?;
    let mirror = fs::read_to_string(Path::new(TUTORIAL).join("tutorial-mirror/envoyfilter-redis-proxy.yaml"))?;
    fleet.change("an EnvoyFilter: the mirror", "envoyfilter-redis-proxy.yaml", &mirror).await?;
    let no_mirror = fs::read_to_string(Path::new(TUTORIAL).join("tutorial/envoyfilter-redis-proxy.yaml"))?;
    fleet.change("an EnvoyFilter: the mirror withdrawn", "envoyfilter-redis-proxy.yaml", &no_mirror).await?;
    let moved = of_service(7, "").replace("10.100.0.8", "10.101.0.8");
    fleet.change("a service's address", "svc-7.yaml", &moved).await?;
    println!("  memory {:.0} MB", memory());
    fleet.server.stop();
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).filter_map(|number| number.parse().ok());
    let services = numbers.next().unwrap_or(1000);
    let mut fleets: Vec<usize> = numbers.collect();
    if fleets.is_empty() {
        fleets = vec![10, 1_000, 10_000];
    }
    for proxies in fleets {
        measure(services, proxies).await?;
    }
    Ok(())
}
