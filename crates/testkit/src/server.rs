//! One real `redis-server` or `valkey-server` process.

use crate::client::Client;
use crate::error::{Error, Result, failed};
use crate::process::Process;
use crate::reply::Reply;
use crate::{ports, reaper, wait};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a server may take to answer PING after its start.
const START: Duration = Duration::from_secs(15);
/// How often another port is tried when somebody else took the first one.
const PORTS_TRIED: usize = 5;
/// Nothing on disk; replicas that synchronise without the usual wait of five seconds for company, and that have
/// something to replicate every second: nodes do not name a replica in CLUSTER SLOTS before its offset has moved.
const QUICK: &str = "save \"\"\nappendonly no\ndaemonize no\nrepl-diskless-sync-delay 0\n\
                     repl-ping-replica-period 1\n";

/// The server that tests run: `SLOTMESH_REDIS_SERVER` (a name or a path), else `redis-server`.
pub fn binary() -> String {
    std::env::var("SLOTMESH_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into())
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Builder {
    binary: String,
    host: Ipv4Addr,
    port: Option<u16>,
    lines: Vec<String>,
    args: Vec<String>,
    within: Option<PathBuf>,
}

impl Builder {
    /// Another server than [`binary`] (`valkey-server`, or a path).
    pub fn binary(mut self, binary: &str) -> Self {
        self.binary = binary.to_owned();
        self
    }

    /// A given port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// An address of this machine (or of the network namespace of the calling thread) instead of 127.0.0.1.
    pub fn host(mut self, host: Ipv4Addr) -> Self {
        self.host = host;
        // Nobody but this machine can reach it there either; the server does not know that. Peers at other addresses of
        // one machine would seem to come from the address that they call.
        self.config("protected-mode no").config(format!("bind-source-addr {host}"))
    }

    /// One line of its configuration file.
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// One more argument on its command line.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// A member of a cluster that calls another one dead after `node_timeout`.
    pub fn cluster(self, node_timeout: Duration) -> Self {
        self.config("cluster-enabled yes")
            .config("cluster-config-file nodes.conf")
            .config(format!("cluster-node-timeout {}", node_timeout.as_millis()))
    }

    /// Keeps its files in a folder of its own inside `folder` instead of a temporary one.
    pub fn within(mut self, folder: &Path) -> Self {
        self.within = Some(folder.to_owned());
        self
    }

    /// Starts it, and waits until it answers.
    pub fn start(self) -> Result<Server> {
        let mut tries = if self.port.is_some() { 1 } else { PORTS_TRIED };
        loop {
            tries -= 1;
            let port = self.port.map_or_else(ports::one, Ok)?;
            match self.start_on(port) {
                Err(error) if tries > 0 && error.to_string().contains("ddress already in use") => {}
                outcome => return outcome,
            }
        }
    }

    fn start_on(&self, port: u16) -> Result<Server> {
        let folder = match &self.within {
            Some(parent) if self.host.is_loopback() => Folder::Given(parent.join(format!("node-{port}"))),
            Some(parent) => Folder::Given(parent.join(format!("node-{}-{port}", self.host))),
            None => Folder::Temporary(reaper::folder()?),
        };
        fs::create_dir_all(folder.path())?;
        let path = folder.path().join("server.conf");
        let lines = self.lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let host = self.host;
        fs::write(&path, format!("{QUICK}bind {host}\nport {port}\ndir {}\n{lines}", folder.path().display()))?;
        let process = launch(&self.binary, &path, &self.args, folder.path())?;
        let address = SocketAddr::from((self.host, port));
        let mut server = Server { process, address, folder, binary: self.binary.clone(), args: self.args.clone() };
        server.wait_until_it_answers()?;
        Ok(server)
    }
}

/// Where a server's files are.
#[derive(Debug)]
enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}

/// A running server; killed on drop, and its files removed.
#[derive(Debug)]
pub struct Server {
    process: Process,
    address: SocketAddr,
    folder: Folder,
    binary: String,
    args: Vec<String>,
}

impl Server {
    /// A plain server on a free port that keeps nothing on disk.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A server of one's own choice.
    pub fn builder() -> Builder {
        let host = Ipv4Addr::LOCALHOST;
        Builder { binary: binary(), host, port: None, lines: Vec::new(), args: Vec::new(), within: None }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder with its configuration, its log and, in a cluster, `nodes.conf`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new connection to it.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.address())
    }

    /// One command over a connection of its own; an error reply is an error.
    pub fn ask(&self, line: &str) -> Result<Reply> {
        self.client()?.must(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The value of one field of INFO or CLUSTER INFO (`field("INFO replication", "role")`).
    pub fn field(&self, command: &str, name: &str) -> Result<String> {
        let text = self.ask(command)?.text();
        let prefix = format!("{name}:");
        let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
        value.map(|value| value.trim().to_owned()).ok_or_else(|| failed(format!("{command} names no {name}")))
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whether the process runs (a paused one does).
    pub fn alive(&mut self) -> bool {
        matches!(self.process.ended(), Ok(None))
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Ends it in order (SIGTERM).
    pub fn term(&mut self) -> Result<()> {
        self.process.term(START).map(drop)
    }

    /// Stops it without ending it: connections stay open and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// Goes on after [`Server::pause`].
    pub fn resume(&self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// Starts it again on the same port with the same files, killing it first if it still runs.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let config = self.folder().join("server.conf");
        self.process = launch(&self.binary, &config, &self.args, self.folder.path())?;
        self.wait_until_it_answers()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        tail(&self.folder().join("log"))
    }

    /// Ready, and this very process: another server may hold the port that this one is about to fail to get.
    fn answers(&self) -> Result<Option<()>> {
        let mut client = self.client()?;
        if client.ask("PING")?.is_error("LOADING") {
            return Ok(None);
        }
        let info = client.ask("INFO server")?;
        Ok((info.is_error("NOAUTH") || is_of(&info, self.process.id())).then_some(()))
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let what = format!("{} at {} answers PING", self.binary, self.address);
        let mut died = None;
        let outcome = wait::until(&what, START, || {
            if let Some(status) = self.process.ended()? {
                died = Some(status);
                return Ok(Some(()));
            }
            self.answers()
        });
        match died {
            Some(status) => Err(failed(format!("{} ended: {status}", self.binary)).with(&self.log_tail())),
            None => outcome.map_err(|error: Error| error.with(&self.log_tail())),
        }
    }
}

/// Whether `info` is what the process `id` says of itself.
fn is_of(info: &Reply, id: u32) -> bool {
    info.text().lines().any(|line| line.trim() == format!("process_id:{id}"))
}

fn launch(binary: &str, config: &Path, args: &[String], folder: &Path) -> Result<Process> {
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    Process::start(Command::new(binary).arg(config).args(args).stdout(log.try_clone()?).stderr(log))
}

/// The last twenty lines of a file; what went wrong, if it cannot be read.
pub(crate) fn tail(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        }
        Err(error) => format!("{}: {error}", path.display()),
    }
}
