//! The Redis filters of a proxy: what each does with a command, and who is behind it.

use super::{address, kind, members};
use crate::ask::{Dump, items, table, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The fields by which a filter asks clients who they are.
const PASSWORDS: [&str; 3] = ["downstream_auth_password", "downstream_auth_passwords", "external_auth_provider"];

/// Every Redis filter of a proxy, with what is known of its clusters.
pub fn filters(dump: &Dump, statuses: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for entry in dump.listeners() {
        let listener = entry.resource;
        let chains = items(listener, "/filter_chains").iter().chain(listener.get("default_filter_chain"));
        for filter in chains.flat_map(|chain| items(chain, "/filters")) {
            let config = &filter["typed_config"];
            if text(config, "/@type").ends_with(".RedisProxy") {
                let mut one = meaning(config);
                one["listener"] = listener["name"].clone();
                one["address"] = address(&listener["address"]).into();
                one["version"] = entry.version.into();
                one["clusters"] = clusters(&one["routes"], dump, statuses);
                found.push(one);
            }
        }
    }
    found
}

/// A `RedisProxy` with its defaults filled in.
fn meaning(config: &Value) -> Value {
    let settings = &config["settings"];
    let or = |key: &str, default: &str| settings[key].as_str().unwrap_or(default).to_owned();
    json!({
        "stat_prefix": config["stat_prefix"],
        "read_policy": or("read_policy", "MASTER"),
        "op_timeout": settings["op_timeout"],
        "follows_redirections": settings["enable_redirection"] == true,
        "case_insensitive_prefixes": config["prefix_routes"]["case_insensitive"] == true,
        "asks_for_password": asks_for_password(config),
        "faults": config["faults"].as_array().map_or(0, Vec::len),
        "routes": routes(config),
    })
}

/// Whether a `RedisProxy` wants to know who its clients are.
pub fn asks_for_password(config: &Value) -> bool {
    PASSWORDS.iter().any(|key| !config[*key].is_null())
}

/// The routes of a `RedisProxy`: the longest prefix first, as they are looked up, and what no prefix fits last.
pub fn routes(config: &Value) -> Vec<Value> {
    let mut prefixed: Vec<&Value> = items(config, "/prefix_routes/routes").iter().collect();
    prefixed.sort_by_key(|route| std::cmp::Reverse(text(route, "/prefix").len()));
    prefixed.into_iter().chain(config.pointer("/prefix_routes/catch_all_route")).map(route).collect()
}

fn route(written: &Value) -> Value {
    let mirror = |policy: &Value| {
        json!({
            "cluster": policy["cluster"],
            "writes_only": policy["exclude_read_commands"] == true,
            "fraction": fraction(&policy["runtime_fraction"]["default_value"]),
        })
    };
    json!({
        "prefix": written["prefix"].as_str().unwrap_or_default(),
        "cluster": written["cluster"],
        "reads": written["read_command_policy"]["cluster"],
        "removes_prefix": written["remove_prefix"] == true,
        "key_formatter": written["key_formatter"],
        "mirrors": items(written, "/request_mirror_policy").iter().map(mirror).collect::<Vec<_>>(),
    })
}

/// `12.5%`; null where everything is mirrored.
fn fraction(written: &Value) -> Value {
    let Some(parts) = written.as_object() else { return Value::Null };
    let numerator = parts.get("numerator").and_then(Value::as_f64).unwrap_or(0.0);
    let denominator = match parts.get("denominator").and_then(Value::as_str) {
        Some("TEN_THOUSAND") => 10_000.0,
        Some("MILLION") => 1_000_000.0,
        _ => 100.0,
    };
    format!("{}%", numerator / denominator * 100.0).into()
}

/// The clusters that routes name, in the order of their names.
fn clusters(routes: &Value, dump: &Dump, statuses: &Value) -> Value {
    let routes = items(routes, "");
    let mirrors = routes.iter().flat_map(|route| items(route, "/mirrors"));
    let of = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let named = routes.iter().flat_map(|route| [of(route, "cluster"), of(route, "reads")]).flatten();
    let names: BTreeSet<String> = named.chain(mirrors.filter_map(|mirror| of(mirror, "cluster"))).collect();
    let known = dump.clusters();
    let one = |name: String| {
        let entry = known.iter().find(|entry| text(entry.resource, "/name") == name);
        let status = items(statuses, "/cluster_statuses").iter().find(|status| text(status, "/name") == name);
        let members = status.map_or_else(|| json!([]), |status| members(status)["members"].take());
        json!({"name": name, "type": entry.map(|entry| kind(entry.resource)), "members": members})
    };
    names.into_iter().map(one).collect()
}

/// For people.
pub fn told(filters: &Value) -> String {
    let mut page = String::new();
    for filter in items(filters, "") {
        let separator = if page.is_empty() { "" } else { "\n" };
        let _ = write!(page, "{separator}{}", of_filter(filter));
    }
    if page.is_empty() { "no listener has a Redis filter\n".to_owned() } else { page }
}

fn of_filter(filter: &Value) -> String {
    let settings = [
        format!("reads by {}", text(filter, "/read_policy")),
        format!("time-out {}", filter["op_timeout"].as_str().unwrap_or("none")),
        format!(
            "redirections {}",
            if filter["follows_redirections"] == true { "followed" } else { "given to clients" }
        ),
    ];
    let extra = [
        (filter["asks_for_password"] == true).then(|| "password asked for".to_owned()),
        (filter["case_insensitive_prefixes"] == true).then(|| "prefixes in any case".to_owned()),
        filter["faults"].as_u64().filter(|count| *count > 0).map(|count| format!("faults injected: {count}")),
    ];
    let settings: Vec<String> = settings.into_iter().chain(extra.into_iter().flatten()).collect();
    let (listener, place, prefix) = (text(filter, "/listener"), text(filter, "/address"), text(filter, "/stat_prefix"));
    let head = format!("{listener} at {place} (statistics redis.{prefix})\n  {}\n", settings.join(", "));
    let indent = |block: String| block.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let routes = table(["PREFIX", "CLUSTER", "READS", "MIRRORS"], items(filter, "/routes").iter().map(of_route));
    let nodes = items(filter, "/clusters").iter().flat_map(nodes);
    let nodes = table(["CLUSTER", "TYPE", "NODE", "ROLE", "SLOTS", "HEALTH"], nodes);
    head + &indent(routes) + "\n" + &indent(nodes)
}

fn of_route(route: &Value) -> [String; 4] {
    let mirror = |mirror: &Value| {
        let part = mirror["fraction"].as_str().map(|fraction| format!(" {fraction}")).unwrap_or_default();
        let writes = if mirror["writes_only"] == true { " writes only" } else { "" };
        format!("{}{part}{writes}", text(mirror, "/cluster"))
    };
    let removed = if route["removes_prefix"] == true { " (removed)" } else { "" };
    let prefix = match text(route, "/prefix") {
        "" => "*".to_owned(),
        prefix => format!("{prefix}{removed}"),
    };
    let mirrors: Vec<String> = items(route, "/mirrors").iter().map(mirror).collect();
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let reads = or(text(route, "/reads"), "same");
    [prefix, text(route, "/cluster").to_owned(), reads, or(&mirrors.join(", "), "none")]
}

fn nodes(cluster: &Value) -> Vec<[String; 6]> {
    let name = text(cluster, "/name").to_owned();
    let kind = cluster["type"].as_str().unwrap_or("is not there").to_owned();
    let row = |node: &Value| {
        let health = if node["healthy"] == true { "healthy" } else { "unhealthy" };
        let [place, role, slots] = ["/address", "/role", "/slots"].map(|key| text(node, key).to_owned());
        [name.clone(), kind.clone(), place, role, slots, health.to_owned()]
    };
    match items(cluster, "/members") {
        [] => vec![[name, kind, "none known".to_owned(), String::new(), String::new(), String::new()]],
        members => members.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{fraction, routes};
    use serde_json::{Value, json};

    #[test]
    fn the_longest_prefix_stands_first_and_the_rest_last() {
        let route = |prefix: &str| json!({"prefix": prefix, "cluster": prefix});
        let config = json!({"prefix_routes": {
            "routes": [route("a"), route("abc"), route("ab")], "catch_all_route": {"cluster": "rest"}}});
        let found = routes(&config);
        assert_eq!(
            found.iter().map(|route| route["cluster"].as_str().unwrap()).collect::<Vec<_>>(),
            ["abc", "ab", "a", "rest"]
        );
    }

    #[test]
    fn fractions_are_percents() {
        assert_eq!(fraction(&json!({"numerator": 125, "denominator": "TEN_THOUSAND"})), "1.25%");
        assert_eq!(fraction(&json!({"numerator": 50})), "50%");
        assert_eq!(fraction(&Value::Null), Value::Null);
    }
}
