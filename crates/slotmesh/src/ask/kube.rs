//! Pods of a cluster, reached through its API server: a port on 127.0.0.1 from which each connection goes to a port of a
//! pod, as `kubectl port-forward` does it.

use super::Asked;
use ::control::kube::Access;
use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// For the API server's answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// For the reason why a connection has ended.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// For everything that it has.
const LONG: Duration = Duration::from_secs(180);

/// Where the control plane's pages are in its pod, and a sidecar's admin page in its own.
pub const PAGES: u16 = 15014;
/// See [`PAGES`].
pub const ADMIN: u16 = 15000;

/// The control planes whose pages are known: label, and the namespace where it usually is.
const PLANES: [(&str, &str); 3] = [
    ("app.kubernetes.io/name=slotmesh-control", "slotmesh-system"),
    ("app.kubernetes.io/name=slotmesh-control", "istio-system"),
    ("app=istiod", "istio-system"),
];

const ADVICE: &str = "the pod was reached through the API server; does it listen on that port?";

/// The flags that lead to an API server.
#[derive(clap::Args, Clone, Debug)]
pub struct KubeArgs {
    /// Reaches pods through the API server of a cluster, as kubectl port-forward does
    #[arg(long)]
    pub kube: bool,
    /// Where the API server is [default: $KUBECONFIG, ~/.kube/config, or the cluster that this runs in]
    #[arg(long, value_name = "FILE", requires = "kube")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kube")]
    context: Option<String>,
    /// The namespace that is meant [default: that of the context]
    #[arg(short = 'n', long, value_name = "NAME", requires = "kube")]
    pub namespace: Option<String>,
}

impl KubeArgs {
    /// The cluster.
    pub fn cluster(&self) -> anyhow::Result<Cluster> {
        // A thread goes on forwarding while this one waits for an answer.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let access = Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let client = runtime.block_on(access.client())?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Cluster { runtime: Arc::new(runtime), client, namespace })
    }
}

/// A cluster, by its API server.
#[derive(Clone)]
pub struct Cluster {
    runtime: Arc<Runtime>,
    /// To ask the server itself.
    pub client: Client,
    /// Where a pod is whose namespace is not said.
    namespace: String,
}

/// What keeps a port open, and what went wrong behind it.
#[derive(Debug)]
pub struct Tunnel {
    _runtime: Arc<Runtime>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Tunnel {
    /// Why the last connection could not be led on, once that is known.
    pub fn problem(&self) -> Option<String> {
        let began = Instant::now();
        loop {
            let known = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if known.is_some() || began.elapsed() > AFTERWARDS * 2 {
                return known;
            }
            std::thread::sleep(AFTERWARDS / 20);
        }
    }
}

impl Cluster {
    /// Waits for an answer of the server.
    pub fn wait<T>(&self, answer: impl Future<Output = T>) -> anyhow::Result<T> {
        self.wait_for(PATIENCE, answer)
    }

    /// Waits for many answers.
    pub fn wait_long<T>(&self, answers: impl Future<Output = T>) -> anyhow::Result<T> {
        self.wait_for(LONG, answers)
    }

    fn wait_for<T>(&self, time: Duration, answer: impl Future<Output = T>) -> anyhow::Result<T> {
        let waited = self.runtime.block_on(async { timeout(time, answer).await });
        waited.map_err(|_| anyhow!("the API server has not answered within {} s", time.as_secs()))
    }

    /// The pages at a port of a pod.
    pub fn pod(&self, name: &str, namespace: &str, port: u16) -> anyhow::Result<Asked> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        // A forwarding that fails says less.
        self.wait(pods.get(name))?.with_context(|| format!("there is no pod {name} in the namespace {namespace}"))?;
        let listener = self.wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?.context("no port is free")?;
        let address = listener.local_addr()?;
        let problem = Arc::new(Mutex::new(None));
        self.runtime.spawn(forward(listener, pods, name.to_owned(), port, Arc::clone(&problem)));
        let tunnel = Tunnel { _runtime: Arc::clone(&self.runtime), problem };
        Ok(Asked::through(tunnel, address, &format!("{name}.{namespace}:{port}"), ADVICE))
    }

    /// The pages of a sidecar by `POD.NAMESPACE`, or by `POD` alone.
    pub fn sidecar(&self, proxy: &str) -> anyhow::Result<Asked> {
        let (name, namespace) = proxy.rsplit_once('.').unwrap_or((proxy, &self.namespace));
        self.pod(name, namespace, ADMIN)
    }

    /// The pages of every pod of the control plane: slotmesh's, else istiod's.
    pub fn planes(&self, namespace: Option<&str>) -> anyhow::Result<Vec<Asked>> {
        for (label, usual) in PLANES {
            let namespace = namespace.unwrap_or(usual);
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
            let listed = self.wait(pods.list(&ListParams::default().labels(label)))?;
            let listed = listed.with_context(|| format!("the pods of the namespace {namespace} cannot be listed"))?;
            let runs = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
            let names: Vec<String> =
                listed.items.into_iter().filter(runs).filter_map(|pod| pod.metadata.name).collect();
            if !names.is_empty() {
                return names.iter().map(|name| self.pod(name, namespace, PAGES)).collect();
            }
        }
        let places = PLANES.map(|(label, usual)| format!("{label} in {}", namespace.unwrap_or(usual)));
        bail!(
            "no pod of a control plane runs there: looked for {}; --control-namespace names another",
            places.join(" and ")
        )
    }
}

/// Leads every connection to a pod's port, until the runtime ends.
async fn forward(listener: TcpListener, pods: Api<Pod>, pod: String, port: u16, problem: Arc<Mutex<Option<String>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (pods, pod, problem) = (pods.clone(), pod.clone(), Arc::clone(&problem));
        tokio::spawn(async move {
            if let Err(error) = lead(client, &pods, &pod, port).await {
                *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
            }
        });
    }
}

async fn lead(mut client: TcpStream, pods: &Api<Pod>, pod: &str, port: u16) -> anyhow::Result<()> {
    let forwarding = timeout(PATIENCE, pods.portforward(pod, &[port])).await.context("no answer in time")?;
    let mut forwarder = forwarding.context("the API server does not forward to it")?;
    let mut stream = forwarder.take_stream(port).context("the API server forwards another port")?;
    let refused = forwarder.take_error(port).context("the API server forwards another port")?;
    let mut refused = pin!(refused);
    let said = tokio::select! {
        biased;
        said = &mut refused => Some(said),
        _ = copy_bidirectional(&mut client, &mut stream) => None,
    };
    // The reason may come behind the end.
    let said = match said {
        Some(said) => said,
        None => timeout(AFTERWARDS, refused).await.ok().flatten(),
    };
    drop(stream);
    match (said, timeout(AFTERWARDS, forwarder.join()).await) {
        (Some(error), _) => bail!("{error}"),
        (None, Ok(Err(error))) => Err(error.into()),
        _ => Ok(()),
    }
}

/// A port that is forwarded somewhere.
impl Asked {
    fn through(tunnel: Tunnel, address: SocketAddr, name: &str, advice: &'static str) -> Self {
        Self { address, name: name.to_owned(), advice, tunnel: Some(tunnel) }
    }
}
