//! `slotmesh status`: which proxies a control plane serves, and whether they have what it says.

use crate::ask::{Asked, Form, KubeArgs, answered, items, show, table, text};
use anyhow::bail;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

/// The exit status when a proxy has not what it should have.
const BEHIND: u8 = 1;

/// Characters of a UUID.
const UUID: usize = 36;

const ADVICE: &str = "start `slotmesh control`, or say with --control where its --http is (kubectl port-forward for one \
                      in a cluster)";

/// The kinds in the order of a push: a word, and the end of the type's URL.
const KINDS: [(&str, &str); 5] = [
    ("cds", ".Cluster"),
    ("eds", ".ClusterLoadAssignment"),
    ("lds", ".Listener"),
    ("rds", ".RouteConfiguration"),
    ("sds", ".Secret"),
];

/// `slotmesh status`.
#[derive(clap::Args, Debug)]
pub struct StatusArgs {
    /// Only this proxy, as POD.NAMESPACE
    #[arg(value_name = "PROXY")]
    proxy: Option<String>,
    /// Where the control plane's pages are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15014", conflicts_with = "kube")]
    control: String,
    #[command(flatten)]
    kube: KubeArgs,
    /// Where the control plane's pods are [default: slotmesh-system, or istio-system for istiod]
    #[arg(long, value_name = "NAME", requires = "kube")]
    control_namespace: Option<String>,
    /// Form of what is printed
    #[arg(short = 'o', long, value_name = "FORM", default_value = "table")]
    output: Form,
}

/// Asks, prints, and says by the exit status: 0 all have what they should, 1 not all, 2 nobody answered.
pub fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    answered(ask(args))
}

fn ask(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let planes = match args.kube.kube {
        true => args.kube.cluster()?.planes(args.control_namespace.as_deref())?,
        false => vec![Asked::at(&args.control, ADVICE)?],
    };
    let (mut proxies, mut told) = (Vec::new(), Vec::new());
    for plane in &planes {
        let rows = plane.json("/debug/syncz")?;
        proxies.extend(items(&rows, "").iter().map(proxy));
        // An istiod has no such page.
        let filters = plane.json("/debug/envoyfilters").unwrap_or(Value::Null);
        told.extend(remarks(&filters));
    }
    // Two of them say the same of what nobody has.
    told.sort();
    told.dedup();
    let control = planes.iter().map(Asked::name).collect::<Vec<_>>().join(", ");
    if let Some(name) = &args.proxy {
        only(&mut proxies, name, &control)?;
    }
    let synced = proxies.iter().all(|proxy| proxy["synced"] == true);
    let answer = json!({"control": control, "synced": synced, "proxies": proxies, "envoy_filters": told});
    show(args.output, &answer, || shown(&answer))?;
    Ok(if synced { ExitCode::SUCCESS } else { ExitCode::from(BEHIND) })
}

fn only(proxies: &mut Vec<Value>, name: &str, control: &str) -> anyhow::Result<()> {
    let all: Vec<String> = proxies.iter().map(|proxy| text(proxy, "/proxy").to_owned()).collect();
    proxies.retain(|proxy| proxy["proxy"] == name);
    if proxies.is_empty() {
        bail!("no proxy named {name} is connected to {control}; there are: {}", all.join(", "));
    }
    Ok(())
}

/// One row of `/debug/syncz`, judged.
fn proxy(row: &Value) -> Value {
    let lanes = row["resources"].as_object();
    let lane = |end: &str| lanes.and_then(|lanes| lanes.iter().find(|(url, _)| url.ends_with(end)));
    let mut kinds = Map::new();
    for (word, end) in KINDS {
        kinds.extend(lane(end).map(|(_, lane)| (word.to_owned(), judged(lane))));
    }
    // A name that nothing has is never answered; but everybody is sent clusters and listeners.
    let is_good = |(word, kind): (&String, &Value)| match text(kind, "/state") {
        "SYNCED" => true,
        "NOT SENT" => word != "cds" && word != "lds",
        _ => false,
    };
    let synced = !kinds.is_empty() && kinds.iter().all(is_good);
    json!({
        "proxy": row["proxy"],
        "type": row["proxy_type"],
        "istio_version": row["istio_version"],
        "synced": synced,
        "kinds": kinds,
    })
}

fn judged(lane: &Value) -> Value {
    let (sent, acked) = (text(lane, "/sent"), text(lane, "/acked"));
    let state = match (lane.get("lastError").is_some(), sent.is_empty()) {
        (true, _) => "NACK",
        (false, true) => "NOT SENT",
        (false, false) if sent == acked => "SYNCED",
        (false, false) => "STALE",
    };
    let mut judged = json!({"state": state, "sent": version(sent), "accepted": version(acked)});
    judged["sent_at"] = lane["sentTime"].clone();
    if state == "NACK" {
        judged["nack"] = json!({
            "message": lane["lastError"],
            "resources": lane["lastErrorResources"],
            "patches": lane["lastErrorPatches"],
        });
    }
    judged
}

