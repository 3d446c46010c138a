//! `/stats` and `/stats/prometheus`.

use axum::http::StatusCode;
use axum::response::Response;
use observe::render::{self, QUANTILES};
use observe::{Distribution, Kind, Sample, Scope, Totals};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::pages::Asked;
use crate::{House, State, reply};

pub(crate) fn stats(house: &dyn House, asked: &Asked) -> Response {
    let render = match asked.get("format").map(String::as_str) {
        None | Some("text") => as_text,
        Some("json") => as_json,
        Some("prometheus") => as_prometheus,
        Some(_) => return reply::text(StatusCode::BAD_REQUEST, "usage: /stats?format=(text|json|prometheus)\n"),
    };
    selected(house, asked).map_or_else(|refusal| refusal, |totals| render(&totals))
}

pub(crate) fn prometheus(house: &dyn House, asked: &Asked) -> Response {
    selected(house, asked).map_or_else(|refusal| refusal, |totals| as_prometheus(&totals))
}

/// What the parameters ask for, or why they make no sense.
#[expect(clippy::result_large_err, reason = "a reply to a client, made once a request")]
fn selected(house: &dyn House, asked: &Asked) -> Result<Totals, Response> {
    let filter = asked.get("filter").map(|pattern| Regex::new(pattern)).transpose();
    let filter = filter
        .map_err(|error| reply::text(StatusCode::BAD_REQUEST, format!("Invalid regular expression: {error}\n")))?;
    let mut totals = house.registry().totals();
    house.extra_stats().into_iter().chain(of_process(house)).for_each(|sample| totals.add(sample));
    let used_only = asked.contains_key("usedonly");
    totals.select(used_only, |name| filter.as_ref().is_none_or(|filter| filter.is_match(name)));
    Ok(totals)
}

/// What the face knows by itself.
fn of_process(house: &dyn House) -> [Sample; 4] {
    let state = house.state();
    let values = [
        ("server.live", u64::from(state == State::Live)),
        ("server.state", state.number()),
        ("server.uptime", house.info().started.elapsed().as_secs()),
        ("server.concurrency", house.registry().workers() as u64),
    ];
    values.map(|(name, value)| Sample { scope: Scope::Process, name: name.into(), kind: Kind::Gauge, value })
}

fn as_text(totals: &Totals) -> Response {
    reply::text(StatusCode::OK, render::text(totals))
}

fn as_prometheus(totals: &Totals) -> Response {
    reply::text(StatusCode::OK, render::prometheus(totals))
}

/// Envoy's shape: a list of values whose last element holds all histograms.
fn as_json(totals: &Totals) -> Response {
    let mut stats: Vec<_> = totals.samples().map(|sample| (sample.scope.dotted(&sample.name), sample.value)).collect();
    stats.sort();
    let mut stats: Vec<_> = stats.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let histograms: Vec<_> = totals.distributions().map(|shown| quantiles(&shown)).collect();
    if !histograms.is_empty() {
        let shown = json!({"supported_quantiles": QUANTILES, "computed_quantiles": histograms});
        stats.push(json!({ "histograms": shown }));
    }
    reply::json(&json!({ "stats": stats }))
}

/// Nothing is flushed here, so there is no interval to speak of.
fn quantiles(shown: &Distribution) -> Value {
    let value = |percent| json!({"interval": null, "cumulative": shown.quantile(percent / 100.0)});
    json!({"name": shown.scope.dotted(&shown.name), "values": QUANTILES.map(value)})
}
