//! The answer, for people.

use crate::ask::{items, text};
use serde_json::Value;
use std::fmt::Write as _;

/// Files do not know, Envoy does not tell, and a proxy does not ask before somebody needs it.
const UNKNOWN: &str = "; which node that is, is not known here";

/// How wide the words on the left are.
const LEFT: usize = 12;

/// More nodes than this are counted.
const MOST_NODES: usize = 6;

/// A longer command is cut, in characters.
const LONGEST: usize = 60;

/// The answer as a page.
pub fn told(answer: &Value) -> String {
    let mut page = text(answer, "/command").to_owned();
    if let Some(effect) = answer["effect"].as_str() {
        let _ = write!(page, "  ({effect})");
    }
    page.push('\n');
    let filters = items(answer, "/filters");
    if filters.is_empty() {
        let _ = writeln!(
            page,
            "\n{} has no such listener with a Redis filter: commands pass as plain TCP, if at all",
            text(answer, "/from")
        );
    }
    for filter in filters {
        of_filter(&mut page, filter);
    }
    if page.contains(UNKNOWN) {
        page.push_str("\n--ask-nodes asks the nodes whose slots are whose\n");
    }
    if is_open(filters) {
        page.push_str("\n--control HOST:PORT asks the control plane which EnvoyFilter decided it\n");
    }
    page
}

/// Whether there is somebody who knows more, and was not asked.
fn is_open(filters: &[Value]) -> bool {
    let rows = filters.iter().flat_map(|filter| items(filter, "/decided"));
    rows.into_iter().any(|row| row["asks_control"] == true)
}

fn line(page: &mut String, indent: usize, left: &str, right: &str) {
    let _ = writeln!(page, "{:indent$}{left:LEFT$}{right}", "");
}

fn of_filter(page: &mut String, filter: &Value) {
    let (name, address, chain) = (text(filter, "/listener"), text(filter, "/address"), text(filter, "/filter_chain"));
    let matches = filter["filter_chain_match"].as_object().filter(|matches| !matches.is_empty());
    let matches = matches.map(|_| format!(" ({})", filter["filter_chain_match"])).unwrap_or_default();
    let _ = writeln!(page, "\nlistener {name} at {address}, filter chain {chain}{matches}");
    let timeout = filter["op_timeout"].as_str().unwrap_or("none");
    line(page, 2, "settings", &format!("reads by {}, time-out {timeout}", text(filter, "/read_policy")));
    if filter["asks_for_password"] == true {
        line(page, 2, "password", "clients must send AUTH first; others read NOAUTH");
    }
    for fault in items(filter, "/faults") {
        line(page, 2, "fault", fault.as_str().unwrap_or_default());
    }
    if let Some(how) = filter["how"].as_str() {
        line(page, 2, "way", how);
    }
    match text(filter, "/outcome") {
        "refused" => line(page, 2, "REFUSED", text(filter, "/refused")),
        "answered by the proxy" => line(page, 2, "reply", text(filter, "/reply")),
        _ => {}
    }
    for key in items(filter, "/keys") {
        let _ = writeln!(page, "  key {}", text(key, "/key"));
        of_key(page, key);
    }
    if filter["keyless"].is_object() {
        page.push_str("  without a key\n");
        of_key(page, &filter["keyless"]);
    }
    parts(page, filter);
    decided(page, filter);
}

