//! What a request costs the engine.
mod rig;

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rounds: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(100);
    let workload = rig::WORKLOADS.iter().find(|w| w.name == name).unwrap();
    let mut rig = rig::Rig::new(workload);
    let mut n = 0;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        n += rig.round();
    }
    println!("{} requests, {} bytes, {:.1} ns a request", n, rig.received, start.elapsed().as_nanos() as f64 / n as f64);
}
