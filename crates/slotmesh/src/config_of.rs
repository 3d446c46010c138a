//! `slotmesh config`: what a running proxy has, be it slotmesh or Envoy: both have the same pages.

pub mod redis;

use crate::ask::{Asked, Dump, Entry, Form, KubeArgs, answered, items, show, table, text};
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use config::text::to_yaml;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const ADVICE: &str = "say with --admin where the proxy's admin page is (kubectl port-forward for one in a pod)";

/// Where a proxy's admin page usually is, beside Istio too.
pub const ADMIN: &str = "127.0.0.1:15000";

/// `slotmesh config`.
#[derive(clap::Args, Debug)]
pub struct ConfigArgs {
    /// What to show
    what: What,
    /// Whose, as POD.NAMESPACE, with --kube
    #[arg(value_name = "PROXY", requires = "kube", conflicts_with_all = ["admin", "file"])]
    proxy: Option<String>,
    /// Where the proxy's admin page is [default: 127.0.0.1:15000]
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["kube", "file"])]
    admin: Option<String>,
    /// What the /config_dump of a proxy has said, instead of asking it
    #[arg(long, value_name = "FILE", conflicts_with = "kube")]
    file: Option<PathBuf>,
    #[command(flatten)]
    kube: KubeArgs,
    /// Only what has this text in its name
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// Form of what is printed
    #[arg(short = 'o', long, value_name = "FORM", default_value = "table")]
    output: Form,
}

/// What `slotmesh config` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Listeners, and where each of their chains leads
    Listeners,
    /// Clusters, and how their members are found
    Clusters,
    /// The members of clusters: health, and of Redis nodes role and slots
    Endpoints,
    /// Each Redis filter: routes, mirrors, read policy, time-outs, and the nodes behind it
    Redis,
    /// The bootstrap
    Bootstrap,
}

/// Asks and prints; the exit status is 2 if nobody answered.
pub fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    answered(ask(args).map(|()| ExitCode::SUCCESS))
}

fn ask(args: &ConfigArgs) -> anyhow::Result<()> {
    let (dump, clusters) = match (&args.file, args.kube.kube, &args.proxy) {
        (Some(file), ..) => (from_file(file)?, Value::Null),
        (None, true, None) => bail!("say whose: slotmesh config WHAT POD.NAMESPACE --kube"),
        (None, true, Some(proxy)) => pages(&args.kube.cluster()?.sidecar(proxy)?)?,
        (None, false, _) => pages(&Asked::at(args.admin.as_deref().unwrap_or(ADMIN), ADVICE)?)?,
    };
    let is_wanted = |value: &Value| text(value, "/name").contains(&args.name);
    let of = |rows: Vec<Value>| Value::Array(rows.into_iter().filter(is_wanted).collect());
    match args.what {
        What::Listeners => {
            let rows = of(dump.listeners().into_iter().map(listener).collect());
            show(args.output, &rows, || listeners(&rows))
        }
        What::Clusters => {
            let rows = of(dump.clusters().into_iter().map(|entry| cluster(entry, &clusters)).collect());
            show(args.output, &rows, || cluster_table(&rows))
        }
        What::Endpoints => {
            let rows = of(items(&clusters, "/cluster_statuses").iter().map(members).collect());
            show(args.output, &rows, || endpoints(&rows))
        }
        What::Redis => {
            let rows = redis::filters(&dump, &clusters);
            let rows =
                Value::Array(rows.into_iter().filter(|row| text(row, "/listener").contains(&args.name)).collect());
            show(args.output, &rows, || redis::told(&rows))
        }
        What::Bootstrap => show(args.output, dump.bootstrap(), || to_yaml(dump.bootstrap())),
    }
}

/// A proxy's `/config_dump`, and its `/clusters` as JSON.
pub fn pages(proxy: &Asked) -> anyhow::Result<(Dump, Value)> {
    Ok((Dump(proxy.json("/config_dump")?), proxy.json("/clusters?format=json")?))
}

/// What a proxy has said.
fn from_file(file: &Path) -> anyhow::Result<Dump> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    let dump: Value = serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
    if !dump["configs"].is_array() {
        bail!("{name} is not what a /config_dump says: it has no configs");
    }
    Ok(Dump(dump))
}

/// `1.2.3.4:5`, or the path of a pipe, of an `envoy.config.core.v3.Address`.
pub fn address(written: &Value) -> String {
    let socket = &written["socket_address"];
    match socket["port_value"].as_u64() {
        Some(port) if text(socket, "/address").contains(':') => format!("[{}]:{port}", text(socket, "/address")),
        Some(port) => format!("{}:{port}", text(socket, "/address")),
        None => text(written, "/pipe/path").to_owned(),
    }
}

fn listener(entry: Entry<'_>) -> Value {
    let written = entry.resource;
    let chains = items(written, "/filter_chains").iter().chain(written.get("default_filter_chain"));
    let leads = chains.map(|chain| items(chain, "/filters").last().map_or_else(String::new, leads_to));
    let mut leads: Vec<String> = leads.collect();
    leads.dedup();
    json!({
        "name": written["name"],
        "address": address(&written["address"]),
        "is_open": written["bind_to_port"] != false,
        "leads_to": leads,
        "version": entry.version,
        "error": entry.error,
    })
}

