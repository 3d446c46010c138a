//! A proxy under test as a child process: slotmesh itself, or the real Envoy with the same configuration.

use crate::client::Client;
use crate::error::{Result, failed};
use crate::http::{self, Page};
use crate::process::Process;
use crate::server::tail;
use crate::{ports, reaper, wait};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a proxy may take to listen, and then to be ready.
const START: Duration = Duration::from_secs(20);
/// How long a proxy may take to end when asked to.
const END: Duration = Duration::from_secs(10);

/// A running proxy; ended on drop, and its files removed.
///
/// In the configuration, `$LISTEN` to `$LISTEN9` and `$ADMIN` stand for free ports, which are put in
/// before the file is written.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    bin: PathBuf,
    args: Vec<String>,
    folder: TempDir,
    listeners: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Proxy {
    /// `BIN proxy -c FILE`, waited for until `/ready` says 200 (until the listeners accept, without an admin page).
    pub fn start(bin: impl AsRef<Path>, config: &str) -> Result<Self> {
        Self::start_with(bin, config, &[])
    }

    /// As [`Proxy::start`], with more arguments.
    pub fn start_with(bin: impl AsRef<Path>, config: &str, args: &[&str]) -> Result<Self> {
        let proxy = Self::launch(bin, config, args)?;
        proxy.wait_ready()?;
        Ok(proxy)
    }

    /// As [`Proxy::start_with`], but waits only until the listeners and the admin page accept connections.
    pub fn launch(bin: impl AsRef<Path>, config: &str, args: &[&str]) -> Result<Self> {
        let args: Vec<&str> = ["proxy", "-c", "$FILE"].into_iter().chain(args.iter().copied()).collect();
        Self::run(bin.as_ref(), &args, config)
    }

    /// The real Envoy with the same configuration, one worker, waited for until it is ready.
    pub fn envoy(bin: impl AsRef<Path>, config: &str) -> Result<Self> {
        Self::envoy_with(bin, config, &[])
    }

    /// As [`Proxy::envoy`], with more arguments.
    pub fn envoy_with(bin: impl AsRef<Path>, config: &str, more: &[&str]) -> Result<Self> {
        let mut args = vec![
            "-c",
            "$FILE",
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
        ];
        args.extend(more);
        let proxy = Self::run(bin.as_ref(), &args, config)?;
        proxy.wait_ready()?;
        Ok(proxy)
    }

    /// Where the real Envoy lies: the environment variable `SLOTMESH_ENVOY`, else what `scripts/envoy.sh` says,
    /// which installs it the first time.
    pub fn envoy_binary() -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("SLOTMESH_ENVOY") {
            return Ok(path.into());
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/envoy.sh");
        let said = Command::new(&script).output().map_err(|error| failed(format!("{}: {error}", script.display())))?;
        if said.status.success() {
            return Ok(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
        }
        Err(failed(format!("{}: {}", script.display(), String::from_utf8_lossy(&said.stderr))))
    }

    fn run(bin: &Path, args: &[&str], config: &str) -> Result<Self> {
        let folder = reaper::folder()?;
        let (listeners, admin) = addresses(config)?;
        write_config(folder.path(), config, &listeners, admin)?;
        let file = folder.path().join("proxy.yaml").display().to_string();
        let args = args.iter().map(|arg| if *arg == "$FILE" { file.clone() } else { (*arg).to_owned() }).collect();
        let process = launch(bin, &args, folder.path())?;
        let mut proxy = Self { process, bin: bin.to_owned(), args, folder, listeners, admin };
        proxy.wait_until_it_listens()?;
        Ok(proxy)
    }

    /// Ends it in order and starts it again with another configuration on the same ports, until it is ready.
    pub fn restart(&mut self, config: &str) -> Result<()> {
        self.term()?;
        write_config(self.folder.path(), config, &self.listeners, self.admin)?;
        self.process = launch(&self.bin, &self.args, self.folder.path())?;
        self.wait_until_it_listens()?;
        self.wait_ready()
    }

    /// Where `$LISTEN` is.
    pub fn address(&self) -> SocketAddr {
        self.listeners.first().copied().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Where `$LISTEN` (0), `$LISTEN2` (1) … are.
    pub fn listener(&self, index: usize) -> SocketAddr {
        self.listeners[index]
    }

    /// Where `$ADMIN` is.
    pub fn admin(&self) -> Result<SocketAddr> {
        self.admin.ok_or_else(|| failed("the configuration has no $ADMIN"))
    }

    /// The configuration file, with the ports put in.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("proxy.yaml")
    }

    /// A new client.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.address())
    }

    /// An admin page.
    pub fn get(&self, path: &str) -> Result<Page> {
        http::get(self.admin()?, path)
    }

    /// The value of the counter or gauge `name` in `/stats`; `None` if it is not there.
    pub fn stat(&self, name: &str) -> Result<Option<u64>> {
        let page = self.get("/stats")?;
        let line = page.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(|value| value.trim().parse().map_err(|_| failed(format!("{name}: {value}")))).transpose()
    }

    /// Waits until `/ready` says 200.
    pub fn wait_ready(&self) -> Result<()> {
        if self.admin.is_none() {
            return Ok(());
        }
        wait::until("/ready says 200", START, || {
            let page = self.get("/ready")?;
            if page.status == 200 { Ok(Some(())) } else { Err(failed(format!("{}: {}", page.status, page.body))) }
        })
        .map_err(|error| error.with(&self.log_tail()))
    }

    /// The process: its memory, its processor time, its signals.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> Result<u64> {
        self.process.rss()
    }

    /// Asks it to end (SIGTERM), waits, and tells whether it ended with status 0.
    pub fn term(&mut self) -> Result<bool> {
        Ok(self.process.term(END)?.success())
    }

    /// All that it printed.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("log"))?)
    }

    /// The last lines of what it printed.
    pub fn log_tail(&self) -> String {
        tail(&self.folder.path().join("log"))
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let wanted: Vec<SocketAddr> = self.listeners.iter().copied().chain(self.admin).collect();
        let mut died = None;
        let outcome = wait::until_true(&format!("the proxy listens on {wanted:?}"), START, || {
            died = self.process.ended()?;
            Ok(died.is_some() || wanted.iter().all(|address| TcpStream::connect(address).is_ok()))
        });
        match died {
            Some(status) => Err(failed(format!("the proxy ended: {status}")).with(&self.log_tail())),
            None => outcome.map_err(|error| error.with(&self.log_tail())),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // In order if it can, so that a test run also exercises the way out; the process is killed otherwise.
        let _ = self.process.term(END);
    }
}

