//! The filter that does not look at the bytes.

use super::*;

const LISTENER: &str = r#"  - name: plain
    address: {socket_address: {address: 127.0.0.1, port_value: $LISTEN2}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: plain
          cluster: through
"#;

fn through(target: &str) -> Proxy {
    let server = vec![target.to_owned()];
    let config = Bootstrap::new().static_cluster("redis", &server, "").static_cluster("through", &server, "");
    slotmesh(&config.listener_text(LISTENER))
}

#[test]
fn bytes_pass_unseen_in_both_directions() {
    let server = Server::start().unwrap();
    let proxy = through(&server.address().to_string());
    let mut client = Client::connect(proxy.listener(1)).unwrap();
    assert_eq!(client.ask("MULTI").unwrap(), Reply::ok(), "the Redis filter would not know it");
    assert_eq!(client.ask("SET tx 1").unwrap(), Reply::simple("QUEUED"));
    assert_eq!(client.ask("EXEC").unwrap(), Reply::Array(vec![Reply::ok()]));
    let large = vec![b'x'; 5 << 20];
    assert_eq!(client.call(&[b"SET".as_slice(), b"large", &large]).unwrap(), Reply::ok());
    assert_eq!(client.ask("GET large").unwrap(), Reply::bulk(&large));
    assert_eq!(client.ask("SUBSCRIBE channel").unwrap().items()[0], Reply::bulk("subscribe"));
    server.ask("PUBLISH channel hello").unwrap();
    assert_eq!(client.read_reply().unwrap(), Reply::bulks(&["message", "channel", "hello"]));
    assert!(counter(&proxy, "tcp.plain.downstream_cx_rx_bytes_total") > 5 << 20);
}

#[test]
fn an_end_on_one_side_ends_the_other() {
    let server = Server::start().unwrap();
    let proxy = through(&server.address().to_string());
    let mut client = Client::connect(proxy.listener(1)).unwrap();
    client.send_raw(b"PING\r\n").unwrap();
    client.finish_sending().unwrap();
    assert_eq!(client.read_to_close().unwrap(), b"+PONG\r\n");
    let mut client = Client::connect(proxy.listener(1)).unwrap();
    assert_eq!(client.ask("QUIT").unwrap(), Reply::ok());
    assert_eq!(client.read_to_close().unwrap(), b"");
}

#[test]
fn without_a_node_the_client_is_closed() {
    let port = testkit::ports::one().unwrap();
    let proxy = through(&format!("127.0.0.1:{port}"));
    let mut client = Client::connect(proxy.listener(1)).unwrap();
    assert_eq!(client.read_to_close().unwrap(), b"");
}
