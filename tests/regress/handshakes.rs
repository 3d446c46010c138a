//! B13: what client libraries say first. Errors are allowed where Redis's own are; silence and a closed door are not.

use super::*;

/// Sends everything at once, as libraries do, and compares each reply: `=text`, `-error prefix`, `*count`, `?` anything.
fn dialogue(proxy: &Proxy, lines: &[(&str, &str)]) {
    let mut client = proxy.client().unwrap();
    let commands: Vec<Vec<&str>> = lines.iter().map(|(line, _)| line.split(' ').collect()).collect();
    let replies = client.pipeline(&commands).unwrap();
    for ((line, expected), reply) in lines.iter().zip(&replies) {
        let (kind, rest) = expected.split_at(1);
        let fits = match kind {
            "=" => reply.text() == rest && !matches!(reply, Reply::Error(_)),
            "-" => reply.is_error(rest),
            "*" => reply.items().len() == rest.parse().unwrap(),
            _ => true,
        };
        assert!(fits, "{line}: {reply:?} instead of {expected}");
    }
    assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG"), "the connection is usable");
}

/// Lettuce begins with HELLO 3 and goes on with RESP2 when it reads NOPROTO (Envoy #17571).
#[test]
fn envoy_17571_lettuce() {
    let proxy = slotmesh(&before_the_cluster());
    dialogue(
        &proxy,
        &[
            ("HELLO 3", "-NOPROTO"),
            ("PING", "=PONG"),
            ("CLIENT SETINFO lib-name Lettuce", "=OK"),
            ("CLIENT SETINFO lib-ver 6.5.0", "=OK"),
            ("SET lettuce 1", "=OK"),
        ],
    );
}

#[test]
fn lettuce_with_resp2_and_a_name() {
    let proxy = slotmesh(&before_the_cluster());
    dialogue(
        &proxy,
        &[
            ("HELLO 2 SETNAME app", "*14"),
            ("CLIENT GETNAME", "=app"),
            ("CLIENT SETNAME other", "=OK"),
            ("CLIENT GETNAME", "=other"),
        ],
    );
}

/// StackExchange.Redis sends HELLO always since its PR 3175, then looks around; it lives with errors.
#[test]
fn shotover_535_stackexchange() {
    let proxy = slotmesh(&before_the_cluster());
    dialogue(
        &proxy,
        &[
            ("HELLO 3 SETNAME host", "-NOPROTO"),
            ("CLIENT SETNAME host", "=OK"),
            ("CLIENT SETINFO lib-name SE.Redis", "=OK"),
            ("CLIENT SETINFO lib-ver 2.8.0", "=OK"),
            ("CLIENT ID", "?"),
            ("CONFIG GET slave-read-only", "?"),
            ("CONFIG GET databases", "?"),
            ("INFO replication", "?"),
            ("INFO server", "?"),
            ("SENTINEL MASTERS", "-ERR unknown command"),
            ("CLUSTER NODES", "?"),
            ("GET __Booksleeve_TieBreak", "="),
            ("ECHO abcdefgh", "=abcdefgh"),
            ("SUBSCRIBE __Booksleeve_MasterChanged", "-ERR unknown command"),
            ("PING", "=PONG"),
        ],
    );
}

/// What RedisInsight and desktop tools ask (Envoy #38517, camellia #47).
#[test]
fn camellia_47_desktop_tools() {
    let proxy = slotmesh(&before_the_cluster());
    dialogue(
        &proxy,
        &[
            ("CLIENT SETNAME redisinsight", "=OK"),
            ("INFO", "?"),
            ("CONFIG GET databases", "?"),
            ("CLUSTER INFO", "?"),
            ("MODULE LIST", "-ERR unknown command"),
            ("COMMAND", "-ERR unknown command"),
            ("SCAN 0 MATCH * COUNT 100", "*2"),
            ("TYPE nothing", "=none"),
            ("TTL nothing", "=-2"),
            ("OBJECT ENCODING nothing", "?"),
            ("SLOWLOG LEN", "?"),
        ],
    );
}

/// go-redis and ioredis: HELLO 3 may fail, SELECT 0 must not, READONLY may.
#[test]
fn go_redis_and_ioredis() {
    let proxy = slotmesh(&before_the_cluster());
    dialogue(
        &proxy,
        &[
            ("hello 3", "-NOPROTO"),
            ("select 0", "=OK"),
            ("select 1", "-ERR"),
            ("client setinfo LIB-NAME go-redis", "=OK"),
            ("client setinfo LIB-VER 9.0", "=OK"),
            ("info", "?"),
            ("readonly", "-ERR unknown command"),
        ],
    );
}

/// A client that knows clusters asks for the nodes: it is shown one, the proxy, where it reached it.
#[test]
fn cluster_clients_are_shown_the_proxy_and_not_the_nodes() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    let own = proxy.address().port();
    for command in ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES"] {
        let reply = format!("{:?}", client.ask(command).unwrap());
        assert!(reply.contains(&own.to_string()) && reply.contains("16383"), "{command}: {reply}");
        for node in cluster().nodes() {
            assert!(!reply.contains(&node.port().to_string()), "{command}: {reply}");
        }
    }
}
