//! B: bytes that are no request, and how much of them is kept.

use super::*;

/// Sends `bytes` on a connection of its own; what comes back until the proxy closes it.
fn until_closed(proxy: &Proxy, bytes: &[u8]) -> String {
    let mut client = proxy.client().unwrap();
    client.send_raw(bytes).unwrap();
    String::from_utf8_lossy(&client.read_to_close().unwrap()).into_owned()
}

/// B10. Sizes that are not allowed: an error that says so, the end of that client, and of no other.
#[test]
fn undermoon_261_impossible_sizes_are_refused() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut other = proxy.client().unwrap();
    let before = proxy.rss().unwrap();
    for bytes in [
        "*2\r\n$3\r\nGET\r\n$536870913\r\n",
        "*2\r\n$3\r\nGET\r\n$-1\r\n",
        "*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n",
        "*2\r\n$3\r\nGET\r\n$x\r\n",
        "*2\r\n$3\r\nGET\r\n$\r\n",
        "*2\r\n:3\r\n",
        "*2147483648\r\n",
        "*99999999999999999999\r\n",
        "*x\r\n",
        "*1048577\r\n",
    ] {
        let said = until_closed(&proxy, bytes.as_bytes());
        assert!(said.starts_with("-ERR Protocol error"), "{bytes:?}: {said:?}");
        assert_eq!(said.matches("\r\n").count(), 1, "{bytes:?}: {said:?}");
        assert_eq!(other.ask("SET alive 1").unwrap(), Reply::ok());
    }
    assert!(proxy.rss().unwrap() < before + 8 * MIB);
    assert_eq!(counter(&proxy, "redis.redis_stats.downstream_cx_protocol_error"), 10);
}

/// B10. Sizes that are allowed and announced only: memory follows what has come, not what was promised.
#[test]
fn undermoon_261_announced_sizes_cost_nothing() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut other = proxy.client().unwrap();
    other.ask("SET alive 1").unwrap();
    let before = proxy.rss().unwrap();
    let mut half: Vec<Client> = (0..200).map(|_| proxy.client().unwrap()).collect();
    for (i, client) in half.iter_mut().enumerate() {
        let promise =
            if i % 2 == 0 { "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n" } else { "*1048576\r\n$4\r\nMGET\r\n" };
        client.send_raw(promise.as_bytes()).unwrap();
        client.send_raw(&[b'x'; 1000][..if i % 2 == 0 { 1000 } else { 0 }]).unwrap();
    }
    assert_eq!(other.ask("GET alive").unwrap(), Reply::bulk("1"));
    let after = proxy.rss().unwrap();
    assert!(after < before + 16 * MIB, "200 half requests cost {} KiB", (after - before) >> 10);
}

/// Half a frame and then nothing, from many: they cost little, and nobody else notices.
#[test]
fn half_frames_for_ever_cost_little() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut other = proxy.client().unwrap();
    other.ask("SET alive 1").unwrap();
    let before = proxy.rss().unwrap();
    let parts: [&[u8]; 6] =
        [b"*", b"*3\r\n", b"*2\r\n$3\r\nGE", b"GET ke", b"*2\r\n$3\r\nGET\r\n$5\r\nab", b"SET \"unfinished"];
    let mut half: Vec<Client> = (0..400).map(|_| proxy.client().unwrap()).collect();
    for (client, part) in half.iter_mut().zip(parts.iter().cycle()) {
        client.send_raw(part).unwrap();
    }
    let times = (0..200).map(|_| timed(|| assert_eq!(other.ask("GET alive").unwrap(), Reply::bulk("1"))).0).collect();
    assert!(p99(times) < Duration::from_millis(100));
    let after = proxy.rss().unwrap();
    assert!(after < before + 16 * MIB, "400 half frames cost {} KiB", (after - before) >> 10);
    assert_eq!(counter(&proxy, "redis.redis_stats.downstream_cx_active"), 401);
}

/// A line without an end is given up at 64 KiB, as Redis does.
#[test]
fn lines_without_an_end_are_given_up() {
    let proxy = one_worker(&before_the_cluster());
    for start in ["GET ", "*", "*2\r\n$"] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend([b'7'; 70_000]);
        let said = until_closed(&proxy, &bytes);
        assert!(said.starts_with("-ERR Protocol error"), "{start}: {said:?}");
    }
}

/// What was asked before the bad bytes is answered first (Envoy drops those replies).
#[test]
fn envoy_protocol_error_keeps_earlier_replies() {
    let fake = Fake::cluster_of_one(|request| {
        (request.name() == "GET").then(|| Act::SendAfter(Duration::from_millis(200), b"$4\r\nlate\r\n".to_vec()))
    })
    .unwrap();
    let proxy = one_worker(&before_fake(&fake));
    let said = until_closed(&proxy, b"GET a\r\nPING\r\n*x\r\nPING\r\n");
    let (good, bad) = said.split_at("$4\r\nlate\r\n+PONG\r\n".len());
    assert_eq!(good, "$4\r\nlate\r\n+PONG\r\n");
    assert!(bad.starts_with("-ERR Protocol error") && bad.matches("\r\n").count() == 1, "{bad:?}");
}

