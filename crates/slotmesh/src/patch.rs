//! `slotmesh patch`: what EnvoyFilters make of what a proxy has, and why.

use crate::cli::{PatchArgs, PatchOutput, print};
use anyhow::{Context, bail};
use config::Schema;
use config::dynamic::json;
use config::text::{documents, to_yaml};
use patch::base::Base;
use patch::filter::read_list;
use patch::{EnvoyFilter, NotRead, ProxyInfo, Refused, Report, Resources, apply};
use serde_json::Value as Json;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write, stderr};
use std::path::Path;
use std::process::ExitCode;

/// The exit status when an EnvoyFilter was refused; the others were applied.
const REFUSED: u8 = 2;

/// Applies, prints, and fails if an EnvoyFilter was refused.
pub fn run(args: &PatchArgs) -> anyhow::Result<ExitCode> {
    let schema = Schema::load_mesh()?;
    let base = base(&schema, args)?;
    let (accepted, refused) = filters(&schema, args)?;
    let proxy = ProxyInfo::of_node(&base.node, &args.root_namespace);
    let policy = if args.hold_back { Refused::HeldBack } else { Refused::Kept };
    let (resources, mut report) = apply(&schema, base.resources.clone(), &accepted, &proxy, policy);
    refused.iter().for_each(|refused| report.add_refused(refused));
    let mut told = stderr().lock();
    for warning in &base.warnings {
        writeln!(told, "slotmesh: {}: {warning}", args.base.display())?;
    }
    for refused in &refused {
        writeln!(told, "slotmesh: {refused}")?;
    }
    print(&shown(&schema, args.output, &base, &resources, &report)?)?;
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

fn base(schema: &Schema, args: &PatchArgs) -> anyhow::Result<Base> {
    let found = read(&args.base)?;
    let [whole] = found.as_slice() else { bail!("{}: needs to be one document", args.base.display()) };
    let mut whole = whole.clone();
    if let Some(file) = &args.node {
        let node = read(file)?.into_iter().next().with_context(|| format!("{} is empty", file.display()))?;
        let inner = node.get("node").cloned().unwrap_or(node);
        if let Some(object) = whole.as_object_mut() {
            object.insert("node".to_owned(), inner);
        }
    }
    let node = whole.get("node").cloned();
    let mut base = Base::read(schema, whole).with_context(|| args.base.display().to_string())?;
    base.node = node.unwrap_or(base.node);
    if base.node.is_null() {
        bail!("{} does not tell the proxy's node: give it with --node", args.base.display());
    }
    Ok(base)
}

fn filters(schema: &Schema, args: &PatchArgs) -> anyhow::Result<(Vec<EnvoyFilter>, Vec<NotRead>)> {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for file in &args.filters {
        let found: Vec<_> = read(file)?.iter().flat_map(|document| read_list(schema, document)).collect();
        if found.is_empty() {
            bail!("{}: holds no EnvoyFilter", file.display());
        }
        for one in found {
            match one {
                Ok(filter) => accepted.push(filter),
                Err(reason) => refused.push(reason),
            }
        }
    }
    Ok((accepted, refused))
}

/// The documents of a file; of standard input for `-`.
fn read(file: &Path) -> anyhow::Result<Vec<Json>> {
    let name = file.display().to_string();
    let mut text = String::new();
    if name == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    }
    let nodes = documents(&text, file.extension().is_some_and(|extension| extension == "json"));
    match nodes {
        Ok(nodes) => Ok(nodes.iter().map(json).collect()),
        Err(malformed) => bail!("{name}:{}: {}", malformed.line, malformed.text),
    }
}

fn shown(
    schema: &Schema,
    output: PatchOutput,
    base: &Base,
    resources: &Resources,
    report: &Report,
) -> anyhow::Result<String> {
    let whole = || anyhow::Ok(base.write(schema, resources, serde_json::to_value(report)?));
    Ok(match output {
        PatchOutput::Json => format!("{}\n", serde_json::to_string_pretty(&whole()?)?),
        PatchOutput::Yaml => to_yaml(&whole()?),
        PatchOutput::Diff => format!("{}{report}", difference(schema, &base.resources, resources)),
    })
}

/// A unified difference of every resource that is not what it was.
fn difference(schema: &Schema, before: &Resources, after: &Resources) -> String {
    let (before, after) = (by_name(schema, before), by_name(schema, after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut text = String::new();
    for name in names {
        let empty = String::new();
        let (old, new) = (before.get(name).unwrap_or(&empty), after.get(name).unwrap_or(&empty));
        if old != new {
            let side = |text: &str| if text.is_empty() { "/dev/null".to_owned() } else { name.clone() };
            text.push_str(&TextDiff::from_lines(old, new).unified_diff().header(&side(old), &side(new)).to_string());
        }
    }
    text
}

/// Each resource as YAML, by kind and name; those of one name one behind the other.
fn by_name(schema: &Schema, resources: &Resources) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (kind, name, json) in resources.as_json(schema) {
        texts.entry(format!("{} {name}", kind.word())).or_default().push_str(&to_yaml(&json));
    }
    texts
}
