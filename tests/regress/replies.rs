//! A: a reply belongs to the request that asked for it, whatever happens to others.

use super::*;

/// A node that answers `GET slow` late, and any other GET with its own key.
fn late(delay: Duration) -> Fake {
    Fake::cluster_of_one(move |request| match request.text().as_str() {
        "GET slow" => Some(Act::SendAfter(delay, b"$4\r\nslow\r\n".to_vec())),
        text => text.strip_prefix("GET ").map(Act::bulk),
    })
    .unwrap()
}

/// A1. The reply that comes after its time-out is nobody's, and the next request on that upstream gets its own.
#[test]
fn twemproxy_404_late_reply_after_timeout() {
    let fake = late(Duration::from_millis(600));
    let proxy = one_worker(&before_fake(&fake).setting("op_timeout: 0.4s"));
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("GET first").unwrap(), Reply::bulk("first"));
    let opened = counter(&proxy, "cluster.redis.upstream_cx_total");
    let (took, reply) = timed(|| client.ask("GET slow").unwrap());
    assert_eq!(reply, Reply::Error("upstream failure: no reply within op_timeout".into()));
    assert!((350..580).contains(&took.as_millis()), "{took:?}");
    assert_eq!(client.ask("GET next").unwrap(), Reply::bulk("next"), "behind the late reply, on the same upstream");
    assert_eq!(proxy.client().unwrap().ask("GET other").unwrap(), Reply::bulk("other"));
    assert_eq!(counter(&proxy, "cluster.redis.upstream_cx_total"), opened, "the connection was kept");
    assert_eq!(counter(&proxy, "cluster.redis.upstream_rq_timeout"), 1);
}

/// A1. A time-out belongs to a request: those behind it on the same upstream have a time of their own.
#[test]
fn envoy_op_timeout_fails_only_the_request_that_is_late() {
    let fake = late(Duration::from_millis(700));
    let proxy = one_worker(&before_fake(&fake).setting("op_timeout: 0.5s"));
    let (mut one, mut two) = (proxy.client().unwrap(), proxy.client().unwrap());
    one.send(&["GET", "slow"]).unwrap();
    fake.wait_for(SOON, |request| request.text() == "GET slow").unwrap();
    // Late enough to be answered within its own half second, early enough to be behind the slow one.
    assert!(one.silent_for(Duration::from_millis(350)).unwrap());
    two.send(&["GET", "behind"]).unwrap();
    assert!(one.read_reply().unwrap().is_error("upstream failure"));
    assert_eq!(two.read_reply().unwrap(), Reply::bulk("behind"));
}

