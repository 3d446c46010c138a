//! Numbers for what a configuration names - clusters, listeners, filters - and what differs between two configurations.
//!
//! A name keeps its number for as long as the process lives, so that what is under way when it goes, and comes back, is
//! never taken for something else. What is the same `Arc` in two configurations has not changed.

use crate::chains::Chains;
use crate::mail::Door;
use crate::reach::Reach;
use engine::{ClusterId, FilterId};
use meant::{Chain, Cluster, Filter, Listener, Proxy, RedisProxy, TcpProxy};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use tls::{Problem, Secrets};

/// What a worker has to change; `None` for what is gone.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) clusters: Vec<(ClusterId, Option<Outlet>)>,
    /// Clusters that are the same, and whose nodes are reached by other secrets.
    pub(crate) reaches: Vec<(ClusterId, Reach)>,
    pub(crate) redis: Vec<(FilterId, Option<Redis>)>,
    pub(crate) tcp: Vec<(usize, Option<TcpProxy>)>,
    pub(crate) listeners: Vec<(usize, Option<Arc<Entrance>>)>,
}

/// A cluster and how its nodes are reached.
pub(crate) type Outlet = (Arc<Cluster>, Reach);

/// A Redis filter and what it has of its listener.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    pub(crate) meant: Arc<RedisProxy>,
    pub(crate) buffer_limit: usize,
}

/// A listener and the doors behind its chains.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) listener: Arc<Listener>,
    /// Finds the chain of a connection.
    pub(crate) table: Chains,
    /// One for each of the listener's chains, in its order.
    pub(crate) chains: Vec<Passage>,
    pub(crate) default: Option<Passage>,
}

/// A chain, what it does with its clients, and what they have to pass first.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    pub(crate) chain: Arc<Chain>,
    pub(crate) door: Door,
    /// TLS, or why it cannot be had.
    pub(crate) lock: Option<Result<tls::Server, Problem>>,
}

impl Passage {
    fn new(chain: &Arc<Chain>, door: Door, of: &Listener, secrets: &Secrets) -> Self {
        let lock = chain.tls.as_ref().map(|tls| tls::server(tls, secrets));
        if let Some(Err(problem)) = &lock
            && !problem.is_waiting()
        {
            tracing::error!(listener = of.name, chain = chain.name, %problem, "clients cannot be served by TLS");
        }
        Self { chain: Arc::clone(chain), door, lock }
    }
}

impl Entrance {
    /// All its passages, the default one last.
    pub(crate) fn passages(&self) -> impl Iterator<Item = &Passage> {
        self.chains.iter().chain(&self.default)
    }

    /// The door that every client goes through at once, if there is only that.
    pub(crate) fn straight(&self) -> Option<Door> {
        let all_here = !self.listener.restores_destination && !self.listener.hands_over && self.table.takes_all();
        let passage = self.chains.first().or(self.default.as_ref())?;
        (all_here && passage.lock.is_none()).then_some(passage.door)
    }

    /// Whether any of its locks would be another with other secrets.
    fn is_touched(&self, old: &Secrets, new: &Secrets) -> bool {
        let tls = self.passages().filter_map(|passage| passage.chain.tls.as_ref());
        tls.into_iter().any(|tls| old.differ(new, &tls.shared))
    }

    fn relocked(&self, secrets: &Secrets) -> Self {
        let again = |passage: &Passage| Passage::new(&passage.chain, passage.door, &self.listener, secrets);
        Self {
            listener: Arc::clone(&self.listener),
            table: self.table.clone(),
            chains: self.chains.iter().map(again).collect(),
            default: self.default.as_ref().map(again),
        }
    }
}

/// Names that have a number.
#[derive(Debug)]
struct Book<K>(HashMap<K, usize>);

impl<K: Eq + Hash> Book<K> {
    fn number(&mut self, name: K) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }
}

impl<K> Default for Book<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// A filter by its listener, the name of its chain, and how many chains of that name are before it.
type Spot = (usize, String, usize);

/// The numbers given so far, and the configuration that is in use.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    clusters: Book<String>,
    listeners: Book<String>,
    redis: Book<Spot>,
    tcp: Book<Spot>,
    clusters_now: HashMap<usize, Arc<Cluster>>,
    listeners_now: HashMap<usize, Arc<Entrance>>,
    secrets: Secrets,
}