/// Where the last filter of a chain leads.
fn leads_to(filter: &Value) -> String {
    let config = &filter["typed_config"];
    let kind = text(config, "/@type").rsplit('.').next().unwrap_or_default();
    match kind {
        "RedisProxy" => {
            let routes = redis::routes(config);
            let clusters: Vec<&str> = routes.iter().map(|route| text(route, "/cluster")).collect();
            format!("redis: {}", clusters.join(", "))
        }
        "TcpProxy" if config["cluster"].is_string() => format!("tcp: {}", text(config, "/cluster")),
        "TcpProxy" => "tcp: weighted clusters".to_owned(),
        "HttpConnectionManager" => format!("http: {}", text(config, "/rds/route_config_name")),
        _ => text(filter, "/name").to_owned(),
    }
}

fn listeners(rows: &Value) -> String {
    let row = |row: &Value| {
        let open = if row["is_open"] == true { "" } else { " (not bound)" };
        let leads: Vec<&str> = items(row, "/leads_to").iter().filter_map(Value::as_str).collect();
        let leads =
            if leads.len() > 3 { format!("{} and {} more", leads[0], leads.len() - 1) } else { leads.join("; ") };
        let place = format!("{}{open}", text(row, "/address"));
        [text(row, "/name").to_owned(), place, leads, remark(row)]
    };
    table(["LISTENER", "ADDRESS", "LEADS TO", "VERSION"], items(rows, "").iter().map(row))
}

/// The version; that a newer one was refused; or that it stands in the bootstrap.
fn remark(row: &Value) -> String {
    let version = if text(row, "/version").is_empty() { "bootstrap" } else { text(row, "/version") };
    match text(row, "/error") {
        "" => version.to_owned(),
        error => format!("{version}, refused: {error}"),
    }
}

/// How the members of a cluster are found: `envoy.clusters.redis`, `EDS`, `STATIC` …
pub fn kind(cluster: &Value) -> &str {
    let custom = text(cluster, "/cluster_type/name");
    match (custom, text(cluster, "/type")) {
        ("", "") => "STATIC",
        ("", plain) => plain,
        (custom, _) => custom,
    }
}

fn cluster(entry: Entry<'_>, statuses: &Value) -> Value {
    let name = text(entry.resource, "/name");
    let found = items(statuses, "/cluster_statuses").iter().find(|status| text(status, "/name") == name);
    json!({
        "name": name,
        "type": kind(entry.resource),
        "lb_policy": entry.resource["lb_policy"],
        "connect_timeout": entry.resource["connect_timeout"],
        "members": found.map_or(0, |found| items(found, "/host_statuses").len()),
        "version": entry.version,
        "error": entry.error,
    })
}

fn cluster_table(rows: &Value) -> String {
    let row = |row: &Value| {
        let members = row["members"].to_string();
        [text(row, "/name").to_owned(), text(row, "/type").to_owned(), members, remark(row)]
    };
    table(["CLUSTER", "TYPE", "MEMBERS", "VERSION"], items(rows, "").iter().map(row))
}

/// The members of a cluster; what Envoy does not know of them is null.
pub fn members(status: &Value) -> Value {
    let member = |host: &Value| {
        json!({
            "address": address(&host["address"]),
            "hostname": host["hostname"],
            "healthy": is_healthy(&host["health_status"]),
            "zone": host["locality"]["zone"],
            "role": host["role"],
            "slots": host["slots"],
        })
    };
    let all: Vec<Value> = items(status, "/host_statuses").iter().map(member).collect();
    json!({"name": status["name"], "members": all})
}

/// Whether a member may be sent requests, by its `health_status`.
pub fn is_healthy(status: &Value) -> bool {
    let eds = text(status, "/eds_health_status");
    let failed =
        status.as_object().into_iter().flatten().any(|(key, value)| key.starts_with("failed_") && value == true);
    !failed && matches!(eds, "" | "HEALTHY" | "UNKNOWN" | "DEGRADED")
}

fn endpoints(rows: &Value) -> String {
    let row = |of: &Value, member: &Value| {
        let health = if member["healthy"] == true { "healthy" } else { "unhealthy" };
        let [place, role, slots] = ["/address", "/role", "/slots"].map(|key| text(member, key).to_owned());
        [text(of, "/name").to_owned(), place, health.to_owned(), role, slots]
    };
    let all = items(rows, "").iter().flat_map(|of| items(of, "/members").iter().map(move |member| row(of, member)));
    table(["CLUSTER", "ADDRESS", "HEALTH", "ROLE", "SLOTS"], all)
}

#[cfg(test)]
mod tests {
    use super::{address, is_healthy, leads_to};
    use serde_json::json;

    #[test]
    fn addresses_and_destinations_are_read_as_people_write_them() {
        assert_eq!(address(&json!({"socket_address": {"address": "::1", "port_value": 1}})), "[::1]:1");
        assert_eq!(address(&json!({"pipe": {"path": "/x"}})), "/x");
        let tcp = json!({"typed_config": {"@type": "x/a.TcpProxy", "cluster": "c"}});
        assert_eq!(leads_to(&tcp), "tcp: c");
        let redis = json!({"typed_config": {"@type": "x/a.RedisProxy", "prefix_routes": {
            "routes": [{"prefix": "a:", "cluster": "one"}], "catch_all_route": {"cluster": "two"}}}});
        assert_eq!(leads_to(&redis), "redis: one, two");
    }

    #[test]
    fn health_is_what_checks_and_the_control_plane_agree_on() {
        assert!(is_healthy(&json!({"eds_health_status": "HEALTHY"})) && is_healthy(&json!({})));
        assert!(!is_healthy(&json!({"eds_health_status": "HEALTHY", "failed_active_health_check": true})));
        assert!(!is_healthy(&json!({"eds_health_status": "UNHEALTHY"})));
    }
}
