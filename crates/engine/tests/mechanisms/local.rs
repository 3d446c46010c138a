//! What the proxy answers itself.

use super::MS;
use crate::world::World;
use crate::world::node::Answer;
use crate::world::pipe::End;
use crate::world::setup::Setup;
use meant::{Auth, Secret};

fn world() -> (World, usize) {
    let mut setup = Setup::cluster(3, 0);
    setup.wall = 1_700_000_000_000_000;
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

fn guarded(user: Option<&str>, passwords: &[&str]) -> (World, usize) {
    let mut setup = Setup::cluster(3, 0);
    setup.proxies[0].auth =
        Auth { username: user.map(Secret::new), passwords: passwords.iter().map(|text| Secret::new(*text)).collect() };
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

/// Each request and its reply, in one pipeline; the nodes see nothing of it.
fn converse(world: &mut World, client: usize, lines: &[(&str, &str)]) {
    let requests: Vec<_> = lines.iter().map(|(request, _)| *request).collect();
    world.send(client, &requests.join("\n"));
    world.run(10 * MS);
    let replies = world.heard(client);
    for ((request, expected), reply) in lines.iter().zip(&replies) {
        assert_eq!(reply, expected, "{request}");
    }
    assert_eq!(replies.len(), lines.len());
    assert!((0..3).all(|node| world.seen(node).is_empty()));
    world.assert_idle();
}

#[test]
fn ping_echo_select_and_what_is_unknown() {
    let (mut world, client) = world();
    converse(
        &mut world,
        client,
        &[
            ("PING", "+PONG"),
            ("ping hello", "hello"),
            ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
            ("ECHO hello", "hello"),
            ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
            ("SELECT 0", "+OK"),
            ("SELECT 1", "-ERR SELECT is not allowed in cluster mode"),
            ("SELECT x", "-ERR value is not an integer or out of range"),
            ("FOO", "-ERR unknown command 'FOO', with args beginning with: "),
            ("foo bar baz", "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' "),
            ("BLPOP list 0", "-ERR unknown command 'BLPOP', with args beginning with: 'list' '0' "),
            ("GET", "-ERR wrong number of arguments for 'get' command"),
            ("GET a b", "-ERR wrong number of arguments for 'get' command"),
        ],
    );
    let stats = &world.filter_stats[0];
    assert_eq!((stats.splitter_unsupported_command.get(), stats.splitter_invalid_request.get()), (3, 4));
    assert_eq!(stats.downstream_rq_total.get(), 13);
}

#[test]
fn time_is_seconds_and_the_microseconds_within_the_second() {
    let (mut world, client) = world();
    world.run(5_000 * MS);
    let reply = world.ask(client, "TIME");
    let (seconds, micros) = reply.trim_matches(['[', ']']).split_once(", ").unwrap();
    assert_eq!(seconds, "1700000005");
    assert!(micros.parse::<u32>().unwrap() < 1000);
}

#[test]
fn client_names_and_numbers() {
    let (mut world, client) = world();
    let other = world.connect();
    converse(
        &mut world,
        client,
        &[
            ("CLIENT ID", ":1"),
            ("CLIENT GETNAME", "nil"),
            ("client setname worker-1", "+OK"),
            ("CLIENT GETNAME", "worker-1"),
            ("CLIENT SETNAME a\tb", "-ERR Client names cannot contain spaces, newlines or special characters."),
            ("CLIENT SETNAME ", "+OK"),
            ("CLIENT GETNAME", "nil"),
            ("CLIENT SETINFO LIB-NAME redis-py", "+OK"),
            ("CLIENT SETINFO", "-ERR wrong number of arguments for 'client|setinfo' command"),
            ("CLIENT KILL", "-ERR CLIENT subcommand 'KILL' is not supported by the proxy"),
            ("CLIENT", "-ERR wrong number of arguments for 'client' command"),
        ],
    );
    assert_eq!(world.ask(other, "CLIENT ID"), ":2");
    world.leave(other, End::Reset);
    world.run(5 * MS);
    let third = world.connect();
    assert_eq!(world.ask(third, "CLIENT ID"), ":3");
}

#[test]
fn cluster_shows_one_node_where_the_client_connected() {
    let (mut world, client) = world();
    let id = "736c6f746d657368000000000000000000000000";
    converse(
        &mut world,
        client,
        &[
            ("CLUSTER KEYSLOT foo", ":12182"),
            ("cluster keyslot {user1000}.following", ":3443"),
            ("CLUSTER SLOTS", &format!("[[:0, :16383, [10.9.8.7, :6379, {id}, []]]]")),
            (
                "CLUSTER SHARDS",
                &format!(
                    "[[slots, [:0, :16383], nodes, [[id, {id}, ip, 10.9.8.7, endpoint, 10.9.8.7, role, master, health, \
                 online, port, :6379, replication-offset, :0]]]]"
                ),
            ),
            ("CLUSTER NODES", &format!("{id} 10.9.8.7:6379@16379 myself,master - 0 0 1 connected 0-16383\n")),
            ("CLUSTER MYID", "-ERR cluster subcommand 'myid' is not supported"),
            ("CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command"),
        ],
    );
    world.teach(0, "CLUSTER INFO", Answer::Say("$2\r\nok\r\n"));
    world.teach(1, "CLUSTER INFO", Answer::Say("$2\r\nok\r\n"));
    world.teach(2, "CLUSTER INFO", Answer::Say("$2\r\nok\r\n"));
    assert_eq!(world.ask(client, "CLUSTER INFO"), "ok");
}

#[test]
fn hello_is_for_protocol_2() {
    let (mut world, client) = world();
    let version = env!("CARGO_PKG_VERSION");
    let greeting =
        format!("[server, redis, version, {version}, proto, :2, id, :1, mode, standalone, role, master, modules, []]");
    converse(
        &mut world,
        client,
        &[
            ("HELLO", &greeting),
            ("HELLO 2", &greeting),
            ("hello 2 setname me", &greeting),
            ("CLIENT GETNAME", "me"),
            ("HELLO 3", "-NOPROTO unsupported protocol version"),
            ("HELLO x", "-NOPROTO unsupported protocol version"),
            ("HELLO 2 AUTH u", "-ERR Syntax error: HELLO AUTH requires <username> <password>"),
            ("HELLO 2 SETNAME", "-ERR Syntax error: HELLO SETNAME requires a <clientname>"),
            ("HELLO 2 SETNAME a SETNAME b", "-ERR Syntax error: HELLO SETNAME specified more than once"),
            ("HELLO 2 BAD", "-ERR Syntax error: unknown HELLO option 'BAD'"),
            ("HELLO 2 AUTH u p", "-ERR Client sent AUTH, but no username-password pair is set"),
        ],
    );
    assert_eq!(world.filter_stats[0].downstream_rq_noproto.get(), 2);
}

const NOAUTH: &str = "-NOAUTH Authentication required.";
const WRONG: &str = "-WRONGPASS invalid username-password pair";
const INVALID: &str = "-ERR invalid password";

#[test]
fn without_a_password_auth_is_an_error() {
    let (mut world, client) = guarded(None, &[]);
    converse(
        &mut world,
        client,
        &[
            ("AUTH x", "-ERR Client sent AUTH, but no password is set"),
            ("AUTH u x", "-ERR Client sent AUTH, but no username-password pair is set"),
            ("AUTH a b c", "-ERR syntax error"),
            ("AUTH", "-ERR wrong number of arguments for 'auth' command"),
            ("PING", "+PONG"),
        ],
    );
}

#[test]
fn with_passwords_any_of_them_opens_and_a_wrong_one_closes_again() {
    let (mut world, client) = guarded(None, &["one", "two"]);
    converse(
        &mut world,
        client,
        &[
            ("PING", NOAUTH),
            ("GET a", NOAUTH),
            ("MGET a b", NOAUTH),
            ("KEYS *", NOAUTH),
            ("HELLO 2", NOAUTH),
            ("CLUSTER SLOTS", NOAUTH),
            ("FOO", "-ERR unknown command 'FOO', with args beginning with: "),
            ("AUTH three", INVALID),
            ("AUTH one", "+OK"),
            ("PING", "+PONG"),
            ("AUTH wrong", INVALID),
            ("PING", NOAUTH),
            ("AUTH default two", "+OK"),
            ("AUTH somebody two", WRONG),
            ("PING", NOAUTH),
            ("AUTH  two", "+OK"),
            ("PING", "+PONG"),
        ],
    );
    world.send(client, "HELLO 2 AUTH default wrong\nHELLO 2 AUTH default one\nPING");
    world.run(5 * MS);
    let heard = world.heard(client);
    assert_eq!((heard[0].as_str(), heard[2].as_str()), (WRONG, "+PONG"));
    assert!(heard[1].starts_with("[server, redis, "));
}

#[test]
fn with_a_user_name_a_password_alone_is_not_enough() {
    let (mut world, client) = guarded(Some("app"), &["secret"]);
    converse(
        &mut world,
        client,
        &[
            ("AUTH secret", INVALID),
            ("AUTH default secret", WRONG),
            ("AUTH app wrong", WRONG),
            ("PING", NOAUTH),
            ("AUTH app secret", "+OK"),
            ("PING", "+PONG"),
        ],
    );
}

#[test]
fn whether_one_client_has_authenticated_says_nothing_of_another() {
    let (mut world, client) = guarded(None, &["one"]);
    let other = world.connect();
    world.send(client, "AUTH one\nGET a");
    world.send(other, "GET a");
    world.run(5 * MS);
    assert_eq!(world.heard(client), ["+OK", "nil"]);
    assert_eq!(world.heard(other), [NOAUTH]);
}

#[test]
fn quit_comes_after_all_replies_and_nothing_after_it() {
    let (mut world, client) = world();
    world.ask(client, "SET foo bar");
    world.seen(2);
    world.teach(2, "GET foo", Answer::Late(20 * MS));
    world.send(client, "GET foo\nPING\nQUIT\nSET foo baz\nPING");
    world.run(10 * MS);
    assert_eq!(world.heard(client), Vec::<String>::new());
    world.run(20 * MS);
    assert_eq!(world.heard(client), ["bar", "+PONG", "+OK"]);
    assert_eq!(world.clients[client].ended, Some(End::Finished));
    assert_eq!(world.seen(2), ["GET foo"]);
    assert_eq!(world.engine.clients(), 0);
    world.assert_idle();
}

#[test]
fn an_error_quotes_no_more_than_redis_does_and_stays_on_its_line() {
    let (mut world, client) = world();
    let long = "x".repeat(100_000);
    for request in
        [format!("{long} {long}"), format!("CLIENT {long}"), format!("CLUSTER {long}"), format!("HELLO 2 {long}")]
    {
        assert!(world.ask(client, &request).len() < 400, "{}", &request[..10]);
    }
    world.heard(client);
    world.send_raw(client, b"*2\r\n$3\r\nFOO\r\n$6\r\na\r\n+OK\r\n");
    world.run(5 * MS);
    assert_eq!(world.heard(client), ["-ERR unknown command 'FOO', with args beginning with: 'a  +OK' "]);
}
