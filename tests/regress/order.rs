//! A: replies leave in the order of the commands, and commands on one key are carried out in that order.

use super::*;
use std::sync::{Arc, Mutex};
use testkit::fake::{greeting, shards_reply, slots_reply};

/// Two primaries that share the slots; `behaviour` is told which of them is asked.
fn two(behaviour: impl Fn(usize, &testkit::Request) -> Option<Act> + Clone + Send + 'static) -> Vec<Fake> {
    let addresses: Arc<Mutex<Vec<std::net::SocketAddr>>> = Arc::default();
    let start = |index: usize| {
        let (behaviour, known) = (behaviour.clone(), Arc::clone(&addresses));
        Fake::start(move |request| {
            let nodes = known.lock().unwrap().clone();
            let layout = [(0, 8191, vec![nodes[0]]), (8192, 16_383, vec![nodes[1]])];
            let shards = request.text().to_uppercase().ends_with("SHARDS");
            let topology = (request.name() == "CLUSTER")
                .then(|| Act::say(&if shards { shards_reply(&layout) } else { slots_reply(&layout) }));
            behaviour(index, request).or(topology).or_else(|| greeting(request)).unwrap_or_else(|| Act::say("+OK\r\n"))
        })
        .unwrap()
    };
    let fakes: Vec<Fake> = (0..2).map(start).collect();
    *addresses.lock().unwrap() = fakes.iter().map(Fake::address).collect();
    fakes
}

fn before(fakes: &[Fake]) -> Bootstrap {
    let seeds: Vec<String> = fakes.iter().map(|fake| fake.address().to_string()).collect();
    Bootstrap::new().redis_cluster("redis", &seeds)
}

/// A3. Shards of very different speed: replies in order, and who needs only the quick one does not wait.
#[test]
fn envoy_36962_slow_shard_keeps_order() {
    let fakes = two(|index, request| {
        let key = request.text().strip_prefix("GET ")?.to_owned();
        let bytes = format!("${}\r\n{key}\r\n", key.len()).into_bytes();
        Some(if index == 0 { Act::SendAfter(Duration::from_millis(60), bytes) } else { Act::Send(bytes) })
    });
    let proxy = one_worker(&before(&fakes));
    let keys: Vec<String> = (0..40)
        .map(|i| key_where(&format!("speed-{i}"), |slot| if i % 4 == 1 { slot < 8192 } else { slot >= 8192 }))
        .collect();
    let commands: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key]).collect();
    let mut client = proxy.client().unwrap();
    let mut other = proxy.client().unwrap();
    let bytes: Vec<u8> = commands.iter().flat_map(|command| testkit::client::encode(command)).collect();
    let begin = Instant::now();
    client.send_raw(&bytes).unwrap();
    let (took, reply) = timed(|| other.call(&["GET", &keys[0]]).unwrap());
    assert_eq!(reply, Reply::bulk(&keys[0]));
    let replies = client.read_replies(40).unwrap();
    assert_eq!(Reply::Array(replies), Reply::bulks(&keys));
    let whole = begin.elapsed();
    assert!(whole >= Duration::from_millis(600), "the slow shard was not slow: {whole:?}");
    assert!(took < whole / 3, "another client waited {took:?} of {whole:?} for a shard that it did not need");
}

