//! A simulated API server with many pods and services, to measure `slotmesh control --kube` against.
//!
//!     cargo run --release -p control --example kube_api -- 10000 1000
//!
//! It writes the kubeconfig to `kubeconfig.sim` in the present folder, says so, and serves until it is killed.

#[path = "../tests/kube/api.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::panic)]
mod api;
#[path = "../tests/kube/recording.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod recording;
#[path = "../tests/kube/world.rs"]
#[allow(dead_code)]
mod world;

use std::env::args;
use std::fs;
use std::io::{Write as _, stdout};

fn main() -> std::io::Result<()> {
    let mut numbers = args().skip(1).map(|arg| arg.parse().unwrap_or(1000));
    let (pods, services) = (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(1_000));
    let api = api::Api::start();
    world::fill(&mut api.world(), pods, services);
    fs::write("kubeconfig.sim", api.kubeconfig())?;
    writeln!(stdout(), "serving {pods} pods and {services} services on port {}: kubeconfig.sim", api.port)?;
    loop {
        std::thread::park();
    }
}
