//! The folder that the control plane watches: the examples, put into it as a user would apply them.

use anyhow::Context as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// What a user applies first.
const TUTORIAL: [(&str, &str); 4] = [
    ("namespaces.yaml", include_str!("../../../../../examples/tutorial/namespaces.yaml")),
    ("pods.yaml", include_str!("../../../../../examples/tutorial/pods.yaml")),
    ("redis-client.yaml", include_str!("../../../../../examples/tutorial/redis-client.yaml")),
    ("redis-cluster.yaml", include_str!("../../../../../examples/tutorial/redis-cluster.yaml")),
];
/// The two EnvoyFilters.
const FILTERS: [(&str, &str); 2] = [
    (
        "envoyfilter-custom-redis-cluster.yaml",
        include_str!("../../../../../examples/tutorial/envoyfilter-custom-redis-cluster.yaml"),
    ),
    (FILTER, include_str!("../../../../../examples/tutorial/envoyfilter-redis-proxy.yaml")),
];
/// The one that the mirror changes.
const FILTER: &str = "envoyfilter-redis-proxy.yaml";
/// The mirror itself.
const MIRROR: [(&str, &str); 2] = [
    ("pods-mirror.yaml", include_str!("../../../../../examples/tutorial-mirror/pods-mirror.yaml")),
    ("redis-mirror.yaml", include_str!("../../../../../examples/tutorial-mirror/redis-mirror.yaml")),
];
const MIRRORING: &str = include_str!("../../../../../examples/tutorial-mirror/envoyfilter-redis-proxy.yaml");

/// The same in typed resources: one for the cluster, and one for the mirror.
const TYPED: &str = include_str!("../../../../../examples/tutorial-typed/redis-service.yaml");
const TYPED_MIRRORING: &str = include_str!("../../../../../examples/tutorial-typed/redis-route.yaml");
/// The files that they are put into.
const SERVICE_FILE: &str = "redis-service.yaml";
const ROUTE_FILE: &str = "redis-route.yaml";

/// The address of the Service redis-cluster, in the files.
pub const SERVICE: &str = "10.96.0.10";
/// Where the six servers are, in the files.
pub const SERVERS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(10, 244, 0, 11),
    Ipv4Addr::new(10, 244, 0, 12),
    Ipv4Addr::new(10, 244, 0, 13),
    Ipv4Addr::new(10, 244, 0, 14),
    Ipv4Addr::new(10, 244, 0, 15),
    Ipv4Addr::new(10, 244, 0, 16),
];
/// Where the mirror is, in the files.
pub const MIRROR_POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 21);
/// Where the client is, in the files.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 31);

/// In which resources Redis is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording {
    /// The tutorial's EnvoyFilters.
    Filters,
    /// Typed resources in their place.
    Typed,
}

impl Wording {
    /// What the cluster is made of.
    pub fn of_cluster(self) -> &'static str {
        match self {
            Self::Filters => "the EnvoyFilters custom-redis-cluster and add-redis-proxy",
            Self::Typed => "the RedisService redis-cluster",
        }
    }

    /// What the mirror is made of.
    pub fn of_mirror(self) -> &'static str {
        match self {
            Self::Filters => "the EnvoyFilter add-redis-proxy with a mirror",
            Self::Typed => "the RedisRoute redis-mirror",
        }
    }
}

/// The folder.
pub struct Folder {
    path: PathBuf,
    wording: Wording,
    /// What stands in the files, and what to write instead.
    instead: Vec<(String, String)>,
}

impl Folder {
    /// A new folder with everything but what speaks of Redis and the mirror, and `more` files.
    pub fn new(
        path: PathBuf,
        wording: Wording,
        instead: Vec<(String, String)>,
        more: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let folder = Self { path, wording, instead };
        TUTORIAL.iter().try_for_each(|(name, text)| folder.put(name, text))?;
        more.iter().try_for_each(|(name, text)| folder.put(name, text))?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn wording(&self) -> Wording {
        self.wording
    }

    /// `kubectl apply` of the two EnvoyFilters, or of the RedisService.
    pub fn apply_cluster(&self) -> anyhow::Result<()> {
        match self.wording {
            Wording::Filters => FILTERS.iter().try_for_each(|(name, text)| self.put(name, text)),
            Wording::Typed => self.put(SERVICE_FILE, TYPED),
        }
    }

    /// `kubectl apply` of the mirror's Deployment and Service.
    pub fn apply_mirror(&self) -> anyhow::Result<()> {
        MIRROR.iter().try_for_each(|(name, text)| self.put(name, text))
    }

    /// `kubectl apply` of the EnvoyFilter that mirrors writes, or of the RedisRoute.
    pub fn mirror_on(&self) -> anyhow::Result<()> {
        match self.wording {
            Wording::Filters => self.put(FILTER, MIRRORING),
            Wording::Typed => self.put(ROUTE_FILE, TYPED_MIRRORING),
        }
    }

    /// `kubectl apply` of the EnvoyFilter as it was before, or `kubectl delete` of the RedisRoute.
    pub fn mirror_off(&self) -> anyhow::Result<()> {
        match self.wording {
            Wording::Filters => self.put(FILTER, FILTERS[1].1),
            Wording::Typed => Ok(fs::remove_file(self.path.join(ROUTE_FILE))?),
        }
    }

    /// The Service is made anew and gets another address.
    pub fn move_service(&self, address: &str) -> anyhow::Result<()> {
        let (name, text) = TUTORIAL[3];
        self.put(name, &text.replace(&format!("clusterIP: {SERVICE}\n"), &format!("clusterIP: {address}\n")))
    }

    /// Whole, or not at all.
    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let text = self.instead.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
        let aside = self.path.join(".aside");
        fs::write(&aside, text)?;
        Ok(fs::rename(&aside, self.path.join(name))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_have_the_addresses_that_the_demo_gives() {
        let text = |files: &[(&str, &str)]| files.iter().map(|(_, text)| *text).collect::<String>();
        let all = text(&TUTORIAL);
        for address in SERVERS.iter().chain([&CLIENT]) {
            assert!(all.contains(&format!("podIP: {address}\n")), "{address}");
        }
        assert_eq!(TUTORIAL[3].1.matches(&format!("clusterIP: {SERVICE}\n")).count(), 1);
        assert!(text(&MIRROR).contains(&format!("podIP: {MIRROR_POD}\n")));
        for filter in [FILTERS[1].1, MIRRORING] {
            assert!(filter.contains(&format!("name: {SERVICE}_6379")));
        }
        for typed in [TYPED, TYPED_MIRRORING] {
            assert!(!typed.contains(SERVICE) && typed.contains("  host: redis-cluster\n"), "no address to paste");
        }
    }
}
