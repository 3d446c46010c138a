//! How nodes describe themselves: names, no names at all, members that cannot be reached.

use super::*;

fn works(cluster: &Cluster) {
    let proxy = slotmesh(&before(cluster).setting("read_policy: ANY"));
    let mut client = proxy.client().unwrap();
    for i in 0..30 {
        assert_eq!(client.ask(&format!("SET shape:{i} {i}")).unwrap(), Reply::ok());
    }
    for i in 0..30 {
        let reply = client.ask(&format!("GET shape:{i}")).unwrap();
        assert!(reply == Reply::bulk(i.to_string()) || reply == Reply::NilBulk, "{reply:?}");
    }
    // MOVED has the same shape: after this, only a redirect knows where the key is.
    let key = key_where(|slot| slot < 5000);
    client.ask(&format!("SET {key} moved")).unwrap();
    cluster.migrate_slot(cluster.slot_of(&key).unwrap(), 1).unwrap();
    assert_eq!(client.ask(&format!("GETEX {key}")).unwrap(), Reply::bulk("moved"));
}

#[test]
fn nodes_that_give_no_endpoint_are_where_they_were_asked() {
    let cluster = Cluster::builder(3, 1).config("cluster-preferred-endpoint-type unknown-endpoint").start().unwrap();
    works(&cluster);
}

#[test]
fn nodes_that_give_a_hostname_are_found_by_it() {
    let cluster = Cluster::builder(3, 1)
        .config("cluster-preferred-endpoint-type hostname")
        .config("cluster-announce-hostname localhost")
        .start()
        .unwrap();
    works(&cluster);
}

/// Redis before 7 has no CLUSTER SHARDS; a replica without a usable address stands in an otherwise good reply.
#[test]
fn one_bad_replica_does_not_spoil_the_reply() {
    for bad in
        ["$0\r\n\r\n:0", "$-1\r\n:0", "$1\r\n?\r\n:0", "$18\r\nno-such-host.inval\r\n:7000", "$9\r\n127.0.0.1\r\n:0"]
    {
        let at = std::sync::Arc::new(std::sync::Mutex::new(0));
        let port = std::sync::Arc::clone(&at);
        let fake = Fake::cluster_of_one(move |request| {
            let text = request.text().to_uppercase();
            let id = "$40\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
            let port = *port.lock().unwrap();
            match text.as_str() {
                "CLUSTER SHARDS" => {
                    Some(Act::say("-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'\r\n"))
                }
                "CLUSTER SLOTS" => Some(Act::say(&format!(
                    "*1\r\n*4\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:{port}\r\n{id}*3\r\n{bad}\r\n{id}"
                ))),
                _ => None,
            }
        })
        .unwrap();
        *at.lock().unwrap() = fake.address().port();
        let proxy = slotmesh(&Bootstrap::new().redis_cluster("redis", &[fake.address().to_string()]));
        let mut client = proxy.client().unwrap();
        assert_eq!(client.ask("SET a 1").unwrap(), Reply::ok(), "{bad:?}");
    }
}
