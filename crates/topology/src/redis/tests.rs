use crate::Report;
use crate::testing::{
    Layout, NEVER, SOUND, Watched, Zone, credentials, endpoint, redis, settings, topology, watch, watch_when_used,
    watch_with,
};
use meant::{Cluster, Discovery, RedisCluster};
use slots::{Slot, Topology};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::{Act, Fake, Request, Server};

/// A fake node that answers for `layout`, with its state.
fn node(layout: &Layout, info: &'static str) -> Fake {
    let layout = Arc::clone(layout);
    Fake::start(move |request| topology(request, &layout, info)).unwrap()
}

fn empty() -> Layout {
    Layout::default()
}

fn set(layout: &Layout, ranges: Vec<(u16, u16, Vec<SocketAddr>)>) {
    *layout.lock().unwrap() = ranges;
}

/// A node that answers for `layout` only while the switch is on, and closes otherwise.
fn switched(layout: &Layout) -> (Fake, Arc<AtomicBool>) {
    let (layout, on) = (Arc::clone(layout), Arc::new(AtomicBool::new(true)));
    let switch = Arc::clone(&on);
    let answer = move |request: &Request| {
        if switch.load(SeqCst) { topology(request, &layout, SOUND) } else { Act::Close }
    };
    (Fake::start(answer).unwrap(), on)
}

/// Nodes that all tell the same, the first being the primary of all slots.
fn nodes<const N: usize>(layout: &Layout) -> [Fake; N] {
    let fakes = std::array::from_fn(|_| node(layout, SOUND));
    set(layout, vec![(0, 16_383, fakes.iter().map(Fake::address).collect())]);
    fakes
}

fn dead() -> SocketAddr {
    ([127, 0, 0, 1], testkit::ports::one().unwrap()).into()
}

fn primary(map: &Topology, slot: u16) -> Option<SocketAddr> {
    Slot::new(slot).and_then(|slot| map.owner(slot)).map(|shard| map.node(map.shard(shard).primary).address)
}

/// How often a node has been asked.
fn asked(fake: &Fake) -> usize {
    fake.requests().iter().filter(|request| request.text() == "CLUSTER SHARDS").count()
}

async fn reads(watched: &Watched, count: u64) {
    watched.until("so many reads", |watched| watched.handle.status().attempts >= count).await;
}

async fn successes(watched: &Watched, count: u64) {
    watched.until("so many good reads", |watched| watched.stats.update_success.get() >= count).await;
}

