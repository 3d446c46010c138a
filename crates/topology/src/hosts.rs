//! Clusters that are not Redis Clusters: their members are written down (`STATIC`) or resolved by name, again and again
//! (`STRICT_DNS`: every address of every name; `LOGICAL_DNS`: the first address of the one name), or delivered by a
//! control plane (`EDS`).

use crate::decision::Random;
use crate::names::Names;
use crate::task::Publisher;
use meant::{Cluster, Endpoint};
use slots::{Host, View};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The first pause after names without any address; doubles up to `dns_refresh_rate`.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The members of a cluster whose endpoints are addresses, and what is wrong with the others.
pub(crate) fn written(cluster: &Cluster, endpoints: &[Endpoint]) -> (Vec<Host>, Vec<String>) {
    let mut left_out = Vec::new();
    let mut host = |endpoint: &Endpoint| match endpoint.host.parse() {
        Ok(ip) => Some((endpoint.priority, member(cluster, endpoint, ip))),
        Err(_) => {
            left_out.push(format!("{}:{}: not an IP address, which this cluster needs", endpoint.host, endpoint.port));
            None
        }
    };
    let members = serving(endpoints.iter().filter_map(&mut host).collect());
    (members, left_out)
}

/// Of members with their priorities, those of the first priority that has any.
fn serving(members: Vec<(u32, Host)>) -> Vec<Host> {
    let first = members.iter().map(|(priority, _)| *priority).min();
    members.into_iter().filter(|(priority, _)| Some(*priority) == first).map(|(_, host)| host).collect()
}

/// Where the members of an `EDS` cluster arrive.
pub(crate) struct Inbox {
    cluster: Arc<Cluster>,
    publisher: Publisher,
    published: Mutex<Option<Vec<Host>>>,
}

impl Inbox {
    pub(crate) fn new(cluster: Arc<Cluster>, publisher: Publisher) -> Self {
        Self { cluster, publisher, published: Mutex::default() }
    }

    /// Publishes the members, if they are others than before.
    pub(crate) fn take(&self, endpoints: &[Endpoint]) {
        self.publisher.begun();
        let (members, left_out) = written(&self.cluster, endpoints);
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        if published.as_ref() == Some(&members) {
            return self.publisher.unchanged(left_out);
        }
        *published = Some(members.clone());
        self.publisher.stats.members(members.len(), true);
        self.publisher.publish(View::Hosts(members.into()), left_out);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("cluster", &self.cluster.name).finish_non_exhaustive()
    }
}

/// Which addresses of a name are members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Every one.
    All,
    /// The first; once taken it stays for as long as the name has it, so that a resolver that turns its answers round
    /// does not move the cluster.
    One,
}

/// Resolves the endpoints for ever.
pub(crate) struct Resolving {
    cluster: Arc<Cluster>,
    names: Names,
    take: Take,
    publisher: Publisher,
    /// The addresses in use, by endpoint.
    present: Vec<Vec<IpAddr>>,
    /// The members published.
    published: Option<Arc<[Host]>>,
}

impl Resolving {
    pub(crate) fn new(cluster: Arc<Cluster>, names: Names, take: Take, publisher: Publisher) -> Self {
        let present = vec![Vec::new(); cluster.endpoints.len()];
        Self { cluster, names, take, publisher, present, published: None }
    }

    /// Never ends.
    pub(crate) async fn run(mut self, mut random: Random) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.read().await;
            let rate = self.cluster.dns_refresh_rate;
            let wait = if self.published.is_some() { rate } else { random.jitter(pause.min(rate)) };
            pause = (pause * 2).min(rate);
            sleep(wait).await;
        }
    }

    /// Looks every name up once, and publishes what is new. A name that does not resolve keeps the addresses it had.
    async fn read(&mut self) {
        self.publisher.begun();
        let mut problems = Vec::new();
        for (at, answer) in self.answers().await {
            let found = answer.map_err(|error| error.to_string());
            match found.and_then(|found| if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found) })
            {
                Ok(found) => self.present[at] = chosen(found, &self.present[at], self.take),
                Err(error) => problems.push(format!("{}: {error}", self.cluster.endpoints[at].host)),
            }
        }
        let members = self.members();
        let same = self.published.as_deref() == Some(&*members);
        if problems.is_empty() || !(members.is_empty() || same) {
            self.found(members, problems);
        } else {
            self.publisher.failed(problems.join("; "));
        }
    }

    /// What the resolver says of each endpoint, by its place.
    async fn answers(&self) -> BTreeMap<usize, io::Result<Vec<IpAddr>>> {
        let mut asking = JoinSet::new();
        for (at, endpoint) in self.cluster.endpoints.iter().enumerate() {
            let (names, host) = (self.names.clone(), endpoint.host.clone());
            asking.spawn(async move { (at, names.addresses(&host).await) });
        }
        let mut answers = BTreeMap::new();
        while let Some(answer) = asking.join_next().await {
            answers.extend(answer.ok());
        }
        if answers.values().any(|answer| answer.as_ref().is_ok_and(Vec::is_empty)) {
            self.publisher.stats.update_empty.inc();
        }
        answers
    }

    fn found(&mut self, members: Vec<Host>, left_out: Vec<String>) {
        if self.published.as_deref() == Some(&*members) {
            return self.publisher.unchanged(left_out);
        }
        let members: Arc<[Host]> = members.into();
        self.published = Some(Arc::clone(&members));
        self.publisher.stats.members(members.len(), true);
        self.publisher.publish(View::Hosts(members), left_out);
    }

    /// The members in the order of the endpoints, each address once.
    fn members(&self) -> Vec<Host> {
        let mut seen = BTreeSet::new();
        let all = self.cluster.endpoints.iter().zip(&self.present);
        let cluster = &self.cluster;
        let all = all.flat_map(|(endpoint, addresses)| {
            addresses.iter().map(move |ip| (endpoint.priority, member(cluster, endpoint, *ip)))
        });
        serving(all.filter(|(_, host)| seen.insert(host.address)).collect())
    }
}

/// The addresses that an endpoint has from now on.
fn chosen(mut found: Vec<IpAddr>, present: &[IpAddr], take: Take) -> Vec<IpAddr> {
    match take {
        Take::All => found.sort_unstable(),
        Take::One if present.first().is_some_and(|ip| found.contains(ip)) => return present.to_vec(),
        Take::One => found.truncate(1),
    }
    found
}

fn member(cluster: &Cluster, endpoint: &Endpoint, ip: IpAddr) -> Host {
    let written = endpoint.host.parse::<IpAddr>().is_err().then(|| endpoint.host.clone());
    Host {
        address: SocketAddr::new(ip, endpoint.port),
        name: endpoint.hostname.clone().or(written),
        weight: endpoint.weight.max(1),
        socket: cluster.sockets.number(&endpoint.labels),
    }
}

#[cfg(test)]
mod tests;
