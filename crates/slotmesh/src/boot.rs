//! Boots the proxy: announces every address, runs, drains.
//!
//! Two kinds of threads that never wait for each other: the crew (one that accepts, N that work) carries the requests;
//! this one, with a tokio runtime of its own, keeps the topology and shows the admin face.

mod house;

use anyhow::Context;
use house::Inside;
use observe::Registry;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use topology::{DiscoveryStats, Handle, Reporter};
use worker::{Crew, Limits, Plan, Report};

/// How long requests under way may take when the proxy is told to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs `proxy` until it is told to end (SIGTERM, SIGINT, `POST /quitquitquit`); `dump` is the configuration as
/// `/config_dump` shows it.
pub fn run(proxy: meant::Proxy, dump: String, workers: usize) -> anyhow::Result<()> {
    start_logging();
    let (proxy, registry) = (Arc::new(proxy), Registry::new(workers));
    let reporters = Arc::new(OnceLock::new());
    let crew = Crew::start(&Plan {
        proxy: Arc::clone(&proxy),
        workers,
        registry: Arc::clone(&registry),
        limits: Limits::default(),
        seed: seed(),
        reports: told(Arc::clone(&reporters)),
    })?;
    for (name, address) in crew.listeners() {
        tracing::info!(listener = name, %address, workers, "listening");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let discoveries = discover(&proxy, &crew);
        // The reports of the first moments, before anybody hears them, are of clusters that are being asked anyway.
        let _ = reporters.set(discoveries.iter().map(|(handle, _)| handle.reporter()).collect());
        let listeners = crew.listeners().to_vec();
        let inside = Arc::new(Inside::new(Arc::clone(&proxy), registry, listeners, discoveries, &dump, workers));
        serve_admin(&proxy, &inside).await?;
        until_told_to_end(inside.quit()).await
    })?;
    tracing::info!(patience = ?DRAIN, "ending: no more clients are accepted, requests under way finish");
    crew.drain(DRAIN);
    Ok(())
}

fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    // A second start in one process keeps the first subscriber.
    let _ = subscriber.try_init();
}

/// Differs from run to run, which is all it is for.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Carries what workers report to the cluster's discovery.
fn told(reporters: Arc<OnceLock<Vec<Reporter>>>) -> worker::Told {
    Arc::new(move |cluster, report, count| {
        let Some(reporter) = reporters.get().and_then(|reporters| reporters.get(cluster)) else { return };
        reporter.report(match report {
            Report::Redirected => topology::Report::Redirected { count },
            Report::Failed(node) => topology::Report::Failed { node: *node, count },
            Report::Degraded(node) => topology::Report::Degraded { node: *node },
            Report::Unknown => topology::Report::Unknown,
        });
    })
}

/// Starts the discovery of every cluster; each tells all workers what it finds.
fn discover(proxy: &meant::Proxy, crew: &Crew) -> Vec<(Handle, Arc<DiscoveryStats>)> {
    let start = |(place, cluster): (usize, &Arc<meant::Cluster>)| {
        let (publish, stats) = (crew.publisher(), Arc::<DiscoveryStats>::default());
        let handle = topology::spawn(Arc::clone(cluster), Arc::clone(&stats), move |view| publish(place, &view));
        (handle, stats)
    };
    proxy.clusters.iter().enumerate().map(start).collect()
}

async fn serve_admin(proxy: &meant::Proxy, inside: &Arc<Inside>) -> anyhow::Result<()> {
    let Some(admin) = &proxy.admin else { return Ok(()) };
    let socket = tokio::net::TcpListener::bind(admin.address)
        .await
        .with_context(|| format!("cannot listen on {} (admin)", admin.address))?;
    tracing::info!(address = %socket.local_addr()?, "admin");
    let house = Arc::clone(inside);
    tokio::spawn(async move {
        if let Err(error) = admin::serve(socket, house).await {
            tracing::error!(%error, "the admin face has ended; traffic goes on");
        }
    });
    Ok(())
}

/// Returns after SIGTERM, SIGINT or a word from the admin face.
async fn until_told_to_end(quit: Arc<Notify>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let told = Arc::clone(&quit);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            told.notify_one();
        }
    })?;
    quit.notified().await;
    Ok(())
}
