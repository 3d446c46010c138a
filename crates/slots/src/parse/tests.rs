//! Replies are written here as nested text (`[0 5 ["10.0.0.1" 6379]]`), turned into RESP2 or RESP3, and read.

mod notation;

use super::{Unusable, shards, slots};
use crate::described::{Described, Flaw, LeftOut, Missing};
use crate::{Slot, Topology};
use notation::{resp2, resp3};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

fn peer() -> SocketAddr {
    "192.0.2.7:6379".parse().unwrap()
}

/// The only name server there is.
fn find(name: &str) -> Option<IpAddr> {
    match name {
        "one.example" => Some([10, 0, 0, 1].into()),
        "two.example" => Some([10, 0, 0, 2].into()),
        _ => None,
    }
}

type Read = fn(&[u8], SocketAddr) -> Result<Described, Unusable>;

/// The shards as `first slot: primary < replicas`, and what was left out.
fn outline(read: Read, reply: &[u8]) -> (Vec<String>, Vec<String>) {
    let (map, left_out) = read(reply, peer()).unwrap().resolve(find);
    (lines(&map), left_out.iter().map(ToString::to_string).collect())
}

fn lines(map: &Topology) -> Vec<String> {
    let address = |index| map.node(index).address.to_string();
    let line = |(range, shard)| {
        let shard = map.shard(shard);
        let replicas: Vec<_> = shard.replicas.iter().copied().map(address).collect();
        format!("{range} {} < {}", address(shard.primary), replicas.join(" ")).trim_end_matches([' ', '<']).to_owned()
    };
    map.ranges().map(line).collect()
}

#[track_caller]
fn check(read: Read, reply: &str, expected: &[&str], left_out: &[&str]) {
    for encoded in [resp2(reply), resp3(reply)] {
        let (lines, omitted) = outline(read, &encoded);
        assert_eq!(lines, expected, "{reply}");
        assert_eq!(omitted, left_out, "{reply}");
    }
}

#[test]
fn slots_with_two_three_and_four_elements_a_node() {
    for tail in ["", " id", " id {}", " id []", " id {} more"] {
        let reply =
            format!("[[0 8191 [10.0.0.1 6379{tail}] [10.0.0.3 6380{tail}]] [8192 16383 [10.0.0.2 6379{tail}]]]");
        check(slots, &reply, &["0-8191 10.0.0.1:6379 < 10.0.0.3:6380", "8192-16383 10.0.0.2:6379"], &[]);
    }
}

#[test]
fn slots_of_one_primary_in_several_ranges() {
    let reply = "[[0 1 [10.0.0.1 1] [10.0.0.3 3]] [2 2 [10.0.0.2 2]] [5 6 [10.0.0.1 1] [10.0.0.3 3]]]";
    check(slots, reply, &["0-1 10.0.0.1:1 < 10.0.0.3:3", "2-2 10.0.0.2:2", "5-6 10.0.0.1:1 < 10.0.0.3:3"], &[]);
    let (map, _) = slots(&resp2(reply), peer()).unwrap().resolve(find);
    assert_eq!(map.shards().len(), 2);
}

