//! What becomes of one key.

use super::place;
use crate::explain::meaning::{Meant, Members};
use crate::explain::rehearsal::{Errand, Played, Sent, Whose, play};
use command::{Effect, Split};
use meant::{Balance, Discovery, Fraction};
use serde_json::{Value, json};
use slots::Slot;

/// Which route takes a key of the command `words`, what is sent for it, where its slot is, and who gets it.
///
/// The key travels alone, in a command of the same effect: which route and shard a key belongs to does not depend on the
/// others, and a command that is refused as a whole would not tell.
pub fn of_key(meant: &Meant, words: &[Vec<u8>], key: &[u8]) -> Value {
    let is_read = is_read(words);
    let alone =
        if is_read { vec![b"GET".to_vec(), key.to_vec()] } else { vec![b"SET".to_vec(), key.to_vec(), b"".to_vec()] };
    let played = play(meant, &alone, true);
    let mut told = way(meant, &played, is_read);
    told["key"] = key.escape_ascii().to_string().into();
    if let Some(sent) = served(&played) {
        let bare = sent.words.get(1).map(Vec::as_slice).unwrap_or_default();
        told["sent_as"] = bare.escape_ascii().to_string().into();
        placed(&mut told, meant, sent.whose, bare);
    }
    told
}

/// The same of a command without a key.
pub fn of_none(meant: &Meant, words: &[Vec<u8>], played: &Played) -> Value {
    let mut told = way(meant, played, is_read(words));
    if let Some(cluster) = served(played).and_then(|sent| meant.clusters.get(place::name(meant, sent.whose)?)) {
        told["cluster_type"] = place::kind(cluster).into();
        told["members_known"] = matches!(cluster.members, Members::Known(_)).into();
    }
    told
}

/// The first that is sent, mirrors left out.
fn served(played: &Played) -> Option<&Sent> {
    played.sent.iter().find(|sent| !matches!(sent.whose.1, Errand::Mirror(_)))
}

/// The route that was taken, and who is behind it.
fn way(meant: &Meant, played: &Played, is_read: bool) -> Value {
    let whose = served(played).map(|sent| sent.whose).or(played.about);
    let refused = played.reply.as_deref().filter(|reply| reply.starts_with(b"-"));
    let refused = refused.map(|text| String::from_utf8_lossy(&text[1..]).trim_end().to_owned());
    json!({
        "route": whose.and_then(|whose| route(meant, whose)),
        "tried": tried(meant, whose),
        "refused": refused,
        "cluster": whose.and_then(|whose| place::name(meant, whose)),
        "mirrors": whose.map(|whose| mirrors(meant, played, whose.0, is_read)),
        "nodes": place::nodes(meant, played),
    })
}

/// Whether the key is read: as the engine tells it apart.
fn is_read(words: &[Vec<u8>]) -> bool {
    let effect = super::with_request(words, |id, request| match command::get(id).split {
        Split::PerKey | Split::PerPair => command::get(id).effect,
        _ => command::effect_of(id, request),
    });
    effect == Some(Effect::Read)
}

/// Where a key lies in its cluster.
fn placed(told: &mut Value, meant: &Meant, whose: Whose, bare: &[u8]) {
    let Some(cluster) = place::name(meant, whose).and_then(|name| meant.clusters.get(name)) else { return };
    told["cluster_type"] = place::kind(cluster).into();
    told["members_known"] = matches!(cluster.members, Members::Known(_)).into();
    let tag = slots::slot::tag(bare);
    let tag = (tag != bare).then(|| tag.escape_ascii().to_string());
    match cluster.meant.discovery {
        Discovery::Redis(_) => {
            let slot = Slot::of(bare);
            told["hash_tag"] = tag.into();
            told["slot"] = slot.index().into();
            told["shard"] = place::shard(cluster, slot);
        }
        _ => {
            let hashes =
                matches!(cluster.meant.discovery.balance(), Some(Balance::RingHash { .. } | Balance::Maglev { .. }));
            told["hash_tag"] = tag.filter(|_| hashes && meant.filter.settings.enable_hashtagging).into();
            told["by"] = cluster.meant.discovery.balance().map(word).into();
        }
    }
}

fn word(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "each member in turn",
        Balance::LeastRequest => "the less loaded of two members",
        Balance::Random => "any member",
        Balance::RingHash { .. } => "the key's place on the ring of members",
        Balance::Maglev { .. } => "the key's place in the Maglev table of members",
    }
}

fn route(meant: &Meant, whose: Whose) -> Option<Value> {
    let route = meant.route(whose.0)?;
    let is_catch_all = whose.0 + 1 == meant.order.len() && meant.filter.routes.catch_all.is_some();
    Some(json!({
        "prefix": prefix(route),
        "catch_all": is_catch_all,
        "by_read_command_policy": whose.1 == Errand::Read,
        "removes_prefix": route.remove_prefix,
        "formats_key": route.key_format.is_some(),
    }))
}

fn prefix(route: &meant::Route) -> String {
    route.prefix.escape_ascii().to_string()
}

/// The prefixes that were compared before the route was found; all if none was.
fn tried(meant: &Meant, whose: Option<Whose>) -> Vec<String> {
    meant.routes().take(whose.map_or(usize::MAX, |whose| whose.0)).map(prefix).collect()
}

/// The mirrors of a route: who gets a copy, or why nobody does.
fn mirrors(meant: &Meant, played: &Played, place: usize, is_read: bool) -> Vec<Value> {
    let Some(route) = meant.route(place) else { return Vec::new() };
    let mirror = |(number, mirror): (usize, &meant::Mirror)| {
        let whose = (place, Errand::Mirror(number));
        let Fraction { numerator, denominator } = mirror.fraction;
        let nodes = place::nodes_of(meant, played, |one| one == whose);
        let why = match () {
            () if mirror.exclude_reads && is_read => Some("it excludes reads"),
            () if !meant.clusters.contains_key(&mirror.cluster) => Some("its cluster is not there"),
            () if numerator == 0 => Some("its fraction is 0"),
            () if nodes.is_empty() => Some("the command is not sent"),
            () => None,
        };
        json!({
            "cluster": mirror.cluster,
            "copied": why.is_none(),
            "why_not": why,
            "percent": (f64::from(numerator) * 100.0 / f64::from(denominator.max(1))).min(100.0),
            "writes_only": mirror.exclude_reads,
            "nodes": if why.is_none() { nodes } else { Vec::new() },
        })
    };
    route.mirrors.iter().enumerate().map(mirror).collect()
}
