//! Who is asked for the topology, and when.

use super::answers::asked;
use super::*;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use testkit::fake::{greeting, shards_reply, slots_reply};

/// Three primaries. The first one, once it is `broken`, closes every connection that brings a GET, and lets whoever asks
/// it for the topology wait.
fn three(broken: &Arc<AtomicBool>) -> Vec<Fake> {
    let addresses: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
    let start = |index: usize| {
        let (known, broken) = (Arc::clone(&addresses), Arc::clone(broken));
        Fake::start(move |request| {
            let nodes = known.lock().unwrap().clone();
            let range = |first, last, node: usize| (first, last, vec![nodes[node]]);
            let layout = [range(0, 5460, 0), range(5461, 10922, 1), range(10923, 16383, 2)];
            let is_broken = index == 0 && broken.load(Ordering::SeqCst);
            match request.name().as_str() {
                "CLUSTER" if is_broken => Act::Ignore,
                "CLUSTER" if request.text().to_uppercase().ends_with("SHARDS") => Act::say(&shards_reply(&layout)),
                "CLUSTER" => Act::say(&slots_reply(&layout)),
                "GET" if is_broken => Act::Close,
                "GET" => Act::bulk(&index.to_string()),
                _ => greeting(request).unwrap_or_else(|| Act::say("+OK\r\n")),
            }
        })
        .unwrap()
    };
    let fakes: Vec<Fake> = (0..3).map(start).collect();
    *addresses.lock().unwrap() = fakes.iter().map(Fake::address).collect();
    fakes
}

fn seeds(fakes: &[Fake]) -> Vec<String> {
    fakes.iter().map(|fake| fake.address().to_string()).collect()
}

/// To ask the very node whose failure is the reason to ask costs a time-out, in the middle of a failover.
#[test]
fn the_node_that_has_just_failed_is_not_asked() {
    let broken = Arc::default();
    let fakes = three(&broken);
    let refresh = "cluster_refresh_rate: 0.2s, cluster_refresh_timeout: 3s, failure_refresh_threshold: 1";
    let proxy = slotmesh(&Bootstrap::new().redis_cluster_with("redis", &seeds(&fakes), refresh, ""));
    let mut client = proxy.client().unwrap();
    let key = key_where(|slot| slot < 5000);
    assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::bulk("0"));
    let all_asked = || fakes.iter().all(|fake| asked(fake, "CLUSTER") > 0);
    wait::until_true("each has been asked at some time", SOON, || Ok(all_asked())).unwrap();
    broken.store(true, Ordering::SeqCst);
    let reply = client.ask(&format!("GET {key}")).unwrap();
    assert!(reply.is_error("upstream failure"), "{reply:?}");
    // A read that had begun before may still have asked it.
    let others = || asked(&fakes[1], "CLUSTER") + asked(&fakes[2], "CLUSTER");
    let now = others();
    wait::until_true("the next read", SOON, || Ok(others() > now)).unwrap();
    let (before, now) = (asked(&fakes[0], "CLUSTER"), others());
    wait::until_true("eight more reads", SOON, || Ok(others() >= now + 8)).unwrap();
    assert_eq!(asked(&fakes[0], "CLUSTER"), before, "nobody asks the broken one");
    // The others serve as if nothing had happened.
    let other = key_where(|slot| slot > 6000 && slot < 10_000);
    assert_eq!(client.ask(&format!("GET {other}")).unwrap(), Reply::bulk("1"));
}

#[test]
fn failures_trigger_a_refresh_as_configured() {
    let broken = Arc::new(AtomicBool::new(false));
    let fakes = three(&broken);
    let refresh = format!("{SELDOM}, failure_refresh_threshold: 3, redirect_refresh_interval: 0s");
    let proxy = slotmesh(&Bootstrap::new().redis_cluster_with("redis", &seeds(&fakes), &refresh, ""));
    let mut client = proxy.client().unwrap();
    let key = key_where(|slot| slot < 5000);
    assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::bulk("0"));
    assert_eq!(counter(&proxy, "update_attempt"), 1);
    broken.store(true, Ordering::SeqCst);
    wait::until_true("a refresh", SOON, || {
        client.ask(&format!("GET {key}"))?;
        Ok(counter(&proxy, "update_attempt") > 1)
    })
    .unwrap();
}

#[test]
fn the_refresh_rate_is_kept() {
    let fakes = three(&Arc::default());
    let refresh = "cluster_refresh_rate: 0.2s";
    let proxy = slotmesh(&Bootstrap::new().redis_cluster_with("redis", &seeds(&fakes), refresh, ""));
    wait_until_found(&proxy);
    let reads = || counter(&proxy, "update_attempt");
    let (begin, now) = (Instant::now(), reads());
    wait::until_true("ten reads", SOON, || Ok(reads() >= now + 10)).unwrap();
    assert!((1200..5000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!(counter(&proxy, "membership_change"), 1, "nothing has changed");
}
