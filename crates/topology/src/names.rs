//! Host names to addresses, by `dns_lookup_family`.

use meant::DnsFamily;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// How many names are looked up at once: each occupies a thread of the system's resolver.
const AT_ONCE: usize = 16;

/// Looks names up.
#[derive(Clone)]
pub(crate) struct Names {
    lookup: Arc<dyn Fn(String) -> Answer + Send + Sync>,
    family: DnsFamily,
}

impl Names {
    /// The system's resolver.
    pub(crate) fn system(family: DnsFamily) -> Self {
        Self::new(family, |name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip().to_canonical()).collect())
            })
        })
    }

    /// Any resolver.
    pub(crate) fn new(family: DnsFamily, lookup: impl Fn(String) -> Answer + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), family }
    }

    /// The addresses of `host` that the family allows, each once, in the resolver's order; an IP address is its own.
    pub(crate) async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.look(host).await.map(|found| narrow(&found, self.family))
    }

    /// The addresses under which a seed may be tried: as [`Names::addresses`], but where the family only prefers one kind,
    /// the other kind follows. Any reachable seed is enough.
    pub(crate) async fn tries(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.look(host).await?;
        let mut tries = narrow(&found, self.family);
        if matches!(self.family, DnsFamily::Auto | DnsFamily::V4Preferred) {
            let others: Vec<_> = narrow(&found, DnsFamily::All);
            let others = others.into_iter().filter(|ip| !tries.contains(ip)).collect::<Vec<_>>();
            tries.extend(others);
        }
        Ok(tries)
    }

    /// One address for each name that has one before `deadline`. A name that has several keeps one of `known`, so that a
    /// resolver that turns its answers round does not look like a cluster that moves.
    pub(crate) async fn resolve(
        &self,
        names: BTreeSet<String>,
        known: &BTreeSet<IpAddr>,
        deadline: Instant,
    ) -> BTreeMap<String, IpAddr> {
        let mut waiting = names.into_iter();
        let mut asking = JoinSet::new();
        let mut found = BTreeMap::new();
        loop {
            for name in waiting.by_ref().take(AT_ONCE - asking.len()) {
                let names = self.clone();
                asking.spawn(async move {
                    let addresses = names.addresses(&name).await.unwrap_or_default();
                    (name, addresses)
                });
            }
            match timeout_at(deadline, asking.join_next()).await {
                Ok(Some(Ok((name, addresses)))) => {
                    let kept = addresses.iter().find(|ip| known.contains(ip)).or(addresses.first());
                    found.extend(kept.map(|ip| (name, *ip)));
                }
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => return found,
            }
        }
    }

    async fn look(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host.parse() {
            Ok(ip) => Ok(vec![ip]),
            Err(_) => (self.lookup)(host.to_owned()).await,
        }
    }
}

/// Those of `found` that `family` allows, each once.
fn narrow(found: &[IpAddr], family: DnsFamily) -> Vec<IpAddr> {
    let (has_v4, has_v6) = (found.iter().any(IpAddr::is_ipv4), found.iter().any(IpAddr::is_ipv6));
    let allowed = |ip: &IpAddr| match family {
        DnsFamily::All => true,
        DnsFamily::V4Only => ip.is_ipv4(),
        DnsFamily::V6Only => ip.is_ipv6(),
        DnsFamily::Auto => ip.is_ipv6() || !has_v6,
        DnsFamily::V4Preferred => ip.is_ipv4() || !has_v4,
    };
    let mut seen = BTreeSet::new();
    found.iter().copied().filter(|ip| allowed(ip) && seen.insert(*ip)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Names, narrow};
    use meant::DnsFamily::{self, All, Auto, V4Only, V4Preferred, V6Only};
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    use std::time::Duration;
    use tokio::time::Instant;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn names(family: DnsFamily, found: Vec<IpAddr>) -> Names {
        Names::new(family, move |name| {
            let found = found.clone();
            Box::pin(async move {
                if name == "slow" {
                    std::future::pending::<()>().await;
                }
                if name == "gone" { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(found) }
            })
        })
    }

    #[test]
    fn families() {
        let both = [V4, V6, V4];
        for (family, expected) in
            [(All, vec![V4, V6]), (V4Only, vec![V4]), (V6Only, vec![V6]), (Auto, vec![V6]), (V4Preferred, vec![V4])]
        {
            assert_eq!(narrow(&both, family), expected, "{family:?}");
        }
        assert_eq!(narrow(&[V4], Auto), [V4]);
        assert_eq!(narrow(&[V6], V4Preferred), [V6]);
        assert!(narrow(&[V4], V6Only).is_empty());
    }

    #[tokio::test]
    async fn seeds_are_tried_under_the_other_kind_too() {
        for (family, expected) in
            [(Auto, vec![V6, V4]), (V4Preferred, vec![V4, V6]), (V4Only, vec![V4]), (V6Only, vec![V6])]
        {
            assert_eq!(names(family, vec![V4, V6]).tries("seed").await.unwrap(), expected, "{family:?}");
        }
    }

    #[tokio::test]
    async fn an_address_is_its_own() {
        assert_eq!(names(Auto, vec![]).addresses("10.0.0.1").await.unwrap(), [V4]);
        assert_eq!(names(Auto, vec![]).addresses("::1").await.unwrap(), [V6]);
        assert!(Names::system(V4Only).addresses("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn a_name_keeps_an_address_that_is_known() {
        let names = names(Auto, vec![V4, OTHER]);
        let deadline = Instant::now() + Duration::from_secs(5);
        let asked = || BTreeSet::from(["a".to_owned(), "gone".to_owned()]);
        let found = names.resolve(asked(), &BTreeSet::from([OTHER]), deadline).await;
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("a".to_owned(), OTHER)]);
        let found = names.resolve(asked(), &BTreeSet::new(), deadline).await;
        assert_eq!(found.into_values().collect::<Vec<_>>(), [V4]);
    }

    #[tokio::test]
    async fn a_slow_name_does_not_hold_up_the_others() {
        let asked: BTreeSet<_> = ["slow".to_owned()].into_iter().chain((0..40).map(|n| format!("n{n}"))).collect();
        let deadline = Instant::now() + Duration::from_millis(200);
        let found = names(Auto, vec![V4]).resolve(asked, &BTreeSet::new(), deadline).await;
        assert_eq!(found.len(), 40);
    }
}