/// B11. A browser that was led here: only its own connection ends, and nothing of the request's body is carried out.
#[test]
fn codis_1453_post_and_host_lines_end_only_that_client() {
    let proxy = one_worker(&before_the_cluster());
    let mut other = proxy.client().unwrap();
    for head in ["POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n", "Host: localhost\r\n", "post /\r\n"] {
        let smuggled = format!("{head}Content-Length: 23\r\n\r\nSET codis:smuggled 1\r\n");
        let mut client = proxy.client().unwrap();
        client.send_raw(smuggled.as_bytes()).unwrap();
        let closed = client.read_to_close();
        assert!(closed.is_ok(), "{head:?}: the connection stays open: {closed:?}");
        assert_eq!(other.ask("EXISTS codis:smuggled").unwrap(), Reply::Int(0), "{head:?}");
    }
}

/// B12. A wrong number of arguments is answered here, in Redis's words, and nobody falls over.
#[test]
fn overlord_137_corvus_b5f8043_wrong_arity_is_a_local_error() {
    let (proxy, server) = (one_worker(&before_the_cluster()), Server::start().unwrap());
    let (mut ours, mut theirs) = (proxy.client().unwrap(), server.client().unwrap());
    let lines = [
        "GET",
        "GET a b",
        "SET",
        "SET a",
        "MGET",
        "DEL",
        "EXISTS",
        "TOUCH",
        "UNLINK",
        "MSET",
        "MSET a",
        "MSET a 1 b",
        "EVAL",
        "EVAL x",
        "HSET a",
        "HSET a b",
        "ZADD a 1",
        "LPUSH a",
        "EXPIRE a",
        "PING a b",
        "ECHO",
        "ECHO a b",
        "SELECT",
        "AUTH",
        "TIME now",
        "SCAN",
        "KEYS",
        "OBJECT",
        "BITOP AND",
        "XADD a",
        "CLIENT",
        "CONFIG",
        "FLUSHALL a b c",
    ];
    let mut differing = Vec::new();
    for line in lines {
        let (own, theirs) = (ours.ask(line).unwrap(), theirs.ask(line).unwrap());
        assert!(matches!(own, Reply::Error(_)), "{line}: {own:?}");
        if own != theirs {
            differing.push(format!("{line}: {own:?}, Redis: {theirs:?}"));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    assert_eq!(ours.ask("PING").unwrap(), Reply::simple("PONG"), "the connection is as good as before");
}

/// Before it has authenticated, a client may make the proxy keep no more than Redis would.
#[test]
fn an_unauthenticated_client_is_bounded() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server).filter("downstream_auth_passwords: [{inline_string: secret}]"));
    let long = format!("*2\r\n$4\r\nAUTH\r\n${}\r\n", 16 * 1024 + 1);
    for bytes in [long.as_str(), "*11\r\n$4\r\nAUTH\r\n", "*1000000\r\n"] {
        let said = until_closed(&proxy, bytes.as_bytes());
        assert!(said.starts_with("-ERR Protocol error"), "{bytes:?}: {said:?}");
    }
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("AUTH secret").unwrap(), Reply::ok());
    let value = vec![b'x'; 100_000];
    assert_eq!(client.call(&[b"SET".as_slice(), b"k", &value]).unwrap(), Reply::ok(), "afterwards it may");
    let keys: Vec<&str> = ["MGET"].into_iter().chain(["k"; 20]).collect();
    assert_eq!(client.call(&keys).unwrap().items().len(), 20);
}

/// B. A node that sends what is no reply: whoever waits reads so, and the next request is served anew.
#[test]
fn nonsense_from_a_node_is_an_error_and_not_passed_on() {
    let deep = "*1\r\n".repeat(100);
    for nonsense in ["hello\r\n", "$x\r\n", "*-2\r\n", "$600000000\r\n", "$3\r\nabcdef\r\n", deep.as_str()] {
        let nonsense = nonsense.to_owned();
        let shown = nonsense.escape_default().to_string();
        let fake = Fake::cluster_of_one(move |request| match request.text().as_str() {
            "SET bad 1" => Some(Act::say(&nonsense)),
            _ => None,
        })
        .unwrap();
        let proxy = one_worker(&before_fake(&fake));
        let (mut client, mut other) = (proxy.client().unwrap(), proxy.client().unwrap());
        assert_eq!(other.ask("SET good 1").unwrap(), Reply::ok());
        let reply = client.ask("SET bad 1").unwrap();
        assert!(reply.is_error("upstream failure") && reply.text().contains("no reply"), "{shown}: {reply:?}");
        assert_eq!(counter(&proxy, "cluster.redis.upstream_cx_protocol_error"), 1, "{shown}");
        wait::until_true("the node serves again", SOON, || Ok(other.ask("SET good 2")? == Reply::ok())).unwrap();
        assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG"));
    }
}
