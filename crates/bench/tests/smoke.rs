//! The generator against a real server, for a second.

use bench::load::{Edge, Mode, Plan, run};
use bench::traffic;
use bench::workload::Action;
use bench::{Error, usage};
use std::time::Duration;
use testkit::Server;

#[test]
fn closed_and_open_loops_count_what_a_real_server_answers() {
    let server = Server::start().unwrap();
    let mut client = server.client().unwrap();
    for key in traffic::keys(64).all() {
        client.must(&[b"SET", key.as_bytes(), &traffic::value(64)]).unwrap();
    }
    let requests = traffic::requests(Action::Mixed, 64, 16, None).unwrap();
    let plan = |mode| Plan {
        address: server.address(),
        requests: &requests,
        connections: 5,
        mode,
        warm_up: Duration::from_millis(50),
        duration: Duration::from_millis(350),
    };
    let mut edges = Vec::new();
    let before: u64 = server.field("INFO stats", "total_commands_processed").unwrap().parse().unwrap();
    let closed = run(&plan(Mode::Closed { pipeline: 16 }), &mut |edge| {
        edges.push((edge, usage::of(&[server.process().id()]).unwrap()));
    })
    .unwrap();
    let after: u64 = server.field("INFO stats", "total_commands_processed").unwrap().parse().unwrap();
    assert!(closed.requests > 1000 && closed.requests < after - before, "{} {}", closed.requests, after - before);
    assert_eq!(closed.latency.len(), closed.requests);
    assert_eq!(edges.iter().map(|(edge, _)| *edge).collect::<Vec<_>>(), [Edge::Begin, Edge::End]);
    assert!(edges[1].1.since(edges[0].1).cpu > 0);

    let open = run(&plan(Mode::Open { rate: 2000 }), &mut |_| {}).unwrap();
    // 700 requests fall due; a busy machine may answer the last ones later, and of the 100 before them too.
    assert!((600..=802).contains(&open.requests), "{}", open.requests);
    assert!((698..=702).contains(&open.latency.len()), "{}", open.latency.len());
}

#[test]
fn a_run_of_errors_is_no_measurement() {
    let server = Server::start().unwrap();
    // The keys were never set.
    let requests = traffic::requests(Action::Get, 64, 1, None).unwrap();
    let plan = Plan {
        address: server.address(),
        requests: &requests,
        connections: 2,
        mode: Mode::Closed { pipeline: 1 },
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(20),
    };
    assert!(matches!(run(&plan, &mut |_| {}), Err(Error::Wrong { errors: 0, .. })));
}
