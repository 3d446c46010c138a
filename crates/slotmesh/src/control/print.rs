//! `slotmesh control --print`: what a sidecar would receive, made from a folder of files, without serving it.

use crate::cli::{ControlArgs, print};
use ::control::files::{Files, Refreshed};
use ::control::generator::Generator;
use ::control::node::Node;
use ::control::snapshot::Snapshot;
use ::control::{Problem, Schema};
use anyhow::Context as _;
use serde_json::Value;
use std::fmt::Display;
use std::fs;
use std::io::{Write as _, stderr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// The exit status for an EnvoyFilter that is refused; the others are applied.
const REFUSED: u8 = 2;

/// Prints what the node would get. What is wrong with the files goes to standard error, one line each; then the exit
/// status is a failure, though what could be used is printed.
pub fn run(args: &ControlArgs, node: &Path) -> anyhow::Result<ExitCode> {
    let folder = args.files.as_deref().context("--print needs --files")?;
    let read = Files::new(folder, args.mesh.as_deref())
        .refresh()
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    let written = read_node(node)?;
    let node = Node::from_json(&written)?;
    let schema = Arc::new(Schema::load_mesh()?);
    let mut generator = Generator::new(Arc::clone(&schema));
    let snapshot = generator.snapshot(&read.state, &node)?;
    let (refused, odd) = generator.problems(&read.state);
    tell(&read, &refused, &odd, &snapshot);
    let shown = ::control::print::json(&schema, &written, &snapshot);
    print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?;
    Ok(match (read.problems.is_empty(), refused.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(REFUSED),
        (true, true) => ExitCode::SUCCESS,
    })
}

/// Envoy's `node`, alone or under the key `node` (as `--print` itself writes it).
fn read_node(file: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut read: Value = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    Ok(match read.get_mut("node") {
        Some(inner) => inner.take(),
        None => read,
    })
}

fn tell(read: &Refreshed, refused: &[Problem], odd: &[Problem], snapshot: &Snapshot) {
    read.problems.iter().chain(refused).for_each(|problem| line("error", problem));
    read.notes.iter().chain(odd).for_each(|note| line("note", note));
    let report = snapshot.report();
    for (filter, patch) in report.idle() {
        let place = format!("EnvoyFilter {}/{}: configPatches[{}]", filter.namespace, filter.name, patch.index);
        let nothing = patch.nothing.as_deref().unwrap_or("it was held back");
        let nearest =
            if patch.nearest.is_empty() { String::new() } else { format!("; near: {}", patch.nearest.join(", ")) };
        line("note", &format!("{place} was applied nowhere: {nothing}{nearest}"));
    }
    for filter in &report.envoy_filters {
        for patch in &filter.patches {
            let place = format!("EnvoyFilter {}/{}: configPatches[{}]", filter.namespace, filter.name, patch.index);
            patch.warnings.iter().for_each(|warning| line("note", &format!("{place}: {warning}")));
        }
    }
    for refusal in &report.refusals {
        let (kind, name) = (refusal.kind.word(), &refusal.name);
        let (by, why) = (refusal.caused_by.join(", "), refusal.reasons.join("; "));
        line("note", &format!("{kind} {name} goes out without {by}, since the proxy would refuse it: {why}"));
    }
}

fn line(kind: &str, text: &dyn Display) {
    // With nowhere left to write to, the exit status has to say it alone.
    let _ = writeln!(stderr(), "{kind}: {text}");
}