#[test]
fn a_node_that_has_met_no_other_is_the_peer() {
    // Redis 7.0.15, alone, before its first CLUSTER MEET.
    check(slots, r#"[[0 16383 ["" 6379 id {}]]]"#, &["0-16383 192.0.2.7:6379"], &[]);
    let alone = r#"[{slots [0 16383] nodes [{id x port 6379 ip "" endpoint "" role master health online}]}]"#;
    check(shards, alone, &["0-16383 192.0.2.7:6379"], &[]);
}

#[test]
fn an_unknown_endpoint_is_the_peer_with_the_port_told() {
    // Redis 7.0.15 with cluster-preferred-endpoint-type unknown-endpoint: null in SLOTS, an empty text in SHARDS.
    let ip = "{ip 10.9.9.9}";
    let reply = format!("[[0 5 [nil 7001 id {ip}] [nil 7002 id {ip}]] [6 9 [nil 7003 id {ip}]]]");
    let expected = ["0-5 192.0.2.7:7001 < 192.0.2.7:7002", "6-9 192.0.2.7:7003"];
    check(slots, &reply, &expected, &[]);
    for unknown in ["nil", r#""""#] {
        let node = |port, role| format!("{{port {port} ip 10.9.9.9 endpoint {unknown} role {role} health online}}");
        let [a, b, c] = [node(7001, "master"), node(7002, "replica"), node(7003, "master")];
        check(shards, &format!("[{{slots [0 5] nodes [{a} {b}]}} {{slots [6 9] nodes [{c}]}}]"), &expected, &[]);
    }
}

#[test]
fn a_question_mark_is_the_address_told_beside_it() {
    // Redis 7.0.15 with cluster-preferred-endpoint-type hostname, on nodes that have none.
    check(
        slots,
        "[[0 5 [? 1 id {ip 10.0.0.1}] [? 2 id {hostname two.example}] [? 3 id]]]",
        &["0-5 10.0.0.1:1 < 10.0.0.2:2 192.0.2.7:3"],
        &[],
    );
    check(shards, "[{slots [0 5] nodes [{port 1 ip 10.0.0.1 endpoint ? role master}]}]", &["0-5 10.0.0.1:1"], &[]);
    check(shards, "[{slots [0 5] nodes [{port 1 ip 10.0.0.1 role master}]}]", &["0-5 10.0.0.1:1"], &[]);
}

#[test]
fn host_names_are_resolved_and_remembered() {
    let reply = "[[0 5 [one.example 1 id {ip 10.8.8.8}] [10.0.0.2 2 id {hostname two.example}]]]";
    check(slots, reply, &["0-5 10.0.0.1:1 < 10.0.0.2:2"], &[]);
    let described = slots(&resp2(reply), peer()).unwrap();
    assert_eq!(described.names().into_iter().collect::<Vec<_>>(), ["one.example"]);
    let (map, _) = described.resolve(find);
    let names: Vec<_> = map.nodes().iter().map(|node| node.names.join(",")).collect();
    assert_eq!(names, ["one.example", "two.example"]);
}

#[test]
fn a_name_that_does_not_resolve_falls_back_on_the_address_beside_it() {
    check(slots, "[[0 5 [gone.example 1 id {ip 10.8.8.8}]]]", &["0-5 10.8.8.8:1"], &[]);
    let reply = "[[0 5 [gone.example 1]] [6 9 [10.0.0.2 2] [gone.example 3]]]";
    let why = "its host name has no address";
    let left_out = [format!("primary gone.example:1 of slots 0-5: {why}"), format!("replica gone.example:3: {why}")];
    check(slots, reply, &["6-9 10.0.0.2:2"], &[&left_out[0], &left_out[1]]);
}

#[test]
fn ipv6() {
    let expected = ["0-5 [2001:db8::1]:1 < [2001:db8::2]:2"];
    check(slots, "[[0 5 [2001:db8::1 1] [2001:DB8:0::2 2]]]", &expected, &[]);
    check(slots, r#"[[0 5 ["[2001:db8::1]" 1] ["[2001:db8::2]" 2]]]"#, &expected, &[]);
    check(slots, "[[0 5 [::ffff:10.0.0.1 1]]]", &["0-5 10.0.0.1:1"], &[]);
}

#[test]
fn elasticache() {
    // Names for endpoints, addresses beside them or nothing at all.
    let name = |n| format!("c-000{n}-001.c.abc.use1.cache.amazonaws.com");
    let reply = format!("[[0 8191 [{} 6379 id {{ip 10.0.0.1}}] [{} 6379 id {{}}]]]", name(1), name(2));
    let described = slots(&resp2(&reply), peer()).unwrap();
    let (map, left_out) = described.resolve(|asked| (asked == name(2)).then(|| [10, 0, 0, 2].into()));
    assert_eq!(lines(&map), ["0-8191 10.0.0.1:6379 < 10.0.0.2:6379"]);
    assert!(left_out.is_empty());
}

#[test]
fn one_bad_replica_does_not_spoil_the_reply() {
    // envoyproxy/envoy#21587: the whole reply was refused, so the map stayed old for ever.
    let cases = [
        (r#"["" 6379]"#, "192.0.2.7:6379: no address was told"),
        ("[nil 6379]", "192.0.2.7:6379: no address was told"),
        ("[10.0.0.3 0]", "10.0.0.3:0: no valid port was told"),
        ("[10.0.0.3 65536]", "10.0.0.3:65536: no valid port was told"),
        ("[10.0.0.3]", "?:?: it is not of a known shape"),
        ("nil", "?:?: it is not of a known shape"),
        ("7", "?:?: it is not of a known shape"),
    ];
    for (replica, why) in cases {
        let reply = format!("[[0 5 [10.0.0.1 1] {replica} [10.0.0.4 4]] [6 9 [192.0.2.7 6379]]]");
        let expected = ["0-5 10.0.0.1:1 < 10.0.0.4:4", "6-9 192.0.2.7:6379"];
        check(slots, &reply, &expected, &[&format!("replica {why}")]);
    }
}

#[test]
fn a_bad_primary_spoils_its_own_ranges_only() {
    let cases = [
        ("[0 5]", "primary ?:? of slots 0-5: no primary was told"),
        ("[0 5 [10.0.0.1 0] [10.0.0.3 3]]", "primary 10.0.0.1:0 of slots 0-5: no valid port was told"),
        ("[0 5 nil [10.0.0.3 3]]", "primary ?:? of slots 0-5: it is not of a known shape"),
        ("[5 0 [10.0.0.1 1]]", "an entry of the reply: its range of slots is not valid"),
        ("[0 16384 [10.0.0.1 1]]", "an entry of the reply: its range of slots is not valid"),
        ("[-1 5 [10.0.0.1 1]]", "an entry of the reply: its range of slots is not valid"),
        ("[a b [10.0.0.1 1]]", "an entry of the reply: its range of slots is not valid"),
        ("[]", "an entry of the reply: it is not of a known shape"),
        ("nil", "an entry of the reply: it is not of a known shape"),
    ];
    for (entry, why) in cases {
        check(slots, &format!("[{entry} [6 9 [10.0.0.2 2]]]"), &["6-9 10.0.0.2:2"], &[why]);
    }
}

fn node(port: u16, role: &str, health: &str) -> String {
    format!("{{id x{port} port {port} ip 10.0.0.1 endpoint 10.0.0.1 role {role} replication-offset 9 health {health}}}")
}

#[test]
fn shards_with_several_ranges_and_shards_without_any() {
    let [a, b, c] = [node(1, "master", "online"), node(2, "slave", "online"), node(3, "master", "online")];
    let reply = format!("[{{slots [0 5 9 9] nodes [{b} {a}]}} {{slots [] nodes [{c}]}}]");
    check(shards, &reply, &["0-5 10.0.0.1:1 < 10.0.0.1:2", "9-9 10.0.0.1:1 < 10.0.0.1:2"], &[]);
}

#[test]
fn replicas_that_cannot_serve_are_left_out() {
    let nodes = [("replica", "online"), ("replica", "fail"), ("master", "online"), ("replica", "loading")];
    let nodes: Vec<_> = (1..).zip(nodes).map(|(port, (role, health))| node(port, role, health)).collect();
    check(
        shards,
        &format!("[{{slots [0 5] nodes [{}]}}]", nodes.join(" ")),
        &["0-5 10.0.0.1:3 < 10.0.0.1:1"],
        &[r#"replica 10.0.0.1:2: its health is "fail""#, r#"replica 10.0.0.1:4: its health is "loading""#],
    );
}

#[test]
fn a_failed_primary_stays_unless_another_has_taken_over() {
    let (dead, heir) = (node(1, "master", "fail"), node(2, "replica", "online"));
    check(shards, &format!("[{{slots [0 5] nodes [{dead} {heir}]}}]"), &["0-5 10.0.0.1:1 < 10.0.0.1:2"], &[]);
    let heir = node(2, "master", "online");
    check(
        shards,
        &format!("[{{slots [0 5] nodes [{dead} {heir}]}}]"),
        &["0-5 10.0.0.1:2"],
        &[r#"replica 10.0.0.1:1: its health is "fail""#],
    );
    let twin = node(1, "master", "online");
    check(
        shards,
        &format!("[{{slots [0 5] nodes [{twin} {heir}]}}]"),
        &["0-5 10.0.0.1:1"],
        &["replica 10.0.0.1:2: its shard has another primary"],
    );
}

#[test]
fn a_bad_shard_spoils_itself_only() {
    let good = format!("{{slots [6 9] nodes [{}]}}", node(2, "master", "online"));
    let cases = [
        (
            format!("{{slots [0 5] nodes [{}]}}", node(1, "replica", "online")),
            "primary ?:? of slots 0-5: no primary was told",
        ),
        (
            "{slots [0 5] nodes [{ip 10.0.0.1 role master}]}".into(),
            "primary 10.0.0.1:? of slots 0-5: no valid port was told",
        ),
        ("{slots [0 5] nodes []}".into(), "primary ?:? of slots 0-5: no primary was told"),
        ("{slots [0 5]}".into(), "an entry of the reply: it is not of a known shape"),
        ("7".into(), "an entry of the reply: it is not of a known shape"),
    ];
    for (shard, why) in cases {
        check(shards, &format!("[{shard} {good}]"), &["6-9 10.0.0.1:2"], &[why]);
    }
    let [odd, bad] = ["an entry of the reply: its range of slots is not valid"; 2];
    let reply = format!("[{{slots [0 5 7 6 8] nodes [{}]}}]", node(1, "master", "online"));
    check(shards, &reply, &["0-5 10.0.0.1:1"], &[odd, bad]);
}

#[test]
fn the_tls_port_where_there_is_no_other() {
    check(shards, "[{slots [0 5] nodes [{tls-port 7 ip 10.0.0.1 role master}]}]", &["0-5 10.0.0.1:7"], &[]);
    check(shards, "[{slots [0 5] nodes [{tls-port 7 port 1 ip 10.0.0.1 role master}]}]", &["0-5 10.0.0.1:1"], &[]);
}

#[test]
fn an_unusable_reply_says_why() {
    let said = |reply: &[u8]| slots(reply, peer()).unwrap_err().to_string();
    assert_eq!(
        said(b"-ERR This instance has cluster support disabled\r\n"),
        "the server says: ERR This instance has cluster support disabled"
    );
    assert_eq!(said(b"+OK\r\n"), "the reply is not a list");
    assert_eq!(said(b"*-1\r\n"), "the reply is not a list");
    assert_eq!(said(b"*1\r\n*2\r\n"), "the reply ends early");
    assert_eq!(said(b"*0\r\n"), "the reply assigns no slot to anyone");
    assert_eq!(
        said(&resp2("[[0 5] [9]]")),
        "the reply assigns no slot to anyone (primary ?:? of slots 0-5: no primary was told)"
    );
    assert!(said(b"HTTP/1.1 400 Bad Request\r\n\r\n").starts_with("the reply is not RESP: "));
}

#[test]
fn refusals_that_another_command_may_pass() {
    let unknown = |text: &str| shards(text.as_bytes(), peer()).unwrap_err().is_unknown_command();
    assert!(unknown("-ERR unknown subcommand 'shards'. Try CLUSTER HELP.\r\n"));
    assert!(unknown("-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'. Try CLUSTER HELP.\r\n"));
    assert!(unknown("-ERR unknown command 'CLUSTER'\r\n"));
    assert!(unknown("-ERR cluster subcommand 'shards' is not supported\r\n"));
    assert!(unknown("-NOPERM this user has no permissions to run the 'cluster|shards' command\r\n"));
    assert!(!unknown("-ERR This instance has cluster support disabled\r\n"));
    assert!(!unknown("-NOAUTH Authentication required.\r\n"));
    assert!(!unknown("-LOADING Redis is loading the dataset in memory\r\n"));
    assert!(!unknown("*0\r\n"));
}

#[test]
fn a_long_list_of_slots_is_shortened() {
    let range = |n| crate::Range { first: Slot::new(n).unwrap(), last: Slot::new(n).unwrap() };
    let what = Missing::Primary("a:1".into(), (0..5).map(range).collect());
    let text = LeftOut { what, why: Flaw::NoPort }.to_string();
    assert_eq!(text, "primary a:1 of slots 0-0,1-1,2-2 and 2 more ranges: no valid port was told");
}

/// Pieces of replies, so that random sequences come near to being one.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            "[0 5",
            "[10.0.0.1 1]",
            "nil",
            "0",
            "16383",
            "-1",
            "?",
            "slots",
            "nodes",
            "role",
            "master",
            "port",
            "ip",
            "endpoint",
            "health",
            "fail",
            "one.example",
            r#""""#,
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
    ]
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for read in [slots as Read, shards] {
            if let Ok(described) = read(&bytes, peer()) {
                described.resolve(find);
            }
        }
    }

    #[test]
    fn near_replies_never_panic(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = format!("[{}", pieces.join(" "));
        for read in [slots as Read, shards] {
            for bytes in [resp2(&text), resp3(&text)] {
                if let Ok(described) = read(&bytes, peer()) {
                    let (map, left_out) = described.resolve(find);
                    prop_assert!(map.covered() > 0 || !left_out.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_cut_reply_ends_early(cut in 0usize..1000) {
        let whole = resp2("[[0 5 [10.0.0.1 1 id {hostname a}] [10.0.0.3 3]] [6 9 [10.0.0.2 2]]]");
        let cut = cut % whole.len();
        prop_assert_eq!(slots(&whole[..cut], peer()), Err(Unusable::Incomplete));
    }
}
