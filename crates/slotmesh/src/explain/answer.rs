//! What is said of a command: for each Redis filter of a proxy what becomes of it there, key by key.

mod key;
mod place;

use super::known::Known;
use super::meaning::Meant;
use super::rehearsal::{Played, play};
use crate::ask::{Entry, items, text};
use crate::config_of::{address, redis};
use command::{Effect, Split};
use meant::{FaultKind, RedisProxy};
use resp::request::{Scan, Step};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The answer, for programs.
///
/// Fails where a filter or a cluster cannot be understood.
pub fn answer(known: &Known, words: &[Vec<u8>], only: Option<&[u8]>, listener: &str) -> anyhow::Result<Value> {
    let mut filters = Vec::new();
    for entry in known.dump.listeners() {
        let at = address(&entry.resource["address"]);
        let name = text(entry.resource, "/name");
        if !name.contains(listener) && !at.contains(listener) {
            continue;
        }
        for (chain, matches, config) in chains(entry.resource) {
            let meant = Meant::read(known, config)?;
            let mut filter = of_filter(&meant, words, only);
            filter["listener"] = name.into();
            filter["address"] = at.clone().into();
            filter["filter_chain"] = chain.into();
            filter["filter_chain_match"] = matches.clone();
            filter["version"] = entry.version.into();
            filter["op_timeout"] = config["settings"]["op_timeout"].clone();
            filter["read_policy"] = config["settings"]["read_policy"].as_str().unwrap_or("MASTER").into();
            filter["asks_for_password"] = redis::asks_for_password(config).into();
            filter["decided"] = decided(known, entry, &filter);
            filters.push(filter);
        }
    }
    Ok(json!({
        "from": known.from,
        "command": shown(words),
        "effect": effect(words),
        "filters": filters,
    }))
}

/// The Redis filters of a listener: the name or number of the chain, which connections it is for, and the filter's
/// configuration.
fn chains(listener: &Value) -> Vec<(String, &Value, &Value)> {
    let numbered = items(listener, "/filter_chains").iter().enumerate();
    let numbered = numbered.map(|(number, chain)| (number.to_string(), chain));
    let all = numbered.chain(listener.get("default_filter_chain").map(|chain| ("default".to_owned(), chain)));
    let redis = |(number, chain)| {
        let name = match text(chain, "/name") {
            "" => number,
            name => name.to_owned(),
        };
        let mut configs = items(chain, "/filters").iter().map(|filter| &filter["typed_config"]);
        let config = configs.find(|config| text(config, "/@type").ends_with(".RedisProxy"))?;
        Some((name, &chain["filter_chain_match"], config))
    };
    all.filter_map(redis).collect()
}

fn of_filter(meant: &Meant, words: &[Vec<u8>], only: Option<&[u8]>) -> Value {
    let played = play(meant, words, true);
    let mut keys: Vec<Value> = Vec::new();
    for name in wanted(words, only) {
        keys.push(key::of_key(meant, words, &name));
    }
    let refusal = refusal(&played, &keys, meant, words);
    let outcome = match (&refusal, played.sent.is_empty()) {
        (Some(_), _) => "refused",
        (None, true) => "answered by the proxy",
        (None, false) => "sent",
    };
    let reply = played.reply.as_deref().map(|reply| reply.trim_ascii_end().escape_ascii().to_string());
    json!({
        "statistics": format!("redis.{}", meant.filter.stat_prefix),
        "outcome": outcome,
        "refused": refusal,
        "reply": reply,
        "how": how(words).filter(|_| !played.sent.is_empty() || refusal.is_none()),
        "faults": faults(&meant.filter, words),
        "keys": keys,
        "keyless": (keys.is_empty() && !played.sent.is_empty()).then(|| key::of_none(meant, words, &played)),
        "parts": place::parts(meant, &play(meant, words, false)),
    })
}

/// The keys of the command, each once, in its order; only one of them if it is asked for.
fn wanted(words: &[Vec<u8>], only: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut known = BTreeSet::new();
    let mut keys = keys(words);
    keys.retain(|key| known.insert(key.clone()) && only.is_none_or(|only| only == key.as_slice()));
    keys
}

fn keys(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut places = Vec::new();
    with_request(words, |id, request| {
        let row = command::get(id);
        if row.for_each_key(request, |at| places.push(at)).is_err() {
            places.clear();
        }
    });
    places.sort_unstable();
    places.into_iter().filter_map(|at| words.get(at).cloned()).collect()
}

