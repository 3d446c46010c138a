//! Several workers: clients are spread evenly, each worker has its own upstreams, statistics are sums.

#![cfg(test)]

use std::fs;
use std::time::Duration;
use testkit::{Bootstrap, Client, Proxy, Reply, Server, wait};

const SOON: Duration = Duration::from_secs(5);

fn with_workers(server: &Server, workers: &str) -> Proxy {
    let config = Bootstrap::new().static_cluster("redis", &[server.address().to_string()], "");
    let proxy = Proxy::start_with(env!("CARGO_BIN_EXE_slotmesh"), &config.yaml(), &["--workers", workers]).unwrap();
    // Who only looked whether the listener is open came before these, and has gone when they have.
    let mut clients: Vec<Client> = (0..8).map(|_| proxy.client().unwrap()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG")));
    drop(clients);
    wait_for_clients(&proxy, 0);
    proxy
}

fn wait_for_clients(proxy: &Proxy, count: u64) {
    let active = || proxy.stat("redis.redis_stats.downstream_cx_active");
    wait::until_true(&format!("{count} clients are left"), SOON, || Ok(active()? == Some(count))).unwrap();
}

/// How many connections the server has, besides the one that asks.
fn connections(server: &Server) -> usize {
    server.ask("CLIENT LIST").unwrap().text().lines().count() - 1
}

/// The threads of the proxy by name, with the processor time each has used, in hundredths of a second.
fn threads(proxy: &Proxy) -> Vec<(String, u64)> {
    let folder = format!("/proc/{}/task", proxy.process().id());
    let thread = |path: std::path::PathBuf| -> Option<(String, u64)> {
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let (head, rest) = stat.rsplit_once(')')?;
        let used = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some((head.split_once('(')?.1.to_owned(), used))
    };
    let mut threads: Vec<_> = fs::read_dir(folder).unwrap().filter_map(|task| thread(task.ok()?.path())).collect();
    threads.sort();
    threads
}

fn workers(proxy: &Proxy) -> Vec<u64> {
    threads(proxy).into_iter().filter(|(name, _)| name.starts_with("worker-")).map(|(_, used)| used).collect()
}

#[test]
fn there_are_as_many_as_were_asked_for() {
    let server = Server::start().unwrap();
    for count in [1, 2, 3] {
        let proxy = with_workers(&server, &count.to_string());
        // A thread names itself, a moment after it has begun.
        wait::until_true(&format!("{count} workers"), SOON, || Ok(workers(&proxy).len() == count)).unwrap();
    }
}

/// A node sees one connection a worker, however many clients there are.
#[test]
fn each_has_its_own_shared_upstream() {
    let server = Server::start().unwrap();
    for count in [1, 2, 4] {
        let proxy = with_workers(&server, &count.to_string());
        let mut clients: Vec<Client> = (0..40).map(|_| proxy.client().unwrap()).collect();
        for client in &mut clients {
            assert_eq!(client.ask("SET shared 1").unwrap(), Reply::ok());
        }
        assert_eq!(connections(&server), count, "{count} workers");
        drop(proxy);
        wait::until_true("the proxy's connections end with it", SOON, || Ok(connections(&server) == 0)).unwrap();
    }
}

/// Two clients always land on different workers, whatever their ports: with a kernel's hash they would share one in half
/// of the cases (Envoy #28150).
#[test]
fn neighbours_land_on_different_workers() {
    let server = Server::start().unwrap();
    let proxy = with_workers(&server, "2");
    for round in 0..20 {
        let before = proxy.stat("cluster.redis.upstream_cx_total").unwrap().unwrap_or(0);
        let mut pair = [proxy.client().unwrap(), proxy.client().unwrap()];
        for client in &mut pair {
            client.ask("GET k").unwrap();
        }
        assert_eq!(connections(&server), 2, "round {round}, {before} connections before");
        // With the idle connections gone, the next pair has to open its own again.
        server.ask("CLIENT KILL TYPE normal").unwrap();
        drop(pair);
        wait_for_clients(&proxy, 0);
        wait::until_true("both connections are gone", SOON, || Ok(connections(&server) == 0)).unwrap();
    }
}

/// 100 clients with the same traffic: both threads work about as much as the other.
#[test]
fn a_hundred_clients_are_spread_evenly() {
    let server = Server::start().unwrap();
    let proxy = with_workers(&server, "2");
    let total = |name: &str| proxy.stat(name).unwrap().unwrap();
    let before = total("redis.redis_stats.downstream_cx_total");
    let mut clients: Vec<Client> = (0..100).map(|_| proxy.client().unwrap()).collect();
    let commands = vec![["SET", "even", "x"]; 20];
    let mut sent = 0;
    let begin = workers(&proxy);
    let used = wait::until("the workers have used half a second of processor time", Duration::from_secs(60), || {
        for client in &mut clients {
            assert!(client.pipeline(&commands)?.iter().all(|reply| *reply == Reply::ok()));
            sent += 20;
        }
        let used: Vec<u64> = workers(&proxy).iter().zip(&begin).map(|(now, then)| now - then).collect();
        Ok((used.iter().sum::<u64>() >= 50).then_some(used))
    })
    .unwrap();
    let share = used[0] as f64 / (used[0] + used[1]) as f64;
    assert!((0.3..=0.7).contains(&share), "{used:?}");
    assert_eq!(total("redis.redis_stats.downstream_cx_total") - before, 100, "the workers' statistics are added up");
    assert_eq!(total("redis.redis_stats.downstream_cx_active"), 100);
    assert_eq!(total("redis.redis_stats.command.set.total"), sent);
    assert_eq!(total("redis.redis_stats.command.set.success"), sent);
    assert_eq!(total("cluster.redis.upstream_rq_total"), sent);
    assert_eq!(total("cluster.redis.upstream_cx_total"), 2);
}

/// A worker that many clients left takes the next ones.
#[test]
fn balance_comes_back_after_clients_left() {
    let server = Server::start().unwrap();
    let proxy = with_workers(&server, "2");
    // Odd ones and even ones are on different workers; the odd ones leave.
    let mut clients: Vec<Option<Client>> = (0..20).map(|_| Some(proxy.client().unwrap())).collect();
    for client in clients.iter_mut().flatten() {
        client.ask("GET k").unwrap();
    }
    clients.iter_mut().skip(1).step_by(2).for_each(|client| drop(client.take()));
    wait_for_clients(&proxy, 10);
    // Ten new ones belong to the emptier worker alone. Only theirs is the connection that opens now.
    server.ask("CLIENT KILL TYPE normal").unwrap();
    wait::until_true("no connection is left", SOON, || Ok(connections(&server) == 0)).unwrap();
    let mut new: Vec<Client> = (0..10).map(|_| proxy.client().unwrap()).collect();
    for client in &mut new {
        client.ask("GET k").unwrap();
    }
    assert_eq!(connections(&server), 1, "all ten on one worker");
    clients[0].as_mut().unwrap().ask("GET k").unwrap();
    assert_eq!(connections(&server), 2, "and the older ones on the other");
}
