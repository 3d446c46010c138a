//! B: bytes, however they come.

use super::*;

/// Lets the proxy read what was sent so far: on its one worker, this client's turn comes after.
fn barrier(other: &mut Client) {
    assert_eq!(other.ask("PING").unwrap(), Reply::simple("PONG"));
}

/// B8. Requests cut at every byte: what has come so far is read before the rest is sent.
#[test]
fn twemproxy_19_request_cut_at_every_byte() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let (mut client, mut other) = (proxy.client().unwrap(), proxy.client().unwrap());
    let mut wire = Vec::new();
    wire.extend(testkit::client::encode(&[b"SET".as_slice(), b"cut", b"\r\n$3\r\n\0*1\r\n"]));
    wire.extend(b"GET cut\r\n\r\nGET 'cut'\n");
    wire.extend(testkit::client::encode(&["MGET", "cut", "", "none"]));
    wire.extend(b"*0\r\n*1\r\n$4\r\nPING\r\n");
    let value = Reply::bulk(b"\r\n$3\r\n\0*1\r\n");
    let mget = Reply::Array(vec![value.clone(), Reply::NilBulk, Reply::NilBulk]);
    let expected = [Reply::ok(), value.clone(), value, mget, Reply::simple("PONG")];
    for cut in 1..wire.len() {
        client.send_raw(&wire[..cut]).unwrap();
        barrier(&mut other);
        client.send_raw(&wire[cut..]).unwrap();
        assert_eq!(client.read_replies(5).unwrap(), expected, "cut at {cut}");
    }
    for byte in &wire {
        client.send_raw(std::slice::from_ref(byte)).unwrap();
        barrier(&mut other);
    }
    assert_eq!(client.read_replies(5).unwrap(), expected, "byte by byte");
}

/// B8. Replies cut at every byte. The fake sends the first part for the first request and the rest for the second.
#[test]
fn twemproxy_19_reply_cut_at_every_byte() {
    let wire = "*2\r\n$5\r\nab\r\nc\r\n*2\r\n:-12\r\n$-1\r\n$3\r\nend\r\n";
    let fake = Fake::cluster_of_one(move |request| {
        let (name, cut) =
            request.text().strip_prefix("GET ")?.split_once(':').map(|(n, c)| (n.to_owned(), c.to_owned()))?;
        let cut: usize = cut.parse().ok()?;
        Some(Act::say(if name == "first" { &wire[..cut] } else { &wire[cut..] }))
    })
    .unwrap();
    let proxy = one_worker(&before_fake(&fake));
    let (mut client, mut other) = (proxy.client().unwrap(), proxy.client().unwrap());
    let first = Reply::Array(vec![Reply::bulk("ab\r\nc"), Reply::Array(vec![Reply::Int(-12), Reply::NilBulk])]);
    for cut in 1..wire.len() {
        client.send_raw(format!("GET first:{cut}\r\n").as_bytes()).unwrap();
        fake.wait_for(SOON, |request| request.text() == format!("GET first:{cut}")).unwrap();
        barrier(&mut other);
        barrier(&mut other);
        client.send_raw(format!("GET second:{cut}\r\n").as_bytes()).unwrap();
        assert_eq!(client.read_replies(2).unwrap(), [first.clone(), Reply::bulk("end")], "cut at {cut}");
    }
}

/// B8. Values two bytes below to two bytes above every buffer's size and its multiples, alone and in a pipeline.
#[test]
fn twemproxy_403_values_around_the_sizes_of_buffers() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    let body = |size: usize| -> Vec<u8> { (0..size).map(|i| (i % 251) as u8).collect() };
    let sizes = [1 << 12, 1 << 14, 1 << 15, 1 << 16, (1 << 16) * 2, (1 << 16) * 3, 1 << 20];
    for size in sizes.into_iter().flat_map(|size| size - 2..=size + 2) {
        let value = body(size);
        assert_eq!(client.call(&[b"SET".as_slice(), b"sized", &value]).unwrap(), Reply::ok(), "{size}");
        assert_eq!(client.ask("GET sized").unwrap(), Reply::bulk(&value), "{size}");
    }
    // The whole frame at the size of a buffer, so that the next one begins with the next read.
    for size in (1 << 16) - 40..(1 << 16) + 4 {
        let value = body(size);
        let commands = [
            vec![b"SET".as_slice(), b"sized:a", &value],
            vec![b"GET".as_slice(), b"sized:a"],
            vec![b"PING".as_slice()],
            vec![b"STRLEN".as_slice(), b"sized:a"],
        ];
        let replies = client.pipeline(&commands).unwrap();
        let expected = [Reply::ok(), Reply::bulk(&value), Reply::simple("PONG"), Reply::Int(size as i64)];
        assert_eq!(replies, expected, "{size}");
    }
}

#[test]
fn large_values_pass_whole() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    let value: Vec<u8> = (0..32 << 20).map(|i: usize| (i * 7 % 256) as u8).collect();
    assert_eq!(client.call(&[b"SET".as_slice(), b"large", &value]).unwrap(), Reply::ok());
    assert_eq!(client.ask("GET large").unwrap(), Reply::bulk(&value));
    assert_eq!(client.call(&[b"MSET".as_slice(), b"large:a", &value, b"large:b", b"small"]).unwrap(), Reply::ok());
    let reply = client.ask("MGET large:b large:a large:c").unwrap();
    assert_eq!(reply, Reply::Array(vec![Reply::bulk("small"), Reply::bulk(&value), Reply::NilBulk]));
    assert_eq!(client.ask("DEL large large:a large:b").unwrap(), Reply::Int(3));
}

