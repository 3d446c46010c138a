use super::{Asker, Health, Silence};
use crate::connect::Connector;
use crate::decision::{Candidate, Opinion};
use crate::testing::{Layout, SOUND, Zone, credentials, redis, topology};
use meant::{Cluster, NodeCredentials};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::{Act, Fake, Request, Server};

const PATIENCE: Duration = Duration::from_millis(300);

fn asker(cluster: Cluster) -> Asker {
    Asker::new(Connector::new(Arc::new(cluster)), Zone::default().names(), PATIENCE)
}

async fn ask(asker: &Asker, address: SocketAddr) -> Result<Opinion, Silence> {
    asker.ask(&Candidate { address, names: Vec::new() }, &BTreeSet::new()).await
}

/// A plain cluster's asker, and what it hears from a server that does `behaviour`.
async fn said(behaviour: impl FnMut(&Request) -> Act + Send + 'static) -> Result<Opinion, Silence> {
    let fake = Fake::start(behaviour).unwrap();
    ask(&asker(redis(PATIENCE, &[])), fake.address()).await
}

fn anybody() -> Layout {
    Layout::new(vec![(0, 16_383, vec![([127, 0, 0, 1], 7).into(), ([127, 0, 0, 1], 8).into()])].into())
}

#[tokio::test]
async fn a_node_describes_its_cluster() {
    let opinion = said(|request| topology(request, &anybody(), SOUND)).await.unwrap();
    assert_eq!(opinion.map.nodes().len(), 2);
    assert_eq!((opinion.down, opinion.epoch), (false, Some(3)));
}

