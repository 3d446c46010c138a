//! A Redis filter, compiled: routes that know their clusters, faults that know their commands.

use crate::engine::ClusterId;
use meant::{FaultKind, Fraction, KeyFormat, KeyPart, Secret, Settings};
use observe::FilterStats;
use std::sync::Arc;

/// One listener's `RedisProxy`, ready for the hot path.
#[derive(Debug)]
pub(crate) struct Filter {
    meant: Arc<meant::RedisProxy>,
    pub(crate) settings: Settings,
    pub(crate) username: Option<Secret>,
    pub(crate) passwords: Vec<Secret>,
    /// The routes, longest prefix first; the catch-all, if any, is last.
    pub(crate) routes: Vec<Route>,
    /// The first route is the catch-all.
    pub(crate) takes_all: bool,
    pub(crate) case_insensitive: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) stats: Arc<FilterStats>,
    /// A client's unsent output beyond which it is read no more.
    pub(crate) buffer_limit: usize,
}

/// A route, its clusters by number. A cluster that does not exist is `None`.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) prefix: Vec<u8>,
    pub(crate) remove_prefix: bool,
    pub(crate) format: Option<KeyFormat>,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) cluster_name: String,
    pub(crate) read_cluster: Option<(Option<ClusterId>, String)>,
    pub(crate) mirrors: Vec<Mirror>,
    /// Where a write and where a read go, if that is all there is to do: nothing to rewrite or to copy.
    plain: [Option<ClusterId>; 2],
}

#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) fraction: Fraction,
    pub(crate) exclude_reads: bool,
}

#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) percent: u32,
    pub(crate) delay_us: u64,
    /// Which commands; `None` is all.
    pub(crate) commands: Option<Vec<command::Id>>,
}

impl Filter {
    pub(crate) fn compile(
        proxy: Arc<meant::RedisProxy>,
        buffer_limit: usize,
        stats: Arc<FilterStats>,
        cluster: impl Fn(&str) -> Option<ClusterId>,
    ) -> Self {
        let routes = Route::compile_all(&proxy, &cluster);
        Self {
            settings: proxy.settings.clone(),
            username: proxy.auth.username.clone(),
            passwords: proxy.auth.passwords.clone(),
            takes_all: routes.first().is_some_and(|route| route.prefix.is_empty()),
            routes,
            case_insensitive: proxy.routes.case_insensitive,
            faults: proxy.faults.iter().map(Fault::compile).collect(),
            stats,
            buffer_limit,
            meant: proxy,
        }
    }

    /// Looks the clusters of all routes up again.
    pub(crate) fn link(&mut self, cluster: impl Fn(&str) -> Option<ClusterId>) {
        self.routes = Route::compile_all(&self.meant, &cluster);
    }

    pub(crate) fn needs_auth(&self) -> bool {
        !self.passwords.is_empty()
    }
}

impl Route {
    /// The routes, longest prefix first; the catch-all, if any, is last.
    fn compile_all(proxy: &meant::RedisProxy, cluster: &impl Fn(&str) -> Option<ClusterId>) -> Vec<Self> {
        let mut routes: Vec<Self> = proxy.routes.routes.iter().map(|route| Self::compile(route, cluster)).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        routes.extend(proxy.routes.catch_all.iter().map(|route| Self::compile(route, cluster)));
        routes
    }

    fn compile(route: &meant::Route, cluster: &impl Fn(&str) -> Option<ClusterId>) -> Self {
        let mirrors = route.mirrors.iter().map(|mirror| Mirror {
            cluster: cluster(&mirror.cluster),
            fraction: mirror.fraction,
            exclude_reads: mirror.exclude_reads,
        });
        let mut compiled = Self {
            prefix: route.prefix.clone(),
            remove_prefix: route.remove_prefix && !route.prefix.is_empty(),
            format: route.key_format.clone(),
            cluster: cluster(&route.cluster),
            cluster_name: route.cluster.clone(),
            read_cluster: route.read_cluster.as_ref().map(|name| (cluster(name), name.clone())),
            mirrors: mirrors.collect(),
            plain: [None; 2],
        };
        let plain = |read| {
            let copied = compiled.mirrors.iter().any(|mirror| !(read && mirror.exclude_reads));
            compiled.leads_to(read).filter(|_| !copied && !compiled.rewrites())
        };
        compiled.plain = [plain(false), plain(true)];
        compiled
    }

    /// The cluster that a read or a write goes to, if that is all there is to do.
    #[inline]
    pub(crate) fn plain(&self, read: bool) -> Option<ClusterId> {
        self.plain[usize::from(read)]
    }

    /// The cluster that a read or a write goes to, if it is in the configuration.
    pub(crate) fn leads_to(&self, read: bool) -> Option<ClusterId> {
        match &self.read_cluster {
            Some((cluster, _)) if read => *cluster,
            _ => self.cluster,
        }
    }

    /// Whether keys are changed on their way.
    pub(crate) fn rewrites(&self) -> bool {
        self.remove_prefix || self.format.is_some()
    }

    /// Appends what becomes of `key`.
    pub(crate) fn rewrite(&self, key: &[u8], out: &mut Vec<u8>) {
        let bare = if self.remove_prefix { key.get(self.prefix.len()..).unwrap_or(b"") } else { key };
        let Some(format) = &self.format else { return out.extend_from_slice(bare) };
        for part in &format.parts {
            match part {
                KeyPart::Key => out.extend_from_slice(bare),
                KeyPart::Text(text) => out.extend_from_slice(text),
            }
        }
    }
}

impl Fault {
    fn compile(fault: &meant::Fault) -> Self {
        let named = |name: &String| command::lookup(name.as_bytes());
        Self {
            kind: fault.kind,
            percent: fault.percent,
            delay_us: u64::try_from(fault.delay.as_micros()).unwrap_or(u64::MAX),
            commands: (!fault.commands.is_empty()).then(|| fault.commands.iter().filter_map(named).collect()),
        }
    }

    pub(crate) fn applies_to(&self, id: command::Id) -> bool {
        self.commands.as_ref().is_none_or(|commands| commands.contains(&id))
    }
}