/// B9. Keys that other proxies stumbled over: their slot must be the server's, so that nothing is ever redirected.
#[test]
fn shotover_242_odd_keys_find_their_node() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    let keys: [&[u8]; 17] = [
        b"",
        b"\0",
        b"a\0b",
        b"{}",
        b"{}a",
        b"{",
        b"a{",
        b"{a",
        b"}",
        b"}{",
        b"{}{a}",
        b"{{a}}",
        b"a{b}c{d}",
        b"\r\n",
        b"\xff\xfe",
        b"*1\r\n$4\r\nQUIT\r\n",
        &every_byte,
    ];
    for key in keys {
        let shown = key.escape_ascii().to_string();
        assert_eq!(client.call(&[b"SET".as_slice(), key, key]).unwrap(), Reply::ok(), "{shown}");
        assert_eq!(client.call(&[b"GET".as_slice(), key]).unwrap(), Reply::bulk(key), "{shown}");
        let slot = cluster().node(0).client().unwrap().call(&[b"CLUSTER".as_slice(), b"KEYSLOT", key]).unwrap();
        let owner = cluster().owner(slot.text().parse().unwrap()).unwrap();
        let held = cluster().node(owner).client().unwrap().call(&[b"GET".as_slice(), key]).unwrap();
        assert_eq!(held, Reply::bulk(key), "{shown}");
        assert_eq!(client.call(&[b"CLUSTER".as_slice(), b"KEYSLOT", key]).unwrap(), slot, "{shown}");
    }
    let mget: Vec<&[u8]> = [b"MGET".as_slice()].into_iter().chain(keys).collect();
    assert_eq!(client.call(&mget).unwrap(), Reply::bulks(&keys));
    assert_eq!(counter(&proxy, "cluster.redis.upstream_internal_redirect_succeeded_total"), 0);
}

/// B9. Inline commands as a person types them, in any case of letters, with bare LF, quotes and blank lines.
#[test]
fn inline_commands_are_understood_as_redis_does() {
    let (proxy, server) = (slotmesh(&before_the_cluster()), Server::start().unwrap());
    let lines: [&[u8]; 14] = [
        b"set inline:a 1\r\n",
        b"GET inline:a\n",
        b"\r\n\n\r\ngEt inline:a\r\n",
        b"   sEt   inline:b    2   \r\n",
        b"get inline:b\n\n\n",
        b"SET \"inline:c d\" 'e f'\r\n",
        b"GET \"inline:c d\"\r\n",
        b"SET inline:e \"\\x41\\n\\\"\"\r\n",
        b"GET inline:e\r\n",
        b"mget inline:a inline:b inline:e\r\n",
        b"PING\r\n",
        b"ping hello\n",
        b"echo 'it''s'\r\n",
        b"del inline:a inline:b \"inline:c d\" inline:e\r\n",
    ];
    for line in lines {
        let shown = line.escape_ascii();
        let ask = |mut client: Client| {
            client.send_raw(line).unwrap();
            client.finish_sending().unwrap();
            client.read_to_close().unwrap().escape_ascii().to_string()
        };
        assert_eq!(ask(proxy.client().unwrap()), ask(server.client().unwrap()), "{shown}");
    }
}

/// B9. The case of a command's name is the client's business.
#[test]
fn names_in_any_case_are_the_same_command() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("sEt cased 1").unwrap(), Reply::ok());
    assert_eq!(client.ask("mGeT cased cased:none").unwrap(), Reply::Array(vec![Reply::bulk("1"), Reply::NilBulk]));
    assert_eq!(client.ask("Client Id").unwrap(), client.ask("CLIENT ID").unwrap());
    assert_eq!(client.ask("dEl cased cased:none").unwrap(), Reply::Int(1));
}

/// What a client sent before it closed its half is answered, then the connection ends.
#[test]
fn a_client_that_only_closes_its_sending_half_is_answered() {
    let proxy = slotmesh(&before_the_cluster());
    for round in 0..200 {
        let mut client = proxy.client().unwrap();
        client.send_raw(b"PING\r\nGET half:none\r\nPING\r\n").unwrap();
        client.finish_sending().unwrap();
        assert_eq!(client.read_to_close().unwrap(), b"+PONG\r\n$-1\r\n+PONG\r\n", "round {round}");
    }
    let active = || proxy.stat("redis.redis_stats.downstream_cx_active");
    wait::until_true("nobody is left", SOON, || Ok(active()? == Some(0))).unwrap();
}

/// Commands behind QUIT are not carried out.
#[test]
fn nothing_behind_quit_is_done() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    client.send_raw(b"SET quit:a 1\r\nQUIT\r\nSET quit:a 2\r\n").unwrap();
    assert_eq!(client.read_to_close().unwrap(), b"+OK\r\n+OK\r\n");
    assert_eq!(proxy.client().unwrap().ask("GET quit:a").unwrap(), Reply::bulk("1"));
}