#[tokio::test]
async fn an_old_server_is_asked_for_its_slots_from_then_on() {
    for refusal in
        ["-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'. Try CLUSTER HELP.\r\n", "-NOPERM no\r\n"]
    {
        let fake = Fake::start(move |request| match request.text().as_str() {
            "CLUSTER SHARDS" => Act::say(refusal),
            _ => topology(request, &anybody(), SOUND),
        })
        .unwrap();
        let asker = asker(redis(PATIENCE, &[]));
        for _ in 0..2 {
            assert_eq!(ask(&asker, fake.address()).await.unwrap().map.covered(), 16_384);
        }
        let asked: Vec<_> = fake.requests().iter().map(Request::text).collect();
        let expected = ["CLUSTER SHARDS", "CLUSTER INFO", "CLUSTER SLOTS", "CLUSTER SLOTS", "CLUSTER INFO"];
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn a_node_may_refuse_to_tell_its_state() {
    let opinion = said(|request| match request.text().as_str() {
        "CLUSTER INFO" => Act::say("-NOPERM no\r\n"),
        _ => topology(request, &anybody(), SOUND),
    });
    let opinion = opinion.await.unwrap();
    assert_eq!((opinion.down, opinion.epoch), (false, None));
}

#[test]
fn health() {
    let of = |text: &str| Health::of(format!("${}\r\n{text}\r\n", text.len()).as_bytes());
    assert_eq!(of("cluster_state:fail\r\ncluster_current_epoch:12\r\n"), Health { down: true, epoch: Some(12) });
    assert_eq!(of("cluster_enabled:1\r\ncluster_state:ok\r\n"), Health { down: false, epoch: None });
}

#[tokio::test]
async fn a_reply_may_come_byte_by_byte() {
    let mut replies = Vec::new();
    replies.extend_from_slice(testkit::fake::shards_reply(&anybody().lock().unwrap()).as_bytes());
    replies.extend_from_slice(format!("${}\r\n{SOUND}\r\n", SOUND.len()).as_bytes());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in replies {
            tokio::io::AsyncWriteExt::write_all(&mut stream, &[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    assert!(ask(&asker(redis(PATIENCE, &[])), address).await.is_ok());
    server.await.unwrap();
}

#[tokio::test]
async fn silence_has_a_reason() {
    let dead = testkit::ports::one().unwrap();
    let text = |said: Result<Opinion, Silence>| said.unwrap_err().to_string();
    assert!(
        text(ask(&asker(redis(PATIENCE, &[])), ([127, 0, 0, 1], dead).into()).await).starts_with("cannot connect: ")
    );
    assert_eq!(text(said(|_| Act::Ignore).await), "no answer within 300ms");
    assert_eq!(text(said(|_| Act::Close).await), "it closed the connection");
    assert_eq!(text(said(|_| Act::say("hello\r\n")).await), "its answer is not RESP: unknown reply type 'h'");
    assert_eq!(
        text(said(|_| Act::say("-ERR This instance has cluster support disabled\r\n")).await),
        "the server says: ERR This instance has cluster support disabled"
    );
    assert_eq!(text(said(|_| Act::say("*0\r\n")).await), "the reply assigns no slot to anyone");
    let nobody = said(|_| {
        Act::say(
            "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:5\r\n$5\r\nnodes\r\n*1\r\n*6\r\n$8\r\nendpoint\r\n$4\r\ngone\r\n$4\r\nport\r\n:7\r\n$4\r\nrole\r\n$6\r\nmaster\r\n",
        )
    });
    let expected = "no slot has a usable primary (primary gone:7 of slots 0-5: its host name has no address)";
    assert_eq!(text(nobody.await), expected);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let endless = said(|_| Act::Send([b"$300000000\r\n".as_slice(), &vec![b'x'; super::LONGEST]].concat()));
    // A long way for a debug build on a busy machine: either bound may be met first.
    let problem = endless.await.unwrap_err();
    assert!(matches!(problem, Silence::TooLong | Silence::Timeout(_)), "{problem}");
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_times_out() {
    // 192.0.2.0/24 is reserved for documentation: nobody answers, or the network says so at once.
    let cluster = Cluster { connect_timeout: Duration::from_millis(50), ..redis(PATIENCE, &[]) };
    let problem = ask(&asker(cluster), "192.0.2.1:6379".parse().unwrap()).await.unwrap_err();
    assert!(problem.to_string().starts_with("cannot connect"), "{problem}");
}

#[tokio::test]
async fn a_real_server_with_a_password() {
    let server = Server::builder().cluster(Duration::from_secs(1)).config("requirepass secret").start().unwrap();
    let mut client = server.client().unwrap();
    client.ask("AUTH secret").unwrap();
    client.ask("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    client.ask("ACL SETUSER proxy on >word ~* +@all").unwrap();
    let address = server.address();

    let mut cluster = redis(PATIENCE, &[]);
    let unauthenticated = ask(&asker(cluster.clone()), address).await.unwrap_err().to_string();
    assert!(unauthenticated.starts_with("the server says: NOAUTH"), "{unauthenticated}");
    cluster.upstream.credentials = credentials(None, "secret");
    assert_eq!(ask(&asker(cluster.clone()), address).await.unwrap().map.covered(), 16_384);
    cluster.upstream.credentials = credentials(None, "wrong");
    let refused = ask(&asker(cluster.clone()), address).await.unwrap_err().to_string();
    assert!(refused.starts_with("it refuses our credentials: WRONGPASS"), "{refused}");
    // What is written for this node wins.
    let entry = NodeCredentials {
        host: "127.0.0.1".into(),
        port: address.port(),
        credentials: credentials(Some("proxy"), "word"),
    };
    cluster.upstream.nodes = vec![entry];
    assert!(ask(&asker(cluster), address).await.is_ok());
}

#[tokio::test]
async fn a_password_that_nobody_asked_for_does_no_harm() {
    let server = Server::builder().cluster(Duration::from_secs(1)).start().unwrap();
    server.ask("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    let mut cluster = redis(PATIENCE, &[]);
    cluster.upstream.credentials = credentials(None, "secret");
    let opinion = ask(&asker(cluster), server.address()).await.unwrap();
    assert_eq!(opinion.map.nodes()[0].address, server.address());
}
