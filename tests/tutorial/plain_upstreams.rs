//! Upstreams that are no Redis Cluster.

use super::*;

fn before(servers: &[Server], fields: &str) -> Proxy {
    let members: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    slotmesh(&Bootstrap::new().static_cluster("redis", &members, fields))
}

#[test]
fn one_node_serves_keys_of_all_slots_together() {
    let servers = servers(1);
    let proxy = before(&servers, "");
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("MSET a 1 b 2 c 3").unwrap(), Reply::ok());
    assert_eq!(client.ask("MGET c b a").unwrap(), Reply::bulks(&["3", "2", "1"]));
    assert_eq!(client.ask("RENAME a z").unwrap(), Reply::ok());
    assert_eq!(client.ask("SUNIONSTORE d1 d2 d3").unwrap(), Reply::Int(0));
    assert_eq!(client.ask("EXISTS b c z none").unwrap(), Reply::Int(3));
    let monitor = Monitor::start(&servers[0]).unwrap();
    client.ask("MGET b c z").unwrap();
    assert_eq!(monitor.count("mget b c z").unwrap(), 1, "nothing to cut");
}

#[test]
fn a_name_leads_to_one_node() {
    for kind in ["LOGICAL_DNS", "STRICT_DNS"] {
        let server = Server::start().unwrap();
        let text = format!(
            "  - name: redis\n    connect_timeout: 0.5s\n    type: {kind}\n    dns_lookup_family: V4_ONLY\n    \
             load_assignment: {{cluster_name: redis, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
             {{socket_address: {{address: localhost, port_value: {}}}}}}}}}]}}]}}\n",
            server.port()
        );
        let proxy = slotmesh(&Bootstrap::new().cluster_text(&text));
        let mut client = proxy.client().unwrap();
        assert_eq!(client.ask("SET named 1").unwrap(), Reply::ok(), "{kind}");
        assert_eq!(server.ask("GET named").unwrap(), Reply::bulk("1"), "{kind}");
    }
}

/// 300 keys over three nodes: every one is found again, one by one and all at once, and no node is left out.
fn keys_are_spread(fields: &str) {
    let servers = servers(3);
    let proxy = before(&servers, fields);
    let mut client = proxy.client().unwrap();
    let keys: Vec<String> = (0..300).map(|i| format!("key-{i}")).collect();
    let sets: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, key]).collect();
    assert!(client.pipeline(&sets).unwrap().iter().all(|reply| *reply == Reply::ok()));
    for key in &keys {
        assert_eq!(client.call(&["GET", key]).unwrap(), Reply::bulk(key), "{key}");
    }
    let all = |name: &str| [name].into_iter().chain(keys.iter().map(String::as_str)).map(str::to_owned).collect();
    let mget: Vec<String> = all("MGET");
    assert_eq!(client.call(&mget).unwrap(), Reply::bulks(&keys));
    let sizes: Vec<i64> = servers.iter().map(|server| server.ask("DBSIZE").unwrap().text().parse().unwrap()).collect();
    assert_eq!(sizes.iter().sum::<i64>(), 300);
    assert!(sizes.iter().all(|size| *size > 30), "{sizes:?}");
    let listed = client.ask("KEYS *").unwrap();
    assert_eq!(listed.items().len(), 300, "KEYS asks every node");
    let del: Vec<String> = all("DEL");
    assert_eq!(client.call(&del).unwrap(), Reply::Int(300));
    // A second proxy finds them in the same places.
    assert_eq!(client.pipeline(&sets).unwrap().len(), 300);
    let other = before(&servers, fields);
    assert_eq!(other.client().unwrap().call(&mget).unwrap(), Reply::bulks(&keys));
}

#[test]
fn ring_hash_spreads_keys_and_finds_them_again() {
    keys_are_spread("lb_policy: RING_HASH");
}

#[test]
fn maglev_spreads_keys_and_finds_them_again() {
    keys_are_spread("lb_policy: MAGLEV");
}

#[test]
fn hash_tags_keep_keys_together_where_they_are_enabled() {
    let servers = servers(3);
    let members: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    let config =
        Bootstrap::new().setting("enable_hashtagging: true").static_cluster("redis", &members, "lb_policy: MAGLEV");
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    for i in 0..60 {
        client.ask(&format!("SET {{tag}}{i} x")).unwrap();
    }
    let sizes: Vec<String> = servers.iter().map(|server| server.ask("DBSIZE").unwrap().text()).collect();
    assert_eq!(sizes.iter().filter(|size| *size == "60").count(), 1, "{sizes:?}");
    assert_eq!(client.ask("RENAME {tag}1 {tag}new").unwrap(), Reply::ok());
}
