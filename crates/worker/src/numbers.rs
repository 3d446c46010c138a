//! Numbers for what a configuration names - clusters, listeners, filters - and what differs between two configurations.
//!
//! A name keeps its number for as long as the process lives, so that what is under way when it goes, and comes back, is
//! never taken for something else. What is the same `Arc` in two configurations has not changed.

use crate::mail::Door;
use engine::{ClusterId, FilterId};
use meant::{Chain, Cluster, Filter, Listener, Proxy, RedisProxy, TcpProxy};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// What a worker has to change; `None` for what is gone.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) clusters: Vec<(ClusterId, Option<Arc<Cluster>>)>,
    pub(crate) redis: Vec<(FilterId, Option<Redis>)>,
    pub(crate) tcp: Vec<(usize, Option<TcpProxy>)>,
    pub(crate) listeners: Vec<(usize, Option<Arc<Entrance>>)>,
}

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
    /// One for each of the listener's chains, in its order.
    pub(crate) chains: Vec<(Arc<Chain>, Door)>,
    pub(crate) default: Option<(Arc<Chain>, Door)>,
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
    listeners_now: HashMap<usize, (Arc<Listener>, Vec<Door>)>,
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

    fn order_clusters(&mut self, proxy: &Proxy, orders: &mut Orders) {
        let mut kept = HashSet::new();
        for cluster in &proxy.clusters {
            let number = self.clusters.number(cluster.name.clone());
            kept.insert(number);
            let old = self.clusters_now.insert(number, Arc::clone(cluster));
            if !old.is_some_and(|old| Arc::ptr_eq(&old, cluster)) {
                orders.clusters.push((ClusterId(number as u32), Some(Arc::clone(cluster))));
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
            let same = |(old, _): &(Arc<Listener>, _)| Arc::ptr_eq(old, listener);
            if !self.listeners_now.get(&number).is_some_and(same) {
                self.order_listener(number, listener, orders);
            }
        }
        let gone: Vec<_> = self.listeners_now.extract_if(|number, _| !kept.contains(number)).collect();
        for (number, (_, doors)) in gone {
            orders.listeners.push((number, None));
            doors.into_iter().for_each(|door| orders.close(door));
        }
    }

    fn order_listener(&mut self, number: usize, listener: &Arc<Listener>, orders: &mut Orders) {
        let mut seen = HashMap::new();
        let mut open = |chain: &Arc<Chain>| {
            let before = seen.entry(chain.name.clone()).or_insert(0);
            let spot = (number, chain.name.clone(), std::mem::replace(before, *before + 1));
            (Arc::clone(chain), self.open(spot, number, listener, chain, orders))
        };
        let entrance = Entrance {
            listener: Arc::clone(listener),
            chains: listener.chains.iter().map(&mut open).collect(),
            default: listener.default_chain.as_ref().map(open),
        };
        let doors: Vec<Door> = entrance.chains.iter().chain(&entrance.default).map(|(_, door)| *door).collect();
        let old = self.listeners_now.insert(number, (Arc::clone(listener), doors.clone()));
        let old = old.into_iter().flat_map(|(_, doors)| doors);
        old.filter(|door| !doors.contains(door)).for_each(|door| orders.close(door));
        orders.listeners.push((number, Some(entrance.into())));
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
        let number = |door: &Door| match door {
            Door::Tcp { filter, .. } => *filter,
            Door::Redis { .. } => usize::MAX,
        };
        entrance.chains.iter().map(|(_, door)| number(door)).collect()
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