/// Does something with the row and the request of a command that is known.
fn with_request<T>(words: &[Vec<u8>], work: impl FnOnce(command::Id, &resp::Request<'_>) -> T) -> Option<T> {
    let id = command::lookup(words.first()?)?;
    let mut bytes = Vec::new();
    resp::write::command(&mut bytes, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    match Scan::default().next(&bytes, &resp::Limits::default()) {
        Ok(Step::Whole { request, .. }) => Some(work(id, &request)),
        _ => None,
    }
}

/// `read` or `write`; nothing for a command that is not known.
fn effect(words: &[Vec<u8>]) -> Option<&'static str> {
    with_request(words, |id, request| match command::effect_of(id, request) {
        Effect::Read => "read",
        Effect::Write => "write",
    })
}

/// How a command is cut, and where its parts go.
fn how(words: &[Vec<u8>]) -> Option<&'static str> {
    let row = command::get(command::lookup(words.first()?)?);
    Some(match row.split {
        Split::Whole if keys(words).is_empty() => "it has no key: it goes whole to any shard",
        Split::Whole => "it goes whole to the shard of its first key",
        Split::PerKey | Split::PerPair => "the keys of each slot go together, and the replies become one",
        Split::EveryShard => "it goes to every shard, and the replies become one",
        Split::AnyShard => "it goes to any shard",
        Split::NamedShard => "it goes to the shard whose number it names",
        Split::Cursor => "its cursor says which shard it goes to: one after the other",
        Split::Here => "the proxy answers it itself",
        Split::Never => "Redis has it, and slotmesh does not offer it",
    })
}

/// Why clients read an error.
fn refusal(played: &Played, keys: &[Value], meant: &Meant, words: &[Vec<u8>]) -> Option<String> {
    let own = played.reply.as_deref().filter(|reply| reply.starts_with(b"-"));
    if let Some(text) = own {
        return Some(String::from_utf8_lossy(&text[1..]).trim_end().to_owned());
    }
    if let Some(key) = keys.iter().find(|key| !key["refused"].is_null()) {
        return Some(format!("{}: {}", text(key, "/key"), text(key, "/refused")));
    }
    let slots: BTreeSet<u64> = keys.iter().filter_map(|key| key["slot"].as_u64()).collect();
    let row = command::get(command::lookup(words.first()?)?);
    let crossed = row.split == Split::Whole && slots.len() > 1 && !meant.order.is_empty();
    crossed.then(|| {
        let slots: Vec<String> = slots.iter().map(u64::to_string).collect();
        format!(
            "the node answers CROSSSLOT: its keys lie in the slots {}; give them one {{hash tag}}",
            slots.join(", ")
        )
    })
}

/// The faults that may hit a command.
fn faults(filter: &RedisProxy, words: &[Vec<u8>]) -> Vec<String> {
    let name = words.first().map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).unwrap_or_default();
    let hits = filter.faults.iter().filter(|fault| fault.commands.is_empty() || fault.commands.contains(&name));
    let told = |fault: &meant::Fault| match (fault.kind, fault.delay.is_zero()) {
        (FaultKind::Delay, _) => format!("{}% of the replies come {:?} late", fault.percent, fault.delay),
        (FaultKind::Error, true) => format!("{}% get an error instead", fault.percent),
        (FaultKind::Error, false) => format!("{}% get an error instead, {:?} late", fault.percent, fault.delay),
    };
    hits.map(told).collect()
}

/// Who decided the listener, and every cluster that the command has to do with.
fn decided(known: &Known, listener: Entry<'_>, filter: &Value) -> Value {
    let mut rows = known.decided.of("listener", text(listener.resource, "/name"), listener.version);
    let keyless = filter.get("keyless").into_iter();
    let keys = items(filter, "/keys").iter().chain(keyless);
    let mirrors = keys.clone().flat_map(|key| items(key, "/mirrors"));
    let parts = items(filter, "/parts").iter();
    let names: BTreeSet<&str> = keys.chain(mirrors).chain(parts).map(|one| text(one, "/cluster")).collect();
    for entry in known.dump.clusters() {
        let name = text(entry.resource, "/name");
        if names.contains(name) {
            rows.extend(known.decided.of("cluster", name, entry.version));
        }
    }
    rows.into()
}

/// Words as a line that can be typed again.
pub fn shown(words: &[Vec<u8>]) -> String {
    let word = |word: &Vec<u8>| {
        let is_plain = !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
        let escaped = word.escape_ascii().to_string().replace("\\'", "'");
        if is_plain { escaped } else { format!("\"{escaped}\"") }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
