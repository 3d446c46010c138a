//! What a sub-command that runs until it is told to end does first and last: logging, signals.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use tokio::sync::Notify;

/// Logs to standard error, at `info` unless `RUST_LOG` says otherwise.
pub fn start_logging() {
    use tracing_subscriber::EnvFilter;
    // Each failed attempt at an API server would be an error to its client; here an outage is told once, with its end.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_client=off"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    // A second start in one process keeps the first subscriber.
    let _ = subscriber.try_init();
}

/// Is notified at SIGTERM or SIGINT.
pub fn told_to_end() -> anyhow::Result<Arc<Notify>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let quit = Arc::new(Notify::new());
    let told = Arc::clone(&quit);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            told.notify_one();
        }
    })?;
    Ok(quit)
}