fn launch(bin: &Path, args: &Vec<String>, folder: &Path) -> Result<Process> {
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    Process::start(Command::new(bin).args(args).stdout(log.try_clone()?).stderr(log))
}

/// The word for the listener `index`.
fn word(index: usize) -> String {
    if index == 0 { "$LISTEN".into() } else { format!("$LISTEN{}", index + 1) }
}

/// Free addresses for `$LISTEN`, `$LISTEN2` … and `$ADMIN`, as far as `config` has the words.
fn addresses(config: &str) -> Result<(Vec<SocketAddr>, Option<SocketAddr>)> {
    let free = || Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, ports::one()?)));
    let count = (0..9).take_while(|index| config.contains(&word(*index))).count();
    let listeners = (0..count).map(|_| free()).collect::<Result<_>>()?;
    let admin = config.contains("$ADMIN").then(free).transpose()?;
    Ok((listeners, admin))
}

/// `config` with ports in place of the words.
fn fill_in(config: &str, listeners: &[SocketAddr], admin: Option<SocketAddr>) -> String {
    let mut text = config.to_owned();
    // The longer words first, as `$LISTEN` begins `$LISTEN2`.
    for (index, address) in listeners.iter().enumerate().rev() {
        text = text.replace(&word(index), &address.port().to_string());
    }
    admin.map_or(text.clone(), |admin| text.replace("$ADMIN", &admin.port().to_string()))
}

fn write_config(folder: &Path, config: &str, listeners: &[SocketAddr], admin: Option<SocketAddr>) -> Result<()> {
    Ok(fs::write(folder.join("proxy.yaml"), fill_in(config, listeners, admin))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_ports() {
        let config = "a: $LISTEN b: $LISTEN2 c: $ADMIN d: $LISTEN";
        let (listeners, admin) = addresses(config).unwrap();
        let text = fill_in(config, &listeners, admin);
        let [one, two] = [listeners[0].port(), listeners[1].port()];
        assert_eq!(text, format!("a: {one} b: {two} c: {} d: {one}", admin.unwrap().port()));
    }
}