#[tokio::test]
async fn a_dead_first_seed_costs_next_to_nothing() {
    let layout = empty();
    let [alive] = nodes(&layout);
    let start = Instant::now();
    let mut watched = watch(redis(NEVER, &[dead(), dead(), alive.address()]));
    assert_eq!(primary(&*watched.map().await, 0), Some(alive.address()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(watched.stats.update_attempt.get(), 1, "within one read");
    assert_eq!(watched.stats.membership_total.get(), 1);
    watched.until("ready", |watched| watched.handle.status().ready).await;
}

#[tokio::test]
async fn nobody_is_asked_before_somebody_needs_it() {
    let layout = empty();
    let [alive] = nodes(&layout);
    let mut watched = watch_when_used(redis(Duration::from_millis(10), &[alive.address()]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let status = watched.handle.status();
    assert!(status.asleep && status.attempts == 0, "{status:?}");
    assert_eq!(alive.requests().len(), 0);
    watched.handle.reporter().report(Report::Unknown);
    assert_eq!(primary(&*watched.map().await, 0), Some(alive.address()));
    assert!(!watched.handle.status().asleep);
    // From then on at its rate.
    reads(&watched, 5).await;
    // And the same if it is woken before anybody has come.
    let mut woken = watch_when_used(redis(NEVER, &[alive.address()]));
    woken.handle.wake();
    assert_eq!(primary(&*woken.map().await, 0), Some(alive.address()));
}

#[tokio::test]
async fn a_silent_first_seed_does_not_cost_the_timeout() {
    let layout = empty();
    let [alive] = nodes(&layout);
    let deaf = Fake::deaf().unwrap();
    let patient = RedisCluster { refresh_timeout: Duration::from_secs(600), ..settings(NEVER) };
    let seeds = Cluster {
        discovery: Discovery::Redis(patient),
        ..redis(NEVER, &[deaf.local_addr().unwrap(), alive.address()])
    };
    watch(seeds).map().await;
}

#[tokio::test]
async fn nobody_there_at_first_is_tried_again_soon() {
    let seed = dead();
    let mut watched = watch(redis(NEVER, &[seed]));
    reads(&watched, 3).await;
    let status = watched.handle.status();
    assert!(!status.ready);
    let problem = status.last_problem.unwrap();
    assert!(problem.starts_with(&format!("{seed}: cannot connect: ")), "{problem}");
    let late = Server::builder().port(seed.port()).cluster(Duration::from_secs(1)).start().unwrap();
    late.ask("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    watched.map().await;
    watched.until("no problem", |watched| watched.handle.status().last_problem.is_none()).await;
    assert!(watched.stats.update_failure.get() >= 2);
}

#[tokio::test]
async fn without_seeds_the_status_says_so() {
    let watched = watch(redis(NEVER, &[]));
    watched.until_problem("there is no seed to ask").await;
}

#[tokio::test]
async fn an_unchanged_map_is_not_published_again() {
    let layout = empty();
    let [_one, two] = nodes::<2>(&layout);
    let mut watched = watch(redis(Duration::from_millis(10), &[two.address()]));
    watched.map().await;
    successes(&watched, 5).await;
    assert!(watched.quiet());
    assert_eq!(watched.stats.membership_change.get(), 1);
    assert!(watched.stats.update_no_rebuild.get() >= 4);
}

#[tokio::test]
async fn primaries_are_asked_and_a_dead_one_is_passed_over_within_the_read() {
    let layout = empty();
    let fakes: [Fake; 3] = nodes(&layout);
    let addresses: Vec<_> = fakes.iter().map(Fake::address).collect();
    let mut watched = watch(redis(Duration::from_millis(10), &[addresses[2]]));
    watched.map().await;
    successes(&watched, 5).await;
    assert!(asked(&fakes[0]) >= 3 && asked(&fakes[1]) == 0, "the primary is asked");
    // The primary dies; the replicas know a new one.
    let [dead, one, two] = fakes;
    let before = watched.stats.update_failure.get();
    set(&layout, vec![(0, 16_383, vec![addresses[1], addresses[2]])]);
    drop(dead);
    assert_eq!(primary(&*watched.map().await, 0), Some(addresses[1]));
    assert_eq!(watched.stats.update_failure.get(), before, "no read has failed");
    drop((one, two));
}

#[tokio::test]
async fn a_node_that_did_not_answer_is_left_alone_for_a_while() {
    let layout = empty();
    let ((primary, on), replica) = (switched(&layout), node(&layout, SOUND));
    set(&layout, vec![(0, 16_383, vec![primary.address(), replica.address()])]);
    let mut watched = watch(redis(Duration::from_millis(5), &[primary.address()]));
    watched.map().await;
    on.store(false, SeqCst);
    watched.until("the replica is asked", |_| asked(&replica) > 0).await;
    let before = asked(&primary);
    watched.until("the replica is asked again", |_| asked(&replica) > 5).await;
    assert_eq!(asked(&primary), before);
}

#[tokio::test]
async fn the_map_in_use_outlives_a_failed_read() {
    let layout = empty();
    let (only, on) = switched(&layout);
    set(&layout, vec![(0, 16_383, vec![only.address()])]);
    let mut watched = watch(redis(Duration::from_millis(5), &[only.address()]));
    watched.map().await;
    on.store(false, SeqCst);
    watched.until_problem("it closed the connection").await;
    let before = watched.stats.update_success.get();
    on.store(true, SeqCst);
    successes(&watched, before + 1).await;
    assert!(watched.quiet(), "the same map is no news");
}

#[tokio::test]
async fn the_node_that_failed_requests_is_not_asked() {
    let layout = empty();
    let [primary, replica] = nodes::<2>(&layout);
    let eager = RedisCluster { failure_refresh_threshold: 1, ..settings(NEVER) };
    let seeds = Cluster { discovery: Discovery::Redis(eager), ..redis(NEVER, &[primary.address()]) };
    let mut watched = watch(seeds);
    watched.map().await;
    assert_eq!((asked(&primary), asked(&replica)), (1, 0));
    let reporter = watched.handle.reporter();
    for round in 2..5 {
        reporter.report(Report::Failed { node: primary.address(), count: 1 });
        successes(&watched, round).await;
    }
    assert_eq!((asked(&primary), asked(&replica)), (1, 3));
}

#[tokio::test]
async fn a_seed_does_not_lead_to_the_node_that_failed_either() {
    let layout = empty();
    let [failed, seed, gone] = nodes::<3>(&layout);
    // The seed is no member of the cluster it describes.
    set(&layout, vec![(0, 16_383, vec![failed.address(), gone.address()])]);
    let mut watched = watch(redis(NEVER, &[failed.address(), seed.address()]));
    watched.map().await;
    drop(gone);
    let reporter = watched.handle.reporter();
    reporter.report(Report::Failed { node: failed.address(), count: 1 });
    reporter.report(Report::Unknown);
    successes(&watched, 2).await;
    assert_eq!((asked(&failed), asked(&seed)), (1, 1));
}

#[tokio::test]
async fn the_only_node_is_asked_even_if_it_failed() {
    let layout = empty();
    let [only] = nodes(&layout);
    let mut watched = watch(redis(NEVER, &[only.address()]));
    watched.map().await;
    watched.handle.reporter().report(Report::Failed { node: only.address(), count: 1 });
    watched.handle.reporter().report(Report::Unknown);
    successes(&watched, 2).await;
}

#[tokio::test]
async fn redirects_trigger_a_read_and_what_is_new_is_published() {
    let layout = empty();
    let [one, two] = nodes::<2>(&layout);
    let mut watched = watch(redis(NEVER, &[one.address()]));
    watched.map().await;
    set(&layout, vec![(0, 9, vec![two.address()]), (10, 16_383, vec![one.address()])]);
    watched.handle.reporter().report(Report::Redirected { count: 4 });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(watched.quiet());
    watched.handle.reporter().report(Report::Redirected { count: 1 });
    let map = watched.map().await;
    assert_eq!([9, 10].map(|slot| primary(&map, slot)), [Some(two.address()), Some(one.address())]);
    assert_eq!(watched.stats.membership_change.get(), 1, "the same two nodes");
}

#[tokio::test]
async fn seeds_are_resolved_again_when_all_known_nodes_are_gone() {
    // Every pod has got a new address; Envoy never looks at its seeds a second time.
    let zone = Zone::default();
    zone.set("redis", &["127.0.0.1"]);
    let layout = empty();
    let [old] = nodes(&layout);
    let port = old.address().port();
    let mut cluster = redis(Duration::from_millis(20), &[]);
    cluster.endpoints = vec![endpoint("redis", port)];
    let mut watched = watch_with(cluster, &zone);
    assert_eq!(primary(&*watched.map().await, 0), Some(old.address()));
    drop(old);
    zone.forget("redis");
    watched.until_problem("the name does not resolve: no such host").await;
    assert!(watched.handle.status().ready, "the map in use stays");
    // The same port at another address.
    let listener = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    let new: SocketAddr = listener.local_addr().unwrap();
    set(&layout, vec![(0, 16_383, vec![new])]);
    serve(listener, Arc::clone(&layout));
    zone.set("redis", &["127.0.0.2"]);
    assert_eq!(primary(&*watched.map().await, 0), Some(new));
}

/// Answers on a listener of the test's own.
fn serve(listener: std::net::TcpListener, layout: Layout) {
    use std::io::{Read, Write};
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let reply = testkit::fake::shards_reply(&layout.lock().unwrap());
            // Both commands come in one write.
            let _ = stream.read(&mut [0; 1024]);
            let _ = write!(stream, "{reply}${}\r\n{SOUND}\r\n", SOUND.len());
            let _ = stream.read(&mut [0; 1024]);
        }
    });
}

#[tokio::test]
async fn a_seed_may_be_reachable_under_its_second_address_only() {
    let zone = Zone::default();
    let layout = empty();
    let [node] = nodes(&layout);
    // Automatic family: IPv6 is tried first, where nobody listens.
    zone.set("redis", &["127.0.0.1", "::1"]);
    let mut cluster = redis(NEVER, &[]);
    cluster.endpoints = vec![endpoint("redis", node.address().port())];
    watch_with(cluster, &zone).map().await;
}

#[tokio::test]
async fn names_in_the_reply_are_resolved() {
    let zone = Zone::default();
    zone.set("one.example", &["10.0.0.1"]);
    let reply = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$11\r\none.example\r\n:6379\r\n";
    let fake = Fake::start(move |request| match request.text().as_str() {
        "CLUSTER SLOTS" => Act::say(reply),
        "CLUSTER SHARDS" => Act::say("-ERR unknown subcommand 'SHARDS'\r\n"),
        _ => Act::bulk(SOUND),
    })
    .unwrap();
    let mut watched = watch_with(redis(NEVER, &[fake.address()]), &zone);
    let map = watched.map().await;
    assert_eq!(map.nodes()[0].address.to_string(), "10.0.0.1:6379");
    assert_eq!(map.nodes()[0].names, ["one.example"]);
}

#[tokio::test]
async fn a_node_cut_off_does_not_roll_the_map_back() {
    let layout = empty();
    let [one, two] = nodes::<2>(&layout);
    let stale = Arc::new(Mutex::new(vec![(0, 99, vec![one.address(), two.address()])]));
    let cut_off = node(&stale, "cluster_state:fail\r\ncluster_current_epoch:3\r\n");
    // The one cut off is a primary too, so it is asked as often as the other.
    let sound = vec![(0, 99, vec![one.address(), two.address()]), (100, 16_383, vec![cut_off.address()])];
    set(&layout, sound);
    let mut watched = watch(redis(Duration::from_millis(5), &[one.address()]));
    assert_eq!(watched.map().await.covered(), 16_384);
    watched.until("the one cut off has been asked", |_| asked(&cut_off) >= 3).await;
    assert!(watched.quiet());
    // A second node agrees: it is the truth.
    set(&layout, stale.lock().unwrap().clone());
    assert_eq!(watched.map().await.covered(), 100);
}

#[tokio::test]
async fn a_cluster_that_is_down_is_better_than_none() {
    let layout = empty();
    let down = node(&layout, "cluster_state:fail\r\n");
    set(&layout, vec![(0, 99, vec![down.address(), dead()])]);
    let mut watched = watch(redis(NEVER, &[down.address()]));
    assert_eq!(watched.map().await.covered(), 100);
}

#[tokio::test]
async fn what_was_left_out_is_told() {
    let reply = "*1\r\n*4\r\n:0\r\n:16383\r\n*2\r\n$8\r\n10.0.0.1\r\n:6379\r\n*2\r\n$8\r\n10.0.0.2\r\n:0\r\n";
    let fake = Fake::start(move |request| match request.text().as_str() {
        "CLUSTER SLOTS" => Act::say(reply),
        "CLUSTER SHARDS" => Act::say("-ERR unknown subcommand 'SHARDS'\r\n"),
        _ => Act::bulk(SOUND),
    })
    .unwrap();
    let mut watched = watch(redis(NEVER, &[fake.address()]));
    watched.map().await;
    watched.until("ready", |watched| watched.handle.status().ready).await;
    assert_eq!(watched.handle.status().left_out, ["replica 10.0.0.2:0: no valid port was told"]);
}

#[tokio::test]
async fn two_clusters_do_not_disturb_each_other() {
    let (left, right) = (empty(), empty());
    let ([a], [b]) = (nodes::<1>(&left), nodes::<1>(&right));
    let mut one = watch(redis(NEVER, &[a.address()]));
    let mut two = watch(redis(NEVER, &[b.address()]));
    assert_eq!(primary(&*one.map().await, 0), Some(a.address()));
    assert_eq!(primary(&*two.map().await, 0), Some(b.address()));
    one.handle.reporter().report(Report::Unknown);
    successes(&one, 2).await;
    drop(a);
    one.handle.reporter().report(Report::Unknown);
    one.until_problem("cannot connect").await;
    assert_eq!((two.stats.update_attempt.get(), asked(&b)), (1, 1));
    assert_eq!(two.handle.status().last_problem, None);
}

#[tokio::test]
async fn an_unknown_slot_makes_it_look_but_not_without_end() {
    let layout = empty();
    let [only] = nodes(&layout);
    let mut watched = watch(redis(NEVER, &[only.address()]));
    watched.map().await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(250) {
        watched.handle.reporter().report(Report::Unknown);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let reads = watched.stats.update_attempt.get();
    let most = 2 + start.elapsed().as_millis() / 100;
    assert!(reads >= 2 && u128::from(reads) <= most, "{reads} reads in {:?}", start.elapsed());
}

#[tokio::test]
async fn a_real_cluster_with_a_password() {
    let server = Server::builder().cluster(Duration::from_secs(1)).config("requirepass secret").start().unwrap();
    let mut client = server.client().unwrap();
    client.ask("AUTH secret").unwrap();
    client.ask("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    let mut cluster = redis(Duration::from_millis(20), &[dead(), server.address()]);
    let shut_out = watch(cluster.clone());
    shut_out.until_problem("NOAUTH").await;
    cluster.upstream.credentials = credentials(Some("default"), "secret");
    let mut watched = watch(cluster);
    let map = watched.map().await;
    assert_eq!((map.covered(), primary(&map, 5)), (16_384, Some(server.address())));
    successes(&watched, 3).await;
    assert!(watched.quiet());
}

#[tokio::test]
async fn a_real_server_that_is_no_cluster() {
    let server = Server::start().unwrap();
    let watched = watch(redis(NEVER, &[server.address()]));
    watched.until_problem("the server says: ERR This instance has cluster support disabled").await;
}
