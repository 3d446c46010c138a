//! The real `slotmesh control` as a child, and a proxy that asks it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tempfile::TempDir;
use testkit::{Process, http, wait};
use xds::client::{Address, Client, Settings, Update, Verdict, Want};
use xds::server::Dialect;
use xds::{Kind, Node};

/// Long enough for a machine that does other things as well.
pub const PATIENT: Duration = Duration::from_secs(20);

/// A control plane on a folder of its own.
pub struct Plane {
    process: Process,
    folder: TempDir,
    log: TempDir,
}

impl Plane {
    /// On these files, on free ports.
    pub fn start<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Plane {
        Plane::start_with(files, &[])
    }

    /// With more arguments.
    pub fn start_with<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)], args: &[&str]) -> Plane {
        let (folder, log) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for (name, text) in files {
            fs::write(folder.path().join(name.as_ref()), text.as_ref()).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_slotmesh"));
        command.arg("control").arg("--files").arg(folder.path());
        command.args(["--xds", "127.0.0.1:0", "--http", "127.0.0.1:0"]).args(args);
        command.stderr(File::create(log.path().join("log")).unwrap());
        let plane = Plane { process: Process::start(&mut command).unwrap(), folder, log };
        plane.address("http");
        plane
    }

    /// Where it listens, as its log says.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let mark = format!("listening listener=\"{listener}\" address=");
        let line = self.logged(&mark);
        line.rsplit_once("address=").unwrap().1.trim().parse().unwrap()
    }

    /// The most memory that it has held so far, in bytes.
    pub fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path().join("log")).unwrap()
    }

    /// The first line of the log that holds a text, once there is one.
    pub fn logged(&self, text: &str) -> String {
        let found = wait::until(text, PATIENT, || {
            Ok(self
                .log()
                .split_inclusive('\n')
                .find(|line| line.contains(text) && line.ends_with('\n'))
                .map(str::to_owned))
        });
        found.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// How often the log holds a text.
    pub fn times(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file in the place of another, whole, as `kubectl` and most editors do.
    pub fn replace(&self, name: &str, text: &str) {
        let aside = self.at(".aside");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, self.at(name)).unwrap();
    }

    pub fn page(&self, path: &str) -> String {
        let page = http::get(self.address("http"), path).unwrap();
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        page.body
    }

    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.page(path)).unwrap()
    }

    /// The value of a metric with its labels as written.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let page = self.page("/metrics");
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Ends it as an operator does.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.process.term(PATIENT).unwrap();
        (status, self.log())
    }
}

/// The identity of the tutorial's client.
pub fn client_node() -> Node {
    let mut node =
        Node { id: "sidecar~10.244.0.31~redis-client-0.redis~redis.svc.cluster.local".to_owned(), ..Node::default() };
    node.metadata.insert("ISTIO_VERSION".to_owned(), "1.31.0".into());
    node
}

/// A proxy that has everything it is given, and remembers what came.
pub struct Sidecar {
    client: Client,
    updates: tokio::sync::mpsc::Receiver<Update>,
    pub has: BTreeMap<(Kind, String), Vec<u8>>,
    /// Names that it refuses, with its reason.
    pub refuses: Option<(String, String)>,
}

impl Sidecar {
    pub async fn connect(address: SocketAddr, dialect: Dialect) -> Sidecar {
        let addresses = vec![Address::Tcp(address.ip().to_string(), address.port())];
        let settings = Settings { dialect, ..Settings::new(client_node(), addresses) };
        let (client, updates) = Client::start(settings);
        client.want(Kind::Cluster, Want::Everything);
        client.want(Kind::Listener, Want::Everything);
        let mut sidecar = Sidecar { client, updates, has: BTreeMap::new(), refuses: None };
        for _ in 0..3 {
            sidecar.next().await;
        }
        sidecar
    }

    /// Takes the next update; what changed and what is gone, by name.
    pub async fn next(&mut self) -> (Kind, Vec<String>, Vec<String>) {
        let update = tokio::time::timeout(PATIENT, self.updates.recv()).await.expect("an update comes").unwrap();
        let kind = update.kind;
        let changed: Vec<String> = update.changed.iter().map(|one| one.name.to_string()).collect();
        let removed: Vec<String> = update.removed.iter().map(|name| name.to_string()).collect();
        let refused: Vec<xds::client::Refused> = update
            .changed
            .iter()
            .filter_map(|one| self.refuses.as_ref().filter(|(name, _)| **name == *one.name))
            .map(|(name, reason)| xds::client::Refused { name: name.as_str().into(), reason: reason.clone() })
            .collect();
        self.has.extend(update.changed.iter().map(|one| ((kind, one.name.to_string()), one.message().to_vec())));
        self.has.retain(|(of, name), _| *of != kind || !removed.contains(name));
        update.answer(Verdict { refused });
        if kind == Kind::Cluster {
            let clusters = self.has.keys().filter(|(kind, _)| *kind == Kind::Cluster);
            let names = clusters.map(|(_, name)| name.as_str()).filter(|name| name.starts_with("outbound|"));
            self.client.want(Kind::Endpoints, Want::named(names));
        }
        (kind, changed, removed)
    }

    /// Whether nothing comes for a while.
    pub async fn is_left_alone(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.updates.recv()).await.is_err()
    }

    pub fn holds(&self, kind: Kind, name: &str, text: &str) -> bool {
        let message = self.has.get(&(kind, name.to_owned()));
        message.is_some_and(|message| message.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

/// A file of the examples, with one text in it put in the place of another.
pub fn example(path: &str, from: &str, to: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(text.contains(from), "{path} does not hold {from}");
    text.replace(from, to)
}

/// The files of the tutorial, with the mirror laid over them or not.
pub fn tutorial(with_mirror: bool) -> Vec<(String, String)> {
    let folders = if with_mirror { &["tutorial", "tutorial-mirror"][..] } else { &["tutorial"] };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in folders {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let text = example(&format!("{folder}/{name}"), "", "");
            files.insert(name, text);
        }
    }
    files.into_iter().collect()
}