/// A4. MOVED and ASK in the middle of a pipeline: every reply stays in its place.
#[test]
fn corvus_07ca20b_redirect_inside_a_pipeline() {
    let cluster = Cluster::start(3, 0).unwrap();
    let seldom = "cluster_refresh_rate: 600s, redirect_refresh_threshold: 0";
    let proxy = slotmesh(&Bootstrap::new().redis_cluster_with("redis", &cluster.addresses(), seldom, ""));
    let mut client = proxy.client().unwrap();
    let keys: Vec<String> = (0..120).map(|i| format!("piped:{i}")).collect();
    for key in &keys {
        assert_eq!(client.call(&["SET", key, key]).unwrap(), Reply::ok());
    }
    // The first request may have come before the first map and asked for a look, which follows within 100 ms: from here
    // on nothing but redirects is to tell the proxy what changes.
    let attempts = || counter(&proxy, "cluster.redis.update_attempt");
    let mut before = u64::MAX;
    while std::mem::replace(&mut before, attempts()) != before {
        std::thread::sleep(Duration::from_millis(500));
    }
    for (moved, key) in keys.iter().step_by(10).enumerate() {
        let slot = cluster.slot_of(key).unwrap();
        let to = (cluster.owner(slot).unwrap() + 1) % 3;
        if moved % 2 == 0 {
            cluster.migrate_slot(slot, to).unwrap();
        } else {
            // Left in the middle: the key is there, the slot is not.
            let migration = cluster.migration(slot, to).unwrap();
            migration.open().unwrap();
            migration.move_keys(usize::MAX).unwrap();
        }
    }
    let commands: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key]).collect();
    for round in 0..3 {
        let replies = client.pipeline(&commands).unwrap();
        assert_eq!(Reply::Array(replies), Reply::bulks(&keys), "round {round}");
    }
    let redirects = counter(&proxy, "cluster.redis.upstream_internal_redirect_succeeded_total");
    assert_eq!(redirects, 6 + 3 * 6, "MOVED once a slot, ASK every time");
}

/// A5. One client's commands on one key are carried out in its order: a value that was just written is read.
#[test]
fn overlord_one_clients_commands_on_a_key_keep_their_order() {
    let cluster = Cluster::start(1, 1).unwrap();
    for policy in ["MASTER", "PREFER_MASTER"] {
        let config = Bootstrap::new().redis_cluster("redis", &cluster.addresses());
        let proxy = slotmesh(&config.setting(&format!("read_policy: {policy}")));
        let mut client = proxy.client().unwrap();
        let commands: Vec<Vec<String>> = (0..2000)
            .flat_map(|i| [vec!["SET".into(), "order".into(), i.to_string()], vec!["GET".into(), "order".into()]])
            .collect();
        let replies = client.pipeline(&commands).unwrap();
        for (i, pair) in replies.chunks(2).enumerate() {
            assert_eq!(pair, [Reply::ok(), Reply::bulk(i.to_string())], "{policy}");
        }
    }
}

/// A5. The same while the slot moves: what is sent to the new owner must not overtake what the old one still has to
/// send there. The old owner here takes its time with the second MOVED.
#[test]
fn commands_on_a_key_keep_their_order_when_its_slot_moves() {
    let key = key_where("mover", |slot| slot < 8192);
    let slot = slots::Slot::of(key.as_bytes()).index();
    let target: Arc<Mutex<u16>> = Arc::default();
    let port = Arc::clone(&target);
    let fakes = two(move |index, request| {
        if request.name() != "SET" || index == 1 {
            return None;
        }
        let moved = format!("-MOVED {slot} 127.0.0.1:{}\r\n", port.lock().unwrap());
        let delay = Duration::from_millis(if request.text().ends_with(" 2") { 12 } else { 0 });
        Some(Act::SendAfter(delay, moved.into_bytes()))
    });
    *target.lock().unwrap() = fakes[1].address().port();
    let seldom = "cluster_refresh_rate: 600s, redirect_refresh_threshold: 0";
    let proxy =
        one_worker(&Bootstrap::new().redis_cluster_with("redis", &[fakes[0].address().to_string()], seldom, ""));
    let mut client = proxy.client().unwrap();
    client.pipeline(&[["PING"]]).unwrap();
    client.send_raw(format!("SET {key} 1\r\nSET {key} 2\r\n").as_bytes()).unwrap();
    assert_eq!(client.read_reply().unwrap(), Reply::ok());
    client.send_raw(format!("SET {key} 3\r\nSET {key} 4\r\n").as_bytes()).unwrap();
    assert_eq!(client.read_replies(3).unwrap(), [Reply::ok(), Reply::ok(), Reply::ok()]);
    let carried_out = fakes[1].requests().into_iter().filter(|request| request.name() == "SET");
    let values: Vec<String> =
        carried_out.map(|request| request.text().rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(values, ["1", "2", "3", "4"], "the order in which the new owner was asked");
}
