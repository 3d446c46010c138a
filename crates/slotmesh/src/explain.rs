//! `slotmesh explain`: where a command would go, and which resource decided it.

mod known;
mod decided;
mod nodes;
mod meaning;
mod rehearsal;
mod answer;
mod told;

use crate::ask::{Form, KubeArgs, answered, items, show};
use anyhow::{Context as _, bail};
use clap::ArgGroup;
use resp::request::{Scan, Step};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  slotmesh explain 'GET foo'                                        of the proxy on this machine
  slotmesh explain 'MGET a b' -c envoy.yaml                         of a bootstrap
  slotmesh explain 'SET foo 1' --files DIR --proxy POD.NAMESPACE    of what a control plane would make of files
  slotmesh explain --key foo --kube --proxy POD.NAMESPACE           of a sidecar in a cluster";

/// The exit status for a command that is refused, or that leads nowhere.
const REFUSED: u8 = 1;

/// `slotmesh explain`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("asked").required(true).multiple(true).args(["command", "key"])))]
#[command(group(ArgGroup::new("from").args(["admin", "config", "files", "kube"])))]
pub struct ExplainArgs {
    /// The command, as one line in the way of redis-cli, or as words
    #[arg(value_name = "COMMAND", allow_negative_numbers = true)]
    command: Vec<String>,
    /// Only this key of the command; without a command, what a GET of it would do
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Where the proxy's admin page is [default: 127.0.0.1:15000]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// An Envoy bootstrap, or what a proxy's /config_dump has said
    #[arg(short = 'c', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Files of Kubernetes and Istio resources, or folders of them: what the control plane would make of them
    #[arg(long, value_name = "FILES", requires = "proxy", num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    kube: KubeArgs,
    /// Where the control plane's pods are [default: slotmesh-system, or istio-system for istiod]
    #[arg(long, value_name = "NAME", requires = "kube")]
    control_namespace: Option<String>,
    /// Whose sidecar, as POD.NAMESPACE: with --files, --kube or --control
    #[arg(long, value_name = "PROXY")]
    proxy: Option<String>,
    /// Where the pages of the control plane are, which knows whose EnvoyFilter decided what
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["config", "files", "kube"])]
    control: Option<String>,
    /// Asks nodes whose slots nobody has told for their slot map (CLUSTER SLOTS), without password or TLS
    #[arg(long)]
    ask_nodes: bool,
    /// Only listeners that have this text in their name or address
    #[arg(long, value_name = "TEXT", default_value = "")]
    listener: String,
    /// Form of what is printed
    #[arg(short = 'o', long, value_name = "FORM", default_value = "table")]
    output: Form,
}

/// Explains, and says by the exit status: 0 the command is served, 1 it is refused or leads nowhere, 2 nobody answered.
pub fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    answered(explain(args))
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let words = words(args)?;
    let known = known::Known { asks_nodes: args.ask_nodes, ..known::Known::of(args)? };
    let only = args.key.as_ref().filter(|_| !args.command.is_empty());
    let answer = answer::answer(&known, &words, only.map(String::as_bytes), &args.listener)?;
    show(args.output, &answer, || told::told(&answer))?;
    let filters = items(&answer, "/filters");
    let is_served = !filters.is_empty() && filters.iter().all(|filter| filter["outcome"] != "refused");
    Ok(if is_served { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// The words of the command.
fn words(args: &ExplainArgs) -> anyhow::Result<Vec<Vec<u8>>> {
    match (args.command.as_slice(), &args.key) {
        ([], Some(key)) => Ok(vec![b"GET".to_vec(), key.clone().into_bytes()]),
        ([line], _) => split(line),
        (words, _) => Ok(words.iter().map(|word| word.clone().into_bytes()).collect()),
    }
}

/// A line as redis-cli reads it, and Redis its inline commands: blanks between words, quotes, escapes.
fn split(line: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let ended = format!("{}\n", line.trim().trim_start_matches('*'));
    match Scan::default().next(ended.as_bytes(), &resp::Limits::default()) {
        Ok(Step::Whole { request, .. }) => {
            Ok((0..request.len()).filter_map(|i| request.get(i)).map(<[u8]>::to_vec).collect())
        }
        Ok(_) => bail!("there is no command in {line:?}"),
        Err(error) => Err(error).with_context(|| format!("{line:?} cannot be split into words")),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod lines {
    use super::split;

    #[test]
    fn lines_are_split_as_redis_cli_does() {
        let words = |line: &str| {
            split(line).map(|words| words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(words("  GET  foo ").unwrap(), ["GET", "foo"]);
        assert_eq!(words(r#"SET "a b" 'c\'d' "\x00\n""#).unwrap(), ["SET", "a b", r"c\'d", r"\x00\n"]);
        assert!(words(r#"GET "foo"#).is_err() && words("").is_err() && words("  ").is_err());
    }
}