/// A1. Many late replies and many clients: nobody ever reads another's value.
#[test]
fn undermoon_57f6c0f_nobody_reads_anothers_value() {
    let mut count = 0;
    let fake = Fake::cluster_of_one(move |request| {
        let key = request.text().strip_prefix("GET ")?.to_owned();
        count += 1;
        let bytes = format!("${}\r\n{key}\r\n", key.len()).into_bytes();
        Some(if count % 40 == 0 { Act::SendAfter(Duration::from_millis(120), bytes) } else { Act::Send(bytes) })
    })
    .unwrap();
    let proxy = one_worker(&before_fake(&fake).setting("op_timeout: 0.1s"));
    let address = proxy.address();
    let late: usize = std::thread::scope(|scope| {
        let ask = |id: usize| {
            let mut client = Client::connect(address).unwrap();
            let one = |round: usize| {
                let key = format!("key-{id}-{round}");
                match client.call(&["GET", &key]).unwrap() {
                    Reply::Error(text) => assert!(text.starts_with("upstream failure"), "{text}"),
                    reply => {
                        assert_eq!(reply, Reply::bulk(&key));
                        return 0;
                    }
                }
                1
            };
            (0..60).map(one).sum::<usize>()
        };
        let clients: Vec<_> = (0..6).map(|id| scope.spawn(move || ask(id))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(late > 0, "nothing was ever late: the test shows nothing");
}

/// A2. Clients that leave with requests in flight: those who stay read only their own replies, and nothing is leaked.
#[test]
fn camellia_89_client_leaves_with_requests_in_flight() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut setup = server.client().unwrap();
    for i in 0..50 {
        setup.ask(&format!("SET left:{i} left-{i}")).unwrap();
    }
    setup.ask("SET stays mine").unwrap();
    let mut steady = proxy.client().unwrap();
    let wanted: Vec<[String; 2]> = (0..50).map(|i| ["GET".to_owned(), format!("left:{i}")]).collect();
    let bytes: Vec<u8> = wanted.iter().flat_map(|command| testkit::client::encode(command)).collect();
    let mut before = 0;
    for round in 0..600 {
        let mut leaver = proxy.client().unwrap();
        leaver.send_raw(&bytes).unwrap();
        drop(leaver);
        assert_eq!(steady.ask("GET stays").unwrap(), Reply::bulk("mine"), "round {round}");
        if round == 100 {
            before = proxy.rss().unwrap();
        }
    }
    wait::until_true("all have left", SOON, || {
        let gauge = |name: &str| proxy.stat(&format!("redis.redis_stats.downstream_{name}"));
        Ok(gauge("cx_active")? == Some(1) && gauge("rq_active")? == Some(0))
    })
    .unwrap();
    let after = proxy.rss().unwrap();
    assert!(after < before + 8 * MIB, "from {before} to {after} bytes");
    assert_eq!(counter(&proxy, "cluster.redis.upstream_rq_active"), 0);
}

/// A2. The same with an upstream that takes its time: the places of those who left stay until their replies have come.
#[test]
fn overlord_fa2eca6_places_of_those_who_left_are_kept() {
    let fake = late(Duration::from_millis(300));
    let proxy = one_worker(&before_fake(&fake));
    let mut stays = proxy.client().unwrap();
    let begun = || fake.requests().iter().filter(|request| request.text() == "GET slow").count();
    for round in 1..=3 {
        let mut leaver = proxy.client().unwrap();
        leaver.send_raw(b"GET slow\r\nGET a\r\nGET b\r\n").unwrap();
        wait::until_true("it has begun", SOON, || Ok(begun() == round)).unwrap();
        drop(leaver);
        let replies = stays.pipeline(&[["GET", "mine"], ["GET", "too"]]).unwrap();
        assert_eq!(replies, [Reply::bulk("mine"), Reply::bulk("too")]);
    }
    assert_eq!(fake.requests().iter().filter(|request| request.name() == "GET").count(), 3 * 5);
    assert!(counter(&proxy, "cluster.redis.upstream_rq_cancelled") >= 3);
}

/// A6. Every kind of reply, one behind the other, and a push message between them that nobody asked for.
#[test]
fn twemproxy_and_shotover_1532_every_kind_of_reply_keeps_its_place() {
    let kinds = [
        ("error", "-ERR something\r\n"),
        ("nil", "$-1\r\n"),
        ("nil-array", "*-1\r\n"),
        ("empty", "$0\r\n\r\n"),
        ("empty-array", "*0\r\n"),
        ("nested", "*3\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*0\r\n*-1\r\n"),
        ("errors-inside", "*2\r\n-ERR inside\r\n+OK\r\n"),
        ("pushed", ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n$3\r\nown\r\n"),
        ("integer", ":-9223372036854775808\r\n"),
        ("line-breaks", "$6\r\n\r\n-a\r\n\r\n"),
        ("simple", "+\r\n"),
    ];
    let fake = Fake::cluster_of_one(move |request| {
        let key = request.text().strip_prefix("GET ")?.to_owned();
        kinds.iter().find(|(name, _)| *name == key).map(|(_, reply)| Act::say(reply))
    })
    .unwrap();
    let proxy = one_worker(&before_fake(&fake));
    let mut client = proxy.client().unwrap();
    let expected: String = kinds
        .iter()
        .map(|(_, reply)| reply.trim_start_matches(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"))
        .collect();
    let commands: String = kinds.iter().map(|(name, _)| format!("GET {name}\r\n")).collect();
    for round in 0..5 {
        client.send_raw(commands.as_bytes()).unwrap();
        let replies = client.read_replies(kinds.len()).unwrap();
        let mut at = 0;
        for reply in replies {
            let (own, length) = Reply::parse(&expected.as_bytes()[at..]).unwrap().unwrap();
            assert_eq!(reply, own, "round {round}");
            at += length;
        }
        assert_eq!(at, expected.len());
    }
}
