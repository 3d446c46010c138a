//! Who may send commands, and how nodes are greeted.

use super::*;

const WRONGPASS: &str = "WRONGPASS invalid username-password pair";
const INVALID: &str = "ERR invalid password";

fn behind(lines: &[&str]) -> (Server, Proxy) {
    let server = Server::start().unwrap();
    let config = Bootstrap::new().static_cluster("redis", &address(&server), "");
    let proxy = slotmesh(&lines.iter().fold(config, |config, line| config.filter(line)));
    (server, proxy)
}

/// Each command on the same connection, and what it is answered: an error's text, or `OK`.
fn dialogue(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        let reply = client.ask(line).unwrap();
        assert_eq!(reply.text(), *expected, "{line}");
    }
}

#[test]
fn none_is_configured() {
    let (_server, proxy) = behind(&[]);
    dialogue(
        &mut proxy.client().unwrap(),
        &[
            ("AUTH x", "ERR Client sent AUTH, but no password is set"),
            ("AUTH u x", "ERR Client sent AUTH, but no username-password pair is set"),
            ("AUTH", "ERR wrong number of arguments for 'auth' command"),
            ("SET k v", "OK"),
        ],
    );
}

#[test]
fn two_are_configured_and_each_is_enough() {
    let (_server, proxy) = behind(&["downstream_auth_passwords: [{inline_string: first}, {inline_string: second}]"]);
    let noauth = "NOAUTH Authentication required.";
    dialogue(
        &mut proxy.client().unwrap(),
        &[
            ("GET k", noauth),
            ("PING", noauth),
            ("HELLO 2", noauth),
            ("NOSUCH", "ERR unknown command 'NOSUCH', with args beginning with: "),
            ("AUTH third", INVALID),
            ("GET k", noauth),
            ("AUTH second", "OK"),
            ("SET k v", "OK"),
            ("AUTH third", INVALID),
            ("GET k", noauth),
            ("AUTH default first", "OK"),
            ("GET k", "v"),
            ("AUTH somebody first", WRONGPASS),
            ("GET k", noauth),
            ("AUTH default third", WRONGPASS),
        ],
    );
    let mut client = proxy.client().unwrap();
    let hello = client.ask("HELLO 2 AUTH default first").unwrap();
    assert_eq!(hello.items().len(), 14, "{hello:?}");
    assert_eq!(client.ask("GET k").unwrap(), Reply::bulk("v"));
    assert_eq!(client.ask("HELLO 2 AUTH default third").unwrap().text(), WRONGPASS);
}

#[test]
fn a_user_is_configured() {
    let (_server, proxy) = behind(&[
        "downstream_auth_username: {inline_string: bob}",
        "downstream_auth_passwords: [{inline_string: secret}]",
    ]);
    dialogue(
        &mut proxy.client().unwrap(),
        &[
            ("AUTH secret", INVALID),
            ("AUTH default secret", WRONGPASS),
            ("AUTH bob wrong", WRONGPASS),
            ("AUTH bob secret", "OK"),
            ("SET k v", "OK"),
        ],
    );
}

#[test]
fn one_client_is_not_authenticated_by_another() {
    let (_server, proxy) = behind(&["downstream_auth_passwords: [{inline_string: secret}]"]);
    let (mut one, mut two) = (proxy.client().unwrap(), proxy.client().unwrap());
    assert_eq!(one.ask("AUTH secret").unwrap(), Reply::ok());
    assert!(two.ask("GET k").unwrap().is_error("NOAUTH"));
    // In one write: what follows AUTH is judged after it.
    let replies = two.pipeline(&[vec!["GET", "k"], vec!["AUTH", "secret"], vec!["GET", "k"]]).unwrap();
    assert!(replies[0].is_error("NOAUTH") && replies[1..] == [Reply::ok(), Reply::NilBulk], "{replies:?}");
}

fn options(fields: &str) -> String {
    let url = "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions";
    format!("typed_extension_protocol_options: {{envoy.filters.network.redis_proxy: {{\"@type\": {url}, {fields}}}}}")
}

#[test]
fn a_node_is_greeted_with_its_password() {
    let server = Server::builder().config("requirepass upstream-secret").start().unwrap();
    let right = options("auth_password: {inline_string: upstream-secret}");
    let proxy = slotmesh(&Bootstrap::new().static_cluster("redis", &address(&server), &right));
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("SET k v").unwrap(), Reply::ok());
    let wrong = options("auth_password: {inline_string: not-the-password}");
    let proxy = slotmesh(&Bootstrap::new().static_cluster("redis", &address(&server), &wrong));
    let reply = proxy.client().unwrap().ask("GET k").unwrap();
    assert!(reply.is_error("upstream failure") && reply.text().contains("WRONGPASS"), "{reply:?}");
    assert!(!reply.text().contains("not-the-password"), "{reply:?}");
}

/// The user `default` may look after the cluster, and only `proxy` may touch data.
#[test]
fn nodes_of_a_cluster_are_greeted_with_user_and_password() {
    let guarded = Cluster::builder(2, 1)
        .config("user default on nopass ~* &* +@all -get -set")
        .config("user proxy on >upstream-secret ~* &* +@all")
        .start()
        .unwrap();
    let fields = options("auth_username: {inline_string: proxy}, auth_password: {inline_string: upstream-secret}");
    let config = Bootstrap::new().setting("read_policy: ANY").redis_cluster_with(
        "redis",
        &guarded.addresses(),
        "cluster_refresh_rate: 1s",
        &fields,
    );
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    for i in 0..20 {
        assert_eq!(client.ask(&format!("SET guarded:{i} x")).unwrap(), Reply::ok());
        let reply = client.ask(&format!("GET guarded:{i}")).unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    }
}

/// The entry for a node's address wins over the cluster's own.
#[test]
fn each_node_may_have_credentials_of_its_own() {
    let servers: Vec<Server> = ["one", "two", "three"]
        .map(|password| Server::builder().config(format!("requirepass {password}")).start().unwrap())
        .into();
    let entry = |server: &Server, password: &str| {
        let port = server.port();
        format!(
            "{{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}, auth_password: {{inline_string: {password}}}}}"
        )
    };
    let fields = options(&format!(
        "auth_password: {{inline_string: one}}, credentials: [{}, {}]",
        entry(&servers[1], "two"),
        entry(&servers[2], "three")
    ));
    let members: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    let config = Bootstrap::new().static_cluster("redis", &members, &format!("lb_policy: MAGLEV\n    {fields}"));
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    for i in 0..30 {
        assert_eq!(client.ask(&format!("SET own:{i} x")).unwrap(), Reply::ok());
    }
    for (server, password) in servers.iter().zip(["one", "two", "three"]) {
        let mut direct = server.client().unwrap();
        direct.ask(&format!("AUTH {password}")).unwrap();
        assert_ne!(direct.ask("DBSIZE").unwrap(), Reply::Int(0));
    }
}
