//! Prefix routes.

use super::*;

/// Plain servers as the clusters `c0`, `c1` …, behind `routes`.
fn before(servers: &[Server], routes: &str) -> Proxy {
    let config = Bootstrap::new().routes(routes);
    let add = |config: Bootstrap, (i, server): (usize, &Server)| {
        config.static_cluster(&format!("c{i}"), &address(server), "")
    };
    slotmesh(&servers.iter().enumerate().fold(config, add))
}

fn keys(server: &Server) -> Vec<String> {
    let mut keys: Vec<String> = server.ask("KEYS *").unwrap().items().iter().map(Reply::text).collect();
    keys.sort();
    keys
}

#[test]
fn the_longest_prefix_wins() {
    let servers = servers(3);
    let routes = r#"{routes: [{prefix: "user:", cluster: c0}, {prefix: "user:vip:", cluster: c1}], catch_all_route: {cluster: c2}}"#;
    let proxy = before(&servers, routes);
    let mut client = proxy.client().unwrap();
    for key in ["user:1", "user:vip:1", "user:vip", "users", "other", "user:vip:"] {
        assert_eq!(client.ask(&format!("SET {key} {key}")).unwrap(), Reply::ok());
    }
    assert_eq!(keys(&servers[0]), ["user:1", "user:vip"]);
    assert_eq!(keys(&servers[1]), ["user:vip:", "user:vip:1"]);
    assert_eq!(keys(&servers[2]), ["other", "users"]);
    let reply = client.ask("MGET other user:1 user:vip:1 nothing").unwrap();
    let expected = ["other", "user:1", "user:vip:1"].map(Reply::bulk).into_iter().chain([Reply::NilBulk]);
    assert_eq!(reply, Reply::Array(expected.collect()));
    assert_eq!(client.ask("DEL other user:1 user:vip:1 nothing").unwrap(), Reply::Int(3));
}

