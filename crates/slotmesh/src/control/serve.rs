//! Serving: reads the folder, listens to the API server, announces every address, and runs until it is told to end.

use super::{kube, webhook};
use crate::cli::ControlArgs;
use crate::running;
use ::control::Schema;
use ::control::face::{self, Face};
use ::control::files::Files;
use ::control::kube::{Client, Mirror};
use ::control::plane::Plane;
use ::control::watch::Watcher;
use anyhow::Context as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use xds::server::{Server, ServerTls, Settings};

/// How long streams may take to end.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT.
pub fn run(args: &ControlArgs) -> anyhow::Result<()> {
    running::start_logging();
    let tls = tls(args)?;
    let plane = Arc::new(Plane::new(Arc::new(Schema::load_mesh()?)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let kube = kube::start(args, &runtime)?;
    let mirror = kube.as_ref().map(|(mirror, _)| Arc::clone(mirror));
    let watcher = first_look(args, &plane, mirror.clone())?;
    // The one end is dropped when serving ends, which ends the watching; the other when watching ends.
    let (_serving, ended) = mpsc::channel();
    let (watching, failed) = oneshot::channel::<()>();
    std::thread::Builder::new().name("watch".into()).spawn(move || {
        watcher.run(&ended);
        drop(watching);
    })?;
    let served = runtime.block_on(serve(args, (plane, kube), tls, failed));
    runtime.shutdown_timeout(DRAIN);
    served
}

/// Reads the files, if there are any.
fn first_look(args: &ControlArgs, plane: &Arc<Plane>, mirror: Option<Arc<Mirror>>) -> anyhow::Result<Watcher> {
    let mesh = args.mesh.as_deref();
    let files = args.files.as_deref().map_or_else(|| Files::without_folder(mesh), |folder| Files::new(folder, mesh));
    let mut watcher = Watcher::new(files, Arc::clone(plane));
    if let Some(mirror) = mirror {
        watcher = watcher.beside(mirror);
    }
    let folder = args.files.as_deref().unwrap_or(Path::new("--mesh"));
    watcher.first().with_context(|| format!("{} cannot be read", folder.display()))?;
    Ok(watcher)
}

async fn serve(
    args: &ControlArgs,
    (plane, kube): (Arc<Plane>, Option<(Arc<Mirror>, Client)>),
    tls: Option<ServerTls>,
    failed: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let quit = running::told_to_end()?;
    let server = Server::start(Arc::clone(&plane) as _, Settings::default());
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let (listener, plain) = (listen(args.xds, "xds").await?, server.clone());
    tasks.spawn(async move { Ok(plain.serve(listener, None).await?) });
    if let Some(address) = args.xds_tls {
        let (listener, secured) = (listen(address, "xds_tls").await?, server.clone());
        tasks.spawn(async move { Ok(secured.serve(listener, tls).await?) });
    }
    let (kube, client) = kube.unzip();
    if let (Some(address), Some(client)) = (args.webhook, client) {
        let (listener, plane) = (listen(address, "webhook").await?, Arc::clone(&plane));
        let settings = webhook::settings(args);
        tasks.spawn(async move { Ok(::control::webhook::serve(listener, plane, client, settings).await?) });
    }
    let (listener, face) = (listen(args.http, "http").await?, Face { plane, server: server.clone(), kube });
    tasks.spawn(async move { Ok(face::serve(listener, face).await?) });
    let ended = tokio::select! {
        () = quit.notified() => Ok(()),
        _ = failed => Err(anyhow::anyhow!("the files are not watched any more")),
        // None of them ends by itself but by a failure.
        Some(ended) = tasks.join_next() => ended.unwrap_or_else(|error| Err(error.into())),
    };
    tracing::info!("ending: proxies keep what they have");
    server.stop();
    ended
}

/// Opens a port and announces it.
async fn listen(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} ({name})"))?;
    tracing::info!(listener = name, address = %listener.local_addr()?, "listening");
    Ok(listener)
}

fn tls(args: &ControlArgs) -> anyhow::Result<Option<ServerTls>> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("{} cannot be read", file.display()));
    let (Some(certificates), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let client_roots = args.tls_client_ca.as_deref().map(read).transpose()?;
    Ok(Some(ServerTls { certificates: read(certificates)?, key: read(key)?, client_roots }))
}