/// The version in a nonce: ours is `VERSION/NUMBER`, istiod's the version with a UUID behind it.
fn version(nonce: &str) -> Option<&str> {
    let version = match nonce.len().checked_sub(UUID).and_then(|start| nonce.split_at_checked(start)) {
        Some((version, end)) if is_uuid(end) => version,
        _ => nonce.rsplit_once('/').map_or(nonce, |(version, _)| version),
    };
    (!version.is_empty()).then_some(version)
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What is wrong with EnvoyFilters, one line each.
fn remarks(filters: &Value) -> Vec<String> {
    let mut remarks = Vec::new();
    for filter in items(filters, "/envoy_filters") {
        let name = format!("{}/{}", text(filter, "/namespace"), text(filter, "/name"));
        let place = format!("{name} ({}:{})", text(filter, "/file"), filter["line"]);
        let told = |text: &Value| text.as_str().map(str::to_owned);
        let refused = items(filter, "/refused").iter().filter_map(told);
        remarks.extend(refused.map(|reason| format!("{place} is refused: {reason}")));
        for patch in items(filter, "/patches") {
            if let Some(nothing) = patch["nothing"].as_str() {
                let near: Vec<&str> = items(patch, "/nearest").iter().filter_map(Value::as_str).collect();
                let near = if near.is_empty() { String::new() } else { format!("; near: {}", near.join(", ")) };
                remarks.push(format!("{place} configPatches[{}] was applied nowhere: {nothing}{near}", patch["index"]));
            }
        }
    }
    for held in items(filters, "/held_back") {
        let list = |key: &str| items(held, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
        let (resource, without) = (text(held, "/resource"), list("/without"));
        remarks.push(format!(
            "{resource} goes out without {without}, since proxies would refuse it: {}",
            list("/reasons")
        ));
    }
    remarks
}

fn shown(answer: &Value) -> String {
    let proxies = items(answer, "/proxies");
    if proxies.is_empty() {
        return format!("no proxy is connected to {}\n{}", text(answer, "/control"), told(answer));
    }
    let row = |proxy: &Value| {
        let cell = |word: &str| cell(&proxy["kinds"][word]);
        let version = text(proxy, "/istio_version").to_owned();
        let [cds, eds, lds, rds, sds] = KINDS.map(|(word, _)| cell(word));
        [text(proxy, "/proxy").to_owned(), cds, eds, lds, rds, sds, version]
    };
    let mut page = table(["PROXY", "CDS", "EDS", "LDS", "RDS", "SDS", "ISTIO VERSION"], proxies.iter().map(row));
    for proxy in proxies {
        let kinds = proxy["kinds"].as_object().into_iter().flatten();
        kinds
            .filter(|(_, kind)| kind["state"] == "NACK")
            .for_each(|(word, kind)| refusal(&mut page, proxy, word, kind));
    }
    page + &told(answer)
}

/// `SYNCED 3`, `STALE 4 (has 3)`, and `-` for what it has not asked for.
fn cell(kind: &Value) -> String {
    let (sent, accepted) = (text(kind, "/sent"), text(kind, "/accepted"));
    match text(kind, "/state") {
        "" => "-".to_owned(),
        "NOT SENT" => "NOT SENT".to_owned(),
        "SYNCED" => format!("SYNCED {sent}"),
        state if accepted.is_empty() => format!("{state} {sent} (has nothing)"),
        state => format!("{state} {sent} (has {accepted})"),
    }
}

fn refusal(page: &mut String, proxy: &Value, word: &str, kind: &Value) {
    let list = |key: &str| items(kind, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let (name, message) = (text(proxy, "/proxy"), text(kind, "/nack/message"));
    let _ = writeln!(page, "\n{name} refuses {}: {}", word.to_uppercase(), message.trim_end());
    for (what, names) in [("resources", list("/nack/resources")), ("patched by EnvoyFilter", list("/nack/patches"))] {
        if !names.is_empty() {
            let _ = writeln!(page, "  {what}: {names}");
        }
    }
}

fn told(answer: &Value) -> String {
    let remarks: Vec<&str> = items(answer, "/envoy_filters").iter().filter_map(Value::as_str).collect();
    if remarks.is_empty() { String::new() } else { format!("\nEnvoyFilters:\n  {}\n", remarks.join("\n  ")) }
}

#[cfg(test)]
mod tests {
    use super::{cell, proxy, version};
    use serde_json::json;

    fn row(lane: serde_json::Value) -> serde_json::Value {
        proxy(&json!({"proxy": "a.b", "resources": {"type.googleapis.com/envoy.config.listener.v3.Listener": lane}}))
    }

    #[test]
    fn every_state_is_told_apart() {
        let states = [
            (json!({"sent": "v3/4", "acked": "v3/4"}), true, "SYNCED v3"),
            (json!({"sent": "v4/5", "acked": "v3/4"}), false, "STALE v4 (has v3)"),
            (json!({"sent": "v4/5"}), false, "STALE v4 (has nothing)"),
            (json!({"sent": "v4/5", "acked": "v3/4", "lastError": "bad"}), false, "NACK v4 (has v3)"),
            (json!({}), false, "NOT SENT"),
        ];
        for (lane, synced, told) in states {
            let judged = row(lane);
            assert_eq!((judged["synced"] == true, cell(&judged["kinds"]["lds"]).as_str()), (synced, told));
        }
        assert_eq!(cell(&row(json!({}))["kinds"]["rds"]), "-");
    }

    #[test]
    fn versions_stand_in_nonces() {
        let istiod = "2026-11-23T17:19:58Z/151a50712c-403b-41fe-85bc-36aed4371950";
        assert_eq!(version(istiod), Some("2026-11-23T17:19:58Z/15"));
        assert_eq!((version("7/12"), version("7"), version("")), (Some("7"), Some("7"), None));
    }
}