#[test]
fn without_a_catch_all_a_stranger_is_refused_and_others_are_served() {
    let servers = servers(1);
    let proxy = before(&servers, r#"{routes: [{prefix: "a:", cluster: c0}]}"#);
    let mut client = proxy.client().unwrap();
    assert!(client.ask("GET b:1").unwrap().is_error("no upstream host"));
    assert_eq!(client.ask("SET a:1 x").unwrap(), Reply::ok());
    let mixed = client.ask("MGET a:1 b:1 a:2").unwrap();
    let [found, refused, missing] = mixed.items() else { panic!("{mixed:?}") };
    assert!(*found == Reply::bulk("x") && refused.is_error("no upstream host") && *missing == Reply::NilBulk);
    assert!(client.ask("KEYS *").unwrap().is_error("no upstream host"), "no route takes the empty key");
    assert_eq!(client.ask("DEL b:1 a:1").unwrap(), Reply::Error("finished with 1 error(s)".into()));
}

#[test]
fn a_cluster_that_is_not_configured_is_named() {
    let servers = servers(1);
    let proxy = before(&servers, r#"{routes: [{prefix: "x:", cluster: nowhere}], catch_all_route: {cluster: c0}}"#);
    let mut client = proxy.client().unwrap();
    let reply = client.ask("GET x:1").unwrap();
    assert!(reply.is_error("no upstream host") && reply.text().contains("nowhere"), "{reply:?}");
    assert_eq!(client.ask("SET y:1 1").unwrap(), Reply::ok());
}

#[test]
fn a_removed_prefix_is_removed_from_every_key() {
    let key = |name: &str| format!("strip:{name}");
    let routes =
        r#"{routes: [{prefix: "strip:", remove_prefix: true, cluster: redis}], catch_all_route: {cluster: redis}}"#;
    let proxy = slotmesh(&before_the_cluster().routes(routes));
    let monitors = everywhere(cluster());
    let mut client = proxy.client().unwrap();
    for (name, value) in [("sa", "1"), ("sb", "2"), ("sc", "3"), ("{s}1", "4")] {
        assert_eq!(client.ask(&format!("SET {} {value}", key(name))).unwrap(), Reply::ok());
    }
    let mget = client.ask("MGET strip:sa strip:sb strip:none strip:sc").unwrap();
    let values = [Reply::bulk("1"), Reply::bulk("2"), Reply::NilBulk, Reply::bulk("3")];
    assert_eq!(mget, Reply::Array(values.to_vec()));
    assert_eq!(client.ask("RENAME strip:{s}1 strip:{s}2").unwrap(), Reply::ok());
    assert_eq!(client.ask("GET strip:{s}2").unwrap(), Reply::bulk("4"));
    assert_eq!(client.ask("GET {s}2").unwrap(), Reply::bulk("4"), "the same key, under its real name");
    assert_eq!(client.ask("DEL strip:sa strip:sb strip:sc strip:{s}2").unwrap(), Reply::Int(4));
    assert_eq!(client.ask("MSET strip:sa 5 strip:sb 6").unwrap(), Reply::ok());
    assert_eq!(client.ask("MGET sa sb").unwrap(), Reply::bulks(&["5", "6"]));
    let owner = cluster().owner_of("{s}1").unwrap();
    assert_eq!(monitors[owner].count("rename {s}1 {s}2").unwrap(), 1);
    for monitor in &monitors {
        let seen = monitor.commands().unwrap();
        let leaked = seen.iter().find(|seen| seen.text().contains("strip:"));
        assert!(leaked.is_none(), "{leaked:?}");
    }
}

#[test]
fn case_is_ignored_where_it_is_said() {
    let servers = servers(2);
    let routes =
        r#"{routes: [{prefix: "CaSe:", cluster: c0}], case_insensitive: true, catch_all_route: {cluster: c1}}"#;
    let proxy = before(&servers, routes);
    let mut client = proxy.client().unwrap();
    for key in ["case:a", "CASE:B", "CaSe:c", "cas:d"] {
        client.ask(&format!("SET {key} x")).unwrap();
    }
    assert_eq!(keys(&servers[0]), ["CASE:B", "CaSe:c", "case:a"], "keys are not changed");
    assert_eq!(keys(&servers[1]), ["cas:d"]);
}

#[test]
fn case_counts_otherwise() {
    let servers = servers(2);
    let proxy = before(&servers, r#"{routes: [{prefix: "case:", cluster: c0}], catch_all_route: {cluster: c1}}"#);
    let mut client = proxy.client().unwrap();
    client.ask("SET case:a x").unwrap();
    client.ask("SET CASE:b x").unwrap();
    assert_eq!((keys(&servers[0]), keys(&servers[1])), (vec!["case:a".into()], vec!["CASE:b".to_owned()]));
}

#[test]
fn a_key_formatter_rewrites_keys() {
    let servers = servers(1);
    let routes = r#"{routes: [{prefix: "P", remove_prefix: true, key_formatter: "x-%KEY%-y", cluster: c0}], catch_all_route: {cluster: c0, key_formatter: "all:%KEY%"}}"#;
    let proxy = before(&servers, routes);
    let mut client = proxy.client().unwrap();
    client.ask("SET Pk 1").unwrap();
    client.ask("SET k 2").unwrap();
    client.ask("MSET Pa 3 b 4").unwrap();
    assert_eq!(keys(&servers[0]), ["all:b", "all:k", "x-a-y", "x-k-y"]);
    assert_eq!(client.ask("MGET Pk k Pa b").unwrap(), Reply::bulks(&["1", "2", "3", "4"]));
}

#[test]
fn reads_go_to_another_cluster_under_read_command_policy() {
    let servers = servers(2);
    let proxy = before(&servers, "{catch_all_route: {cluster: c0, read_command_policy: {cluster: c1}}}");
    let mut client = proxy.client().unwrap();
    servers[1].ask("SET k from-the-other").unwrap();
    assert_eq!(client.ask("SET k written").unwrap(), Reply::ok());
    assert_eq!(client.ask("GET k").unwrap(), Reply::bulk("from-the-other"));
    assert_eq!(client.ask("MGET k none").unwrap().items()[0], Reply::bulk("from-the-other"));
    assert_eq!(client.ask("GETSET k again").unwrap(), Reply::bulk("written"), "GETSET writes");
    assert_eq!(servers[0].ask("GET k").unwrap(), Reply::bulk("again"));
}
