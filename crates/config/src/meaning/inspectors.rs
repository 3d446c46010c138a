//! Listener filters: what is found out about a connection before a chain is chosen.

use super::reader::Reader;
use crate::schema::names;
use meant::{Ports, Sniffing};
use std::time::Duration;

/// `listener_filters_timeout`, if not written.
const PATIENCE: Duration = Duration::from_secs(15);

/// For which connections a listener filter is off.
enum Off {
    /// For those to these ports.
    Ports(Ports),
    Always,
}

/// Whether the original destination is looked up, and what is sniffed.
pub(super) fn inspectors(listener: &Reader<'_>) -> (bool, Sniffing) {
    let mut restores = false;
    let mut sniffing = Sniffing::default();
    for filter in listener.all("listener_filters") {
        // Any name will do: the type decides.
        let name = filter.text("name");
        if !filter.has("typed_config") && !filter.has("config_discovery") {
            filter.wrong("typed_config", "is required");
        }
        let kind = filter.type_held("typed_config").unwrap_or_default();
        match kind.as_str() {
            names::ORIGINAL_DST => restores |= !matches!(off(&filter), Some(Off::Always)),
            names::TLS_INSPECTOR => add(&mut sniffing.tls, &filter),
            names::HTTP_INSPECTOR => add(&mut sniffing.http, &filter),
            _ => unknown(&filter, &name),
        }
    }
    let sniffs = sniffing.tls.is_some() || sniffing.http.is_some();
    let written = listener.duration("listener_filters_timeout");
    let patience = written.or(sniffs.then_some(PATIENCE)).filter(|patience| !patience.is_zero());
    (restores, Sniffing { patience, goes_on: listener.flag("continue_on_listener_filters_timeout"), ..sniffing })
}

fn unknown(filter: &Reader<'_>, name: &str) {
    filter.covered();
    match filter.subject() {
        Some(subject) => subject.ignored_named(format!("listener filter {name}")),
        None if filter.is_spoilt("typed_config") => {}
        None => {
            let known = "original_dst, tls_inspector and http_inspector are";
            filter.report().unsupported(filter.path(), format!("this listener filter is not supported yet: {known}"));
        }
    }
}

fn add(inspector: &mut Option<Ports>, filter: &Reader<'_>) {
    if let Some(held) = filter.held("typed_config") {
        tuning(&held.fields);
    }
    match off(filter) {
        Some(Off::Always) => {}
        Some(Off::Ports(ports)) => *inspector = Some(ports),
        None => *inspector = Some(Ports::new()),
    }
}

/// How many bytes are read at first is this proxy's own affair.
fn tuning(inspector: &Reader<'_>) {
    if inspector.message().get_field_by_name("initial_read_buffer_size").is_some() {
        inspector.without_effect(&["initial_read_buffer_size"]);
    }
}

fn off(filter: &Reader<'_>) -> Option<Off> {
    let mut ports = Ports::new();
    let written = filter.one("filter_disabled")?;
    if written.has("any_match") {
        written.flag("any_match");
        return Some(Off::Always);
    }
    predicate(&written, &mut ports);
    Some(Off::Ports(ports))
}

/// A `ListenerFilterChainMatchPredicate`: ranges of destination ports, or any of several.
fn predicate(written: &Reader<'_>, ports: &mut Ports) {
    written.refuse("and_match", "not supported yet: use destination_port_range, or or_match of several");
    written.refuse("not_match", "not supported yet: use destination_port_range, or or_match of several");
    if let Some(range) = written.one("destination_port_range") {
        let port = |name: &str| u16::try_from(range.signed(name).clamp(0, i32::from(u16::MAX))).unwrap_or(0);
        ports.push((port("start"), port("end")));
    }
    for rule in written.one("or_match").iter().flat_map(|any| any.all("rules")) {
        rule.refuse("any_match", "not supported yet inside an or_match: write it alone");
        predicate(&rule, ports);
    }
}
