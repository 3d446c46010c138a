//! Boots the proxy: announces every address, runs, drains.
//!
//! Two kinds of threads that never wait for each other: the crew (one that accepts, N that work) carries the requests;
//! this one, with a tokio runtime of its own, follows what control planes deliver, keeps the topology and shows the
//! admin face.

// What runs.
mod conductor;

// What is delivered, if anything is.
mod couriers;
mod deliveries;
mod following;

// What is shown.
mod ledger;
mod house;

use crate::running;
use anyhow::Context;
use conductor::Conductor;
use config::{Loaded, Schema};
use couriers::Couriers;
use deliveries::Deliveries;
use following::Following;
use house::Inside;
use ledger::Ledger;
use meant::{Dynamic, Proxy};
use observe::Registry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls::Secrets;
use worker::{Limits, Plan};

/// How long requests under way may take when the proxy is told to end.
const DRAIN: Duration = Duration::from_secs(10);

/// What the command line adds to a configuration.
pub struct Options {
    /// Threads that serve clients.
    pub workers: usize,
    /// Where what a control plane delivers is kept for a start without it.
    pub cache: Option<PathBuf>,
}

/// Runs a configuration until it is told to end (SIGTERM, SIGINT, `POST /quitquitquit`).
pub fn run(loaded: Loaded, options: Options) -> anyhow::Result<()> {
    running::start_logging();
    loaded.notes.iter().for_each(|note| tracing::info!("{note}"));
    let workers = options.workers;
    let (proxy, registry, ledger) = (Arc::new(loaded.proxy), Registry::new(workers), Arc::<Ledger>::default());
    let counted = Arc::clone(&registry);
    let plan = |reports| Plan { workers, registry: counted, limits: Limits::default(), seed: seed(), reports };
    let mut conductor = Conductor::start(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let following = match proxy.dynamic.clone() {
            Some(dynamic) => Some(follow(&proxy, dynamic, loaded.sources, options.cache, &ledger)?),
            None => None,
        };
        conductor.run(&proxy, &Secrets::default())?;
        let delivered = following.is_some().then(|| Arc::clone(&ledger));
        let inside = Arc::new(Inside::new(conductor.shown(), registry, &loaded.dump, workers, delivered));
        serve_admin(&proxy, &inside).await?;
        let quit = running::told_to_end()?;
        let told = inside.quit();
        let end = async {
            // By a signal, or by a word from the admin face.
            tokio::select! {
                () = quit.notified() => {}
                () = told.notified() => {}
            }
            anyhow::Ok(())
        };
        match following {
            Some(mut following) => {
                let ended = tokio::select! {
                    ended = following.run(&mut conductor) => ended,
                    told = end => told,
                };
                following.end().await;
                ended
            }
            None => end.await,
        }
    })?;
    tracing::info!(patience = ?DRAIN, "ending: no more clients are accepted, requests under way finish");
    conductor.into_crew().drain(DRAIN);
    Ok(())
}

/// Makes ready to follow what is delivered.
fn follow(
    proxy: &Arc<Proxy>,
    dynamic: Dynamic,
    sources: config::delivered::Sources,
    cache: Option<PathBuf>,
    ledger: &Arc<Ledger>,
) -> anyhow::Result<Following> {
    let schema = Arc::new(Schema::load()?);
    let couriers = Couriers::new(&proxy.node.message, dynamic.ads.clone(), cache, Arc::clone(&schema))?;
    let deliveries = Deliveries::new(schema, sources, Arc::clone(proxy));
    Ok(Following::new(dynamic, deliveries, couriers, Arc::clone(ledger)))
}

/// Differs from run to run, which is all it is for.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
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
