//! Rules about the length and content of text and bytes.
//!
//! Regular expressions (`pattern`, `well_known_regex`) are not here: they occur on HTTP headers and the like, never on
//! a field that slotmesh honours, and what it does not honour it refuses anyway. A test holds this to be true.

use prost_reflect::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rules of Envoy's API that are not checked, see above.
#[cfg(test)]
pub(super) const UNCHECKED: [&str; 8] =
    ["pattern", "well_known_regex", "strict", "uri", "uri_ref", "hostname", "keys", "skip"];

/// The text of the rule `name` with `limit`, if `value` breaks it.
pub(super) fn broken(name: &str, limit: &Value, value: &Value) -> Option<String> {
    let bytes = match value {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return None,
    };
    length(name, limit, value, bytes.len() as u64).or_else(|| content(name, limit, bytes))
}

fn length(name: &str, limit: &Value, value: &Value, bytes: u64) -> Option<String> {
    let limit = limit.as_u64()?;
    // Characters for text, bytes for bytes.
    let units = value.as_str().map_or(bytes, |text| text.chars().count() as u64);
    let (kept, demand, unit) = match name {
        "len" => (units == limit, "must have exactly", "characters"),
        "min_len" => (units >= limit, "must have at least", "characters"),
        "max_len" => (units <= limit, "may have at most", "characters"),
        "len_bytes" => (bytes == limit, "must have exactly", "bytes"),
        "min_bytes" => (bytes >= limit, "must have at least", "bytes"),
        "max_bytes" => (bytes <= limit, "may have at most", "bytes"),
        _ => return None,
    };
    if kept {
        return None;
    }
    if bytes == 0 && limit == 1 {
        return Some("is required and must not be empty".to_owned());
    }
    let size = if unit == "bytes" { bytes } else { units };
    Some(format!("{demand} {limit} {unit}, has {size}"))
}

fn content(name: &str, limit: &Value, bytes: &[u8]) -> Option<String> {
    let wanted = match limit {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return kind(name, bytes),
    };
    let contains = || wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted);
    let (kept, demand) = match name {
        "prefix" => (bytes.starts_with(wanted), "must begin with"),
        "suffix" => (bytes.ends_with(wanted), "must end with"),
        "contains" => (contains(), "must contain"),
        "not_contains" => (!contains(), "must not contain"),
        _ => return None,
    };
    (!kept).then(|| format!("{demand} `{}`", String::from_utf8_lossy(wanted)))
}

fn kind(name: &str, bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).unwrap_or("");
    let (kept, demand) = match name {
        "ip" => (text.parse::<IpAddr>().is_ok(), "an IP address"),
        "ipv4" => (text.parse::<Ipv4Addr>().is_ok(), "an IPv4 address"),
        "ipv6" => (text.parse::<Ipv6Addr>().is_ok(), "an IPv6 address"),
        _ => return None,
    };
    (!kept).then(|| format!("must be {demand}, is `{text}`"))
}