impl Numbers {
    /// The number of a cluster that is in use.
    pub(crate) fn cluster(&self, name: &str) -> Option<usize> {
        self.clusters.0.get(name).copied().filter(|number| self.clusters_now.contains_key(number))
    }

    /// The number of a listener.
    pub(crate) fn listener(&mut self, name: &str) -> usize {
        self.listeners.number(name.to_owned())
    }

    /// What leads from the configuration in use to `proxy`, which is in use from now on.
    pub(crate) fn orders(&mut self, proxy: &Proxy) -> Orders {
        let mut orders = Orders::default();
        self.order_clusters(proxy, &mut orders);
        self.order_listeners(proxy, &mut orders);
        // New numbers in their order: whoever keeps a list appends.
        orders.clusters.sort_by_key(|(id, _)| id.0);
        orders.redis.sort_by_key(|(id, _)| id.0);
        orders.tcp.sort_by_key(|(number, _)| *number);
        orders.listeners.sort_by_key(|(number, _)| *number);
        orders
    }

    /// What changes with other secrets, which are in use from now on.
    pub(crate) fn deliver(&mut self, secrets: &Secrets) -> Orders {
        let old = std::mem::replace(&mut self.secrets, secrets.clone());
        let mut orders = Orders::default();
        for (number, cluster) in &self.clusters_now {
            if cluster.sockets.all().any(|tls| old.differ(secrets, &tls.shared)) {
                orders.reaches.push((ClusterId(*number as u32), Reach::new(cluster, secrets)));
            }
        }
        for (number, entrance) in &mut self.listeners_now {
            if entrance.is_touched(&old, secrets) {
                *entrance = Arc::new(entrance.relocked(secrets));
                orders.listeners.push((*number, Some(Arc::clone(entrance))));
            }
        }
        orders
    }

    fn order_clusters(&mut self, proxy: &Proxy, orders: &mut Orders) {
        let mut kept = HashSet::new();
        for cluster in &proxy.clusters {
            let number = self.clusters.number(cluster.name.clone());
            kept.insert(number);
            let old = self.clusters_now.insert(number, Arc::clone(cluster));
            if !old.is_some_and(|old| Arc::ptr_eq(&old, cluster)) {
                let reach = Reach::new(cluster, &self.secrets);
                orders.clusters.push((ClusterId(number as u32), Some((Arc::clone(cluster), reach))));
            }
        }
        let gone = self.clusters_now.extract_if(|number, _| !kept.contains(number));
        orders.clusters.extend(gone.map(|(number, _)| (ClusterId(number as u32), None)));
    }

    fn order_listeners(&mut self, proxy: &Proxy, orders: &mut Orders) {
        let mut kept = HashSet::new();
        for listener in &proxy.listeners {
            let number = self.listener(&listener.name);
            kept.insert(number);
            let same = |old: &Arc<Entrance>| Arc::ptr_eq(&old.listener, listener);
            if !self.listeners_now.get(&number).is_some_and(same) {
                self.order_listener(number, listener, orders);
            }
        }
        let gone: Vec<_> = self.listeners_now.extract_if(|number, _| !kept.contains(number)).collect();
        for (number, entrance) in gone {
            orders.listeners.push((number, None));
            entrance.passages().for_each(|passage| orders.close(passage.door));
        }
    }

    fn order_listener(&mut self, number: usize, listener: &Arc<Listener>, orders: &mut Orders) {
        let mut seen = HashMap::new();
        let mut open = |chain: &Arc<Chain>| {
            let before = seen.entry(chain.name.clone()).or_insert(0);
            let spot = (number, chain.name.clone(), std::mem::replace(before, *before + 1));
            let door = self.open(spot, number, listener, chain, orders);
            Passage::new(chain, door, listener, &self.secrets)
        };
        let entrance = Entrance {
            listener: Arc::clone(listener),
            table: Chains::new(listener),
            chains: listener.chains.iter().map(&mut open).collect(),
            default: listener.default_chain.as_ref().map(open),
        };
        let entrance = Arc::new(entrance);
        if let Some(old) = self.listeners_now.insert(number, Arc::clone(&entrance)) {
            let stays = |door: Door| entrance.passages().any(|passage| passage.door == door);
            old.passages().filter(|old| !stays(old.door)).for_each(|old| orders.close(old.door));
        }
        orders.listeners.push((number, Some(entrance)));
    }

