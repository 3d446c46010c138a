//! Whoever brings configuration: one stream to each control plane, one watch on each file. All bring it to one door.

use config::Schema;
use meant::{ConfigSource, ControlAddress, ControlPlane};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use xds::client::{Address, Client, ClientTls, Decode, Settings, State, Update, Want};
use xds::server::Dialect;
use xds::{Kind, Node, method, proto};

/// How long the way out waits for the cache.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the one stream of `ads_config` is called.
pub const ADS: &str = "ads";

/// An update and where it comes from.
pub type Brought = (ConfigSource, Update);

/// All couriers that are under way.
pub struct Couriers {
    node: Node,
    ads: Option<ControlPlane>,
    cache: Option<PathBuf>,
    schema: Arc<Schema>,
    door: mpsc::Sender<Brought>,
    clients: BTreeMap<(String, Option<Kind>), Client>,
    files: BTreeMap<(String, Kind), tokio::task::JoinHandle<()>>,
}

impl Couriers {
    /// `node` is an encoded `envoy.config.core.v3.Node`.
    pub fn new(
        node: &[u8],
        ads: Option<ControlPlane>,
        cache: Option<PathBuf>,
        schema: Arc<Schema>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Brought>)> {
        let (door, brought) = mpsc::channel(1);
        let node = Node::decode(node).map_err(|why| anyhow::anyhow!("the node of the bootstrap: {why}"))?;
        Ok((Self { node, ads, cache, schema, door, clients: BTreeMap::new(), files: BTreeMap::new() }, brought))
    }

    /// Asks `source` for this, from now on instead of what it was asked for of that kind before.
    pub fn want(&mut self, kind: Kind, source: &ConfigSource, want: Want) {
        match source {
            ConfigSource::File(path) => self.watch(kind, path),
            ConfigSource::Ads => match self.ads.clone() {
                Some(plane) => self.client(source, &plane, None).want(kind, want),
                None => tracing::error!(%kind, "ads is asked for, and the bootstrap has no ads_config: add one"),
            },
            ConfigSource::Server(plane) => self.client(source, plane, Some(kind)).want(kind, want),
        }
    }

    /// The streams: whom each goes to, and where its state can be seen.
    pub fn states(&self) -> impl Iterator<Item = (&str, watch::Receiver<State>)> {
        self.clients.iter().map(|((label, _), client)| (label.as_str(), client.state()))
    }

    /// Ends all of them. They keep what they have for the next start first.
    pub async fn end(self) {
        let states: Vec<_> = self.clients.values().map(Client::state).collect();
        drop(self.clients);
        let ended = async {
            for mut state in states {
                while state.changed().await.is_ok() {}
            }
        };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            tracing::warn!(patience = ?PATIENCE, "what the control plane sent last may not have been written to the cache");
        }
    }

    fn client(&mut self, source: &ConfigSource, plane: &ControlPlane, kind: Option<Kind>) -> Client {
        let key = (label(source), kind);
        if let Some(client) = self.clients.get(&key) {
            return client.clone();
        }
        let mut settings = settings(self.node.clone(), plane, kind);
        settings.cache = self.cache.clone().filter(|_| *source == ConfigSource::Ads);
        let (client, updates) = Client::start(settings);
        tokio::spawn(carry(source.clone(), updates, self.door.clone()));
        self.clients.insert(key, client.clone());
        client
    }

    fn watch(&mut self, kind: Kind, path: &Path) {
        let source = ConfigSource::File(path.to_owned());
        let (door, schema, path) = (self.door.clone(), Arc::clone(&self.schema), path.to_owned());
        self.files.entry((label(&source), kind)).or_insert_with(|| {
            let (sender, updates) = mpsc::channel(1);
            tokio::spawn(carry(source, updates, door));
            let told = |error: &xds::client::FileError| tracing::warn!("{error}; the last good content stays in use");
            tokio::spawn(async move { xds::client::watch_file(kind, path, decode(schema), sender, told).await })
        });
    }
}

/// What a source is called in logs.
pub fn label(source: &ConfigSource) -> String {
    match source {
        ConfigSource::Ads => ADS.to_owned(),
        ConfigSource::Server(plane) => plane.cluster.clone(),
        ConfigSource::File(path) => path.display().to_string(),
    }
}

async fn carry(source: ConfigSource, mut updates: mpsc::Receiver<Update>, door: mpsc::Sender<Brought>) {
    while let Some(update) = updates.recv().await {
        if door.send((source.clone(), update)).await.is_err() {
            return;
        }
    }
}

fn settings(node: Node, plane: &ControlPlane, kind: Option<Kind>) -> Settings {
    let address = |address: &ControlAddress| match address {
        ControlAddress::Tcp(host, port) => Address::Tcp(host.clone(), *port),
        ControlAddress::Unix(path) => Address::Unix(path.clone()),
    };
    let mut settings = Settings::new(node, plane.addresses.iter().map(address).collect());
    settings.dialect = if plane.delta { Dialect::Delta } else { Dialect::Sotw };
    settings.method = kind.map_or(method::ADS, method::of);
    settings.metadata.clone_from(&plane.metadata);
    settings.authority.clone_from(&plane.authority);
    settings.connect_timeout = plane.connect_timeout;
    settings.tls = plane.tls.as_ref().map(|tls| ClientTls {
        roots: tls.roots.clone(),
        server_name: tls.server_name.clone(),
        identity: tls.identity.as_ref().map(|(chain, key)| (chain.clone(), key.reveal().to_vec())),
    });
    settings
}

/// A `DiscoveryResponse` from text.
fn decode(schema: Arc<Schema>) -> Decode {
    Arc::new(move |path, bytes| {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        let read = config::delivered::file(&schema, text, &path.display().to_string());
        let file = read.map_err(|problems| problems.to_string())?;
        let resources = file.resources.into_iter().map(|resource| (resource.type_url, resource.message));
        Ok(proto::DiscoveryResponse::of(file.version, resources))
    })
}
