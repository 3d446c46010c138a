//! The plain client: `redis-cli`, which knows nothing of clusters unless told (and it is not told).

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use testkit::Process;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `redis-cli -h HOST -p PORT WORDS` prints, without the last line break.
pub fn run(at: SocketAddr, words: &[&str]) -> anyhow::Result<String> {
    said(Command::new("redis-cli").args(["-h", &at.ip().to_string(), "-p", &at.port().to_string()]).args(words))
}

/// What a command that runs `redis-cli` prints, without the last line break.
pub fn said(command: &mut Command) -> anyhow::Result<String> {
    Ok(Process::output(command.env_remove("REDISCLI_AUTH"), PATIENCE)?.trim_end().to_owned())
}

/// The keys that `redis-cli --scan` finds on one node, sorted.
pub fn scan(node: SocketAddr) -> anyhow::Result<Vec<String>> {
    let mut keys: Vec<String> = run(node, &["--scan"])?.lines().map(str::to_owned).collect();
    keys.sort();
    Ok(keys)
}