    fn open(&mut self, spot: Spot, listener: usize, of: &Listener, chain: &Chain, orders: &mut Orders) -> Door {
        match &chain.filter {
            Filter::Redis(meant) => {
                let filter = FilterId(self.redis.number(spot) as u32);
                let redis = Redis { meant: Arc::clone(meant), buffer_limit: of.buffer_limit };
                orders.redis.push((filter, Some(redis)));
                Door::Redis { filter, listener }
            }
            Filter::Tcp(meant) => {
                let filter = self.tcp.number(spot);
                orders.tcp.push((filter, Some(meant.clone())));
                Door::Tcp { filter, listener }
            }
        }
    }
}

impl Orders {
    fn close(&mut self, door: Door) {
        match door {
            Door::Redis { filter, .. } => self.redis.push((filter, None)),
            Door::Tcp { filter, .. } => self.tcp.push((filter, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entrance, Numbers, Orders};
    use crate::mail::Door;
    use meant::{Chain, Filter, Listener, Proxy, TcpProxy, Way};
    use std::sync::Arc;

    fn listener(name: &str, chains: &[&str]) -> Arc<Listener> {
        let tcp = TcpProxy { stat_prefix: "t".into(), to: Way::Original, idle_timeout: None, max_connect_attempts: 1 };
        let mut listener = Listener::with_one_filter(name, ([127, 0, 0, 1], 1).into(), Filter::Tcp(tcp));
        let named = |name: &&str| Arc::new(Chain { name: (*name).to_owned(), ..(*listener.chains[0]).clone() });
        listener.chains = chains.iter().map(named).collect();
        listener.into()
    }

    fn proxy(listeners: &[&Arc<Listener>]) -> Proxy {
        Proxy { listeners: listeners.iter().map(|listener| Arc::clone(listener)).collect(), ..Proxy::default() }
    }

    fn doors(entrance: &Entrance) -> Vec<usize> {
        let number = |passage: &super::Passage| match passage.door {
            Door::Tcp { filter, .. } => filter,
            Door::Redis { .. } => usize::MAX,
        };
        entrance.chains.iter().map(number).collect()
    }

    fn opened(orders: &Orders) -> Vec<(usize, Vec<usize>)> {
        let of = |(number, entrance): &(usize, Option<Arc<Entrance>>)| {
            entrance.as_ref().map(|entrance| (*number, doors(entrance)))
        };
        orders.listeners.iter().filter_map(of).collect()
    }

    #[test]
    fn only_what_changed_is_ordered_and_names_keep_their_numbers() {
        let mut numbers = Numbers::default();
        let (a, b) = (listener("a", &["x", "y"]), listener("b", &["", ""]));
        assert_eq!(opened(&numbers.orders(&proxy(&[&a, &b]))), [(0, vec![0, 1]), (1, vec![2, 3])]);
        let same = numbers.orders(&proxy(&[&b, &a]));
        assert!(same.listeners.is_empty() && same.tcp.is_empty());
        // `x` goes, `z` comes, `y` stays what it was.
        let other = listener("a", &["y", "z"]);
        let orders = numbers.orders(&proxy(&[&other, &b]));
        assert_eq!(opened(&orders), [(0, vec![1, 4])]);
        let tcp: Vec<(usize, bool)> = orders.tcp.iter().map(|(number, filter)| (*number, filter.is_some())).collect();
        assert_eq!(tcp, [(0, false), (1, true), (4, true)]);
        // `b` goes and comes back.
        let orders = numbers.orders(&proxy(&[&other]));
        assert_eq!(orders.tcp.iter().filter(|(_, filter)| filter.is_none()).count(), 2);
        assert!(matches!(orders.listeners[..], [(1, None)]));
        assert_eq!(opened(&numbers.orders(&proxy(&[&other, &b]))), [(1, vec![2, 3])]);
    }
}
