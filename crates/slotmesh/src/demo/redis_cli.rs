//! The plain client: `redis-cli`, which knows nothing of clusters unless told (and it is not told).

use std::process::Command;
use std::time::Duration;
use testkit::Process;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `redis-cli -p PORT WORDS` prints, without the last line break.
pub fn run(port: u16, words: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(words).env_remove("REDISCLI_AUTH");
    Ok(Process::output(&mut command, PATIENCE)?.trim_end().to_owned())
}

/// The keys that `redis-cli --scan` finds on one node, sorted.
pub fn scan(port: u16) -> anyhow::Result<Vec<String>> {
    let mut keys: Vec<String> = run(port, &["--scan"])?.lines().map(str::to_owned).collect();
    keys.sort();
    Ok(keys)
}
