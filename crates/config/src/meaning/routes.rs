//! Where keys go: `RedisProxy.PrefixRoutes`.

use super::key_format;
use super::reader::Reader;
use meant::{Fraction, Mirror, Route, Routes};
use std::collections::HashMap;

/// The routes of a Redis filter.
pub(super) fn routes(filter: &Reader<'_>) -> Routes {
    let written = filter.one("prefix_routes");
    let routes = written.as_ref().map(prefix_routes).unwrap_or_default();
    if routes.routes.is_empty() && routes.catch_all.is_none() {
        // Envoy's own words, which people search for, and the remedy.
        let text = "cannot configure a redis-proxy without any upstream: add a catch_all_route or a route";
        let spoilt = ["routes", "catch_all_route"]
            .iter()
            .any(|name| written.as_ref().is_some_and(|written| written.is_spoilt(name)));
        if !spoilt {
            filter.wrong("prefix_routes", text);
        }
    }
    routes
}

fn prefix_routes(written: &Reader<'_>) -> Routes {
    let case_insensitive = written.flag("case_insensitive");
    let mut routes = Vec::new();
    let mut first: HashMap<Vec<u8>, String> = HashMap::new();
    for reader in written.all("routes") {
        let mut route = route(&reader);
        if case_insensitive {
            route.prefix.make_ascii_lowercase();
        }
        if let Some(earlier) = first.insert(route.prefix.clone(), reader.path().to_owned()) {
            let prefix = String::from_utf8_lossy(&route.prefix).into_owned();
            reader.wrong("prefix", format!("prefix `{prefix}` already exists, in {earlier}"));
        }
        routes.push(route);
    }
    let catch_all = written.one("catch_all_route").map(|reader| {
        reader.refuse("prefix", "a catch-all route has no prefix: remove it, or move the route to `routes`");
        route(&reader)
    });
    Routes { routes, case_insensitive, catch_all }
}

fn route(reader: &Reader<'_>) -> Route {
    Route {
        prefix: reader.text("prefix").into_bytes(),
        remove_prefix: reader.flag("remove_prefix"),
        cluster: reader.text("cluster"),
        mirrors: reader.all("request_mirror_policy").iter().map(mirror).collect(),
        key_format: key_format::key_format(reader),
        read_cluster: reader.one("read_command_policy").map(|policy| policy.text("cluster")),
    }
}

fn mirror(reader: &Reader<'_>) -> Mirror {
    let fraction = reader.one("runtime_fraction").map_or(Fraction::ALL, |reader| self::fraction(&reader));
    Mirror { cluster: reader.text("cluster"), fraction, exclude_reads: reader.flag("exclude_read_commands") }
}

/// What part of the requests is meant, by default none (as in protobuf, 0 of 100).
pub(super) fn fraction(reader: &Reader<'_>) -> Fraction {
    // No runtime layer can exist here (`layered_runtime` is refused), so a key never overrides the default.
    reader.without_effect(&["runtime_key"]);
    let Some(value) = reader.one("default_value") else { return Fraction { numerator: 0, denominator: 100 } };
    let denominator = match value.choice("denominator").as_str() {
        "TEN_THOUSAND" => 10_000,
        "MILLION" => 1_000_000,
        _ => 100,
    };
    Fraction { numerator: value.number("numerator"), denominator }
}
