//! What a RedisRoute means, its hosts found and its Secrets read.

use super::bound::Target;
use super::spec::{Destination, Fault, Mirror, Percent, RedisRoute, Route, Unmatched};
use super::world::Place;
use crate::written::value::Span;
use serde_json::Value;

/// What happens to commands.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Traffic {
    pub(super) ways: Vec<Way>,
    pub(super) unmatched: Unmatched,
    pub(super) case_insensitive: bool,
    pub(super) faults: Vec<Fault>,
    /// Envoy's `DataSource`.
    pub(super) username: Option<Value>,
    pub(super) passwords: Vec<Value>,
    pub(super) external: Option<External>,
}

/// Where some keys go.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Way {
    pub(super) prefix: Option<String>,
    pub(super) remove_prefix: bool,
    pub(super) key_formatter: Option<String>,
    /// `None` for the service itself.
    pub(super) to: Option<Target>,
    pub(super) reads: Option<Target>,
    pub(super) mirrors: Vec<Copied>,
}

/// Who gets copies.
#[derive(Clone, PartialEq)]
pub(super) struct Copied {
    pub(super) to: Target,
    pub(super) share: Option<Share>,
    pub(super) writes_only: bool,
}

/// A part of all commands.
#[derive(Clone, PartialEq)]
pub(super) struct Share {
    pub(super) percent: Percent,
    pub(super) runtime_key: Option<String>,
}

/// Who decides about clients' AUTH.
#[derive(Clone, PartialEq)]
pub(super) struct External {
    pub(super) to: Target,
    pub(super) timeout: Option<Span>,
    pub(super) expires: bool,
}

impl Traffic {
    /// What `route` means for clients of `own`; `place` knows hosts and Secrets, and takes what is wrong.
    pub(super) fn new(route: &RedisRoute, own: &Target, place: &mut Place) -> Self {
        let auth = route.auth.clone().unwrap_or_default();
        Self {
            ways: route.routes.iter().enumerate().map(|(index, one)| way(one, index, own, place)).collect(),
            unmatched: route.unmatched.unwrap_or_default(),
            case_insensitive: route.case_insensitive.unwrap_or_default(),
            faults: route.faults.clone(),
            username: auth.username.as_ref().and_then(|source| place.source(source, "spec.auth.username")),
            passwords: auth
                .passwords
                .iter()
                .enumerate()
                .filter_map(|(index, source)| place.source(source, &format!("spec.auth.passwords[{index}]")))
                .collect(),
            external: route.external_auth.as_ref().and_then(|external| {
                Some(External {
                    to: place.target(&external.to, "spec.externalAuth.to")?,
                    timeout: external.timeout,
                    expires: external.enable_auth_expiration.unwrap_or_default(),
                })
            }),
        }
    }

    /// Every service that commands may go to.
    pub(super) fn uses(&self) -> Vec<Target> {
        let of_way = |way: &Way| {
            let mirrors = way.mirrors.iter().map(|mirror| mirror.to.clone());
            way.to.iter().chain(&way.reads).cloned().chain(mirrors).collect::<Vec<_>>()
        };
        let external = self.external.iter().map(|external| external.to.clone());
        self.ways.iter().flat_map(of_way).chain(external).collect()
    }
}

fn way(route: &Route, index: usize, own: &Target, place: &mut Place) -> Way {
    let at = format!("spec.routes[{index}]");
    let mut find = |to: &Destination, field: &str| place.target(to, &format!("{at}.{field}"));
    let to = route.to.as_ref().and_then(|to| find(to, "to"));
    let reads = route.read_commands_to.as_ref().and_then(|to| find(to, "readCommandsTo"));
    let copied = |(index, mirror): (usize, &Mirror)| {
        let to = find(&mirror.to, &format!("mirrors[{index}].to"))?;
        let share = (mirror.percent.is_some() || mirror.runtime_key.is_some()).then(|| Share {
            percent: mirror.percent.unwrap_or(Percent(100.0)),
            runtime_key: mirror.runtime_key.clone(),
        });
        Some(Copied { to, share, writes_only: mirror.exclude_read_commands.unwrap_or_default() })
    };
    Way {
        prefix: route.prefix.clone().filter(|prefix| !prefix.is_empty()),
        remove_prefix: route.remove_prefix.unwrap_or_default(),
        key_formatter: route.key_formatter.clone(),
        mirrors: route.mirrors.iter().enumerate().filter_map(copied).collect(),
        to: to.filter(|to| to != own),
        reads,
    }
}