fn of_key(page: &mut String, key: &Value) {
    line(page, 4, "route", &route(key));
    if let Some(refused) = key["refused"].as_str() {
        line(page, 4, "refused", refused);
    }
    if key["sent_as"].is_string() && key["sent_as"] != key["key"] {
        line(page, 4, "sent as", text(key, "/sent_as"));
    }
    if key["cluster"].is_string() {
        line(
            page,
            4,
            "cluster",
            &format!("{} ({})", text(key, "/cluster"), key["cluster_type"].as_str().unwrap_or("not there")),
        );
    }
    if let Some(slot) = key["slot"].as_u64() {
        let tag = key["hash_tag"].as_str().map(|tag| format!(", of the hash tag {tag}")).unwrap_or_default();
        line(page, 4, "slot", &format!("{slot}{tag}"));
    }
    if key["shard"].is_object() {
        let shard = &key["shard"];
        line(page, 4, "shard", &format!("{} (slots {})", shard["number"], text(shard, "/slots")));
    }
    if let Some(by) = key["by"].as_str() {
        line(page, 4, "chosen by", by);
    }
    if !items(key, "/nodes").is_empty() {
        let between = if key["key"].is_string() { " or " } else { ", " };
        line(page, 4, "node", &nodes(items(key, "/nodes"), between));
    }
    for mirror in items(key, "/mirrors") {
        line(page, 4, "mirror", &of_mirror(mirror));
    }
}

fn route(key: &Value) -> String {
    let tried: Vec<String> =
        items(key, "/tried").iter().filter_map(Value::as_str).map(|prefix| format!("{prefix:?}")).collect();
    let before = if tried.is_empty() { String::new() } else { format!("; tried before: {}", tried.join(", ")) };
    let route = &key["route"];
    if route.is_null() {
        return format!("none takes it{before}");
    }
    let reads = if route["by_read_command_policy"] == true { ", where its reads go" } else { "" };
    match route["catch_all"] == true {
        true => format!("catch_all_route{reads}{before}"),
        false => format!("prefix {:?}{reads}{before}", text(route, "/prefix")),
    }
}

fn of_mirror(mirror: &Value) -> String {
    let cluster = text(mirror, "/cluster");
    match mirror["why_not"].as_str() {
        Some(why) => format!("{cluster}: not copied, {why}"),
        None => {
            let percent = mirror["percent"].as_f64().filter(|percent| *percent < 100.0);
            let part = percent.map(|percent| format!(" {percent}% of them")).unwrap_or_default();
            format!("{cluster}: copied{part} to {}", nodes(items(mirror, "/nodes"), " or "))
        }
    }
}

/// `10.0.0.1:6379 (replica) or 10.0.0.2:6379 (replica)`.
fn nodes(nodes: &[Value], between: &str) -> String {
    let shown: Vec<String> = nodes.iter().take(MOST_NODES).map(node).collect();
    let more = nodes.len().saturating_sub(MOST_NODES);
    let more = if more > 0 { format!("{between}{more} more") } else { String::new() };
    shown.join(between) + &more
}

fn node(node: &Value) -> String {
    match (node["address"].as_str(), node["role"].as_str()) {
        (Some(address), Some(role)) => format!("{address} ({role})"),
        (Some(address), None) => address.to_owned(),
        (None, Some("primary")) => format!("the primary of its shard{UNKNOWN}"),
        (None, Some(role)) => format!("a {role} of its shard{UNKNOWN}"),
        (None, None) => format!("a member{UNKNOWN}"),
    }
}

/// What goes where, unless it is one key's command and has been said.
fn parts(page: &mut String, filter: &Value) {
    let (parts, keys) = (items(filter, "/parts"), items(filter, "/keys"));
    match (parts, keys) {
        ([], _) | ([_], [_] | []) => {}
        _ => {
            for part in parts {
                line(page, 2, "sends", &format!("{} to {}", short(text(part, "/command")), node(part)));
            }
        }
    }
}

/// A command without the end of what is long.
fn short(command: &str) -> String {
    match command.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command.to_owned(),
    }
}

fn decided(page: &mut String, filter: &Value) {
    page.push_str("  decided by\n");
    let mut last = String::new();
    for row in items(filter, "/decided") {
        let subject = format!("{} {}", text(row, "/kind"), text(row, "/name"));
        if subject != last {
            let _ = writeln!(page, "    {subject}");
            last = subject;
        }
        let (what, by, file) = (text(row, "/what"), text(row, "/by"), text(row, "/file"));
        let what = if what.is_empty() { String::new() } else { format!(" {what}") };
        let place = if file.is_empty() { String::new() } else { format!(" ({file}:{})", row["line"]) };
        let _ = writeln!(page, "      {by}{place}{what}");
    }
}
