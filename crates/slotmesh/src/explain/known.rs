//! What is known of a proxy: its listeners and clusters, its members, and who decided what.

use super::ExplainArgs;
use super::decided::Decided;
use crate::ask::{Asked, Dump, text};
use crate::{analyze, config_of};
use ::control::Mesh;
use ::control::analyze::given;
use anyhow::Context as _;
use config::{Schema, load_file_with_dump};
use serde_json::{Value, json};
use std::io::{Write as _, stderr};
use std::path::Path;
use std::sync::Arc;

const ADVICE: &str = "say with --admin where the proxy's admin page is, with --config what its bootstrap is, or with \
                      --files and --proxy what a control plane is to make its configuration of";
const CONTROL: &str = "say with --control where the control plane's --http is";

/// A proxy, running or not.
pub struct Known {
    /// Its listeners and clusters.
    pub dump: Dump,
    /// Its `/clusters?format=json`; null if it does not run.
    pub statuses: Value,
    /// Who decided what.
    pub decided: Decided,
    /// What was asked.
    pub from: String,
    /// To read the dump by.
    pub schema: Arc<Schema>,
    /// Whether nodes are asked for what nobody has told.
    pub asks_nodes: bool,
}

impl Known {
    /// What the arguments name.
    pub fn of(args: &ExplainArgs) -> anyhow::Result<Self> {
        let schema = Arc::new(Schema::load_mesh()?);
        match (&args.config, &args.proxy) {
            (Some(file), _) => offline(file, schema),
            (None, Some(proxy)) if !args.files.is_empty() => made_of(args, proxy, schema),
            _ if args.kube.kube => in_cluster(args, schema),
            _ => running(args, schema),
        }
    }
}

fn running(args: &ExplainArgs, schema: Arc<Schema>) -> anyhow::Result<Known> {
    let proxy = Asked::at(args.admin.as_deref().unwrap_or(config_of::ADMIN), ADVICE)?;
    let (dump, statuses) = config_of::pages(&proxy)?;
    let decided = match &args.control {
        None => Decided::not_asked(),
        Some(control) => Decided::asked(&Asked::at(control, CONTROL)?, &who(args, &dump))?,
    };
    Ok(Known { dump, statuses, decided, from: format!("the proxy at {}", proxy.name()), schema, asks_nodes: false })
}

/// The name by which a control plane knows the proxy.
fn who(args: &ExplainArgs, dump: &Dump) -> String {
    let id = text(dump.bootstrap(), "/node/id");
    let own = id.split('~').nth(2).unwrap_or_default();
    args.proxy.as_deref().filter(|name| name.contains('.')).unwrap_or(own).to_owned()
}

/// The sidecar of a pod, and whichever control plane knows it.
fn in_cluster(args: &ExplainArgs, schema: Arc<Schema>) -> anyhow::Result<Known> {
    let name = args.proxy.as_deref().context("say whose with --proxy POD.NAMESPACE")?;
    let cluster = args.kube.cluster()?;
    let proxy = cluster.sidecar(name)?;
    let (dump, statuses) = config_of::pages(&proxy)?;
    let who = who(args, &dump);
    // Without a control plane of ours, or the right to reach it, less is known.
    let planes = cluster.planes(args.control_namespace.as_deref()).unwrap_or_default();
    let decided = planes.iter().find_map(|plane| Decided::asked(plane, &who).ok());
    let decided = decided.unwrap_or_else(Decided::not_asked);
    Ok(Known { dump, statuses, decided, from: format!("the proxy {}", proxy.name()), schema, asks_nodes: false })
}

/// A file that holds a bootstrap, or what a proxy has said.
fn offline(file: &Path, schema: Arc<Schema>) -> anyhow::Result<Known> {
    let name = file.display().to_string();
    let from = name.clone();
    let read = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    if let Some(dump) = serde_json::from_str::<Value>(&read).ok().filter(|json| json["configs"].is_array()) {
        return Ok(Known {
            dump: Dump(dump),
            statuses: Value::Null,
            decided: Decided::not_asked(),
            from,
            schema,
            asks_nodes: false,
        });
    }
    let loaded = load_file_with_dump(file).map_err(anyhow::Error::msg)?;
    let bootstrap: Value = serde_json::from_str(&loaded.dump)?;
    let all = |key: &str, of: &str| {
        let written = crate::ask::items(&bootstrap, key).iter();
        written.map(|one| json!({of: one})).collect::<Vec<_>>()
    };
    let configs = json!({"configs": [
        {"static_listeners": all("/static_resources/listeners", "listener")},
        {"static_clusters": all("/static_resources/clusters", "cluster")},
    ]});
    Ok(Known {
        dump: Dump(configs),
        statuses: Value::Null,
        decided: Decided::by_bootstrap(&name),
        from,
        schema,
        asks_nodes: false,
    })
}

/// What a control plane would make of files.
fn made_of(args: &ExplainArgs, proxy: &str, schema: Arc<Schema>) -> anyhow::Result<Known> {
    let files = analyze::read(&args.files)?;
    let given = given(&schema, &files, Mesh::default(), proxy)?;
    for problem in &given.problems {
        writeln!(stderr(), "error: {problem}")?;
    }
    let all = |key: &str, of: &str| {
        let written = crate::ask::items(&given.shown, key).iter();
        written.map(|one| json!({of: one})).collect::<Vec<_>>()
    };
    let listeners: Vec<Value> =
        all("/listeners", "listener").into_iter().map(|state| json!({"active_state": state})).collect();
    let configs = json!({"configs": [
        {"dynamic_listeners": listeners},
        {"dynamic_active_clusters": all("/clusters", "cluster")},
    ]});
    let from = format!("what the control plane would give {proxy}");
    Ok(Known {
        dump: Dump(configs),
        statuses: statuses(&given.shown),
        decided: Decided::given(given.decided),
        from,
        schema,
        asks_nodes: false,
    })
}

/// The endpoints that a control plane gives, as a proxy's `/clusters` would show them.
fn statuses(shown: &Value) -> Value {
    let one = |assignment: &Value| {
        let localities = crate::ask::items(assignment, "/endpoints").iter();
        let endpoints = localities.flat_map(|locality| crate::ask::items(locality, "/lb_endpoints"));
        let hosts: Vec<Value> = endpoints.map(|one| json!({"address": one["endpoint"]["address"]})).collect();
        json!({"name": assignment["cluster_name"], "host_statuses": hosts})
    };
    json!({"cluster_statuses": crate::ask::items(shown, "/endpoints").iter().map(one).collect::<Vec<_>>()})
}
