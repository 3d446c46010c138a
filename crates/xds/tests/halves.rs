//! The two halves against each other over real gRPC.
#![cfg(test)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use world::{World, accept, client, eventually, next, node, resources, serve, settings};
use xds::Kind::{Cluster, Endpoints, Listener};
use xds::client::{Client, Origin, Refused, Verdict, Want};
use xds::server::{Dialect, Refusal};

const BOTH: [Dialect; 2] = [Dialect::Sotw, Dialect::Delta];

fn tutorial(world: &World) {
    world.set_all([
        (Cluster, resources(Cluster, &[("a", "1"), ("b", "1"), ("c", "1")])),
        (Endpoints, resources(Endpoints, &[("a", "1"), ("b", "1"), ("c", "1")])),
        (Listener, resources(Listener, &[("l1", "1"), ("l2", "1")])),
    ]);
}

#[tokio::test]
async fn first_everything_then_only_what_changed() {
    for dialect in BOTH {
        let world = World::new();
        tutorial(&world);
        let (server, address) = serve(&world, None, None).await;
        let (client, mut updates) = client(address, dialect);
        client.want(Cluster, Want::Everything);
        assert_eq!(accept(&mut updates, Cluster).await.0, ["a", "b", "c"]);
        client.want(Endpoints, Want::named(["a", "c"]));
        assert_eq!(accept(&mut updates, Endpoints).await.0, ["a", "c"]);
        client.want(Listener, Want::Everything);
        assert_eq!(accept(&mut updates, Listener).await.0, ["l1", "l2"]);

        let before = server.metrics();
        world.set(Endpoints, resources(Endpoints, &[("a", "2"), ("b", "2"), ("c", "1")]));
        assert_eq!(accept(&mut updates, Endpoints).await, (vec!["a".to_owned()], vec![]));
        let after = server.metrics();
        assert_eq!(after.kinds[Endpoints].resources - before.kinds[Endpoints].resources, 1, "{dialect:?}");
        assert_eq!(after.kinds[Cluster].pushes, before.kinds[Cluster].pushes, "{dialect:?}");
        server.stop();
    }
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_resource_until_it_is_mended() {
    for dialect in BOTH {
        let world = World::new();
        tutorial(&world);
        let (server, address) = serve(&world, None, None).await;
        let (client, mut updates) = client(address, dialect);
        client.want(Listener, Want::Everything);
        let update = next(&mut updates).await;
        let refused = vec![Refused { name: "l2".into(), reason: "has no filter chain".to_owned() }];
        update.answer(Verdict { refused });
        let nack = eventually("a refusal", || server.proxies().first()?.lanes.first()?.nack.clone()).await;
        assert_eq!((nack.kind, &*nack.version), (Listener, "v1"));
        assert_eq!(nack.resources, ["l2".into()]);
        assert!(nack.message.contains("l2: has no filter chain"), "{}", nack.message);
        assert_eq!(client.state().borrow().refused, 1);

        world.set(Listener, resources(Listener, &[("l1", "1"), ("l2", "2")]));
        assert_eq!(accept(&mut updates, Listener).await.0, ["l2"]);
        eventually("the refusal's end", || server.proxies().first()?.lanes.first()?.nack.is_none().then_some(())).await;
        let judged = world.judged.lock().unwrap();
        assert_eq!(
            judged.iter().map(|(node, kind, _)| (node.as_str(), *kind)).collect::<Vec<_>>(),
            [("client-1.redis", Listener), ("client-1.redis", Listener)]
        );
        assert!(judged[0].2.is_some() && judged[1].2.is_none());
        server.stop();
    }
}

#[tokio::test]
async fn a_control_plane_that_comes_back_sends_only_what_is_new() {
    for dialect in BOTH {
        let world = World::new();
        tutorial(&world);
        let (server, address) = serve(&world, None, None).await;
        let (client, mut updates) = client(address, dialect);
        client.want(Cluster, Want::Everything);
        client.want(Listener, Want::Everything);
        accept(&mut updates, Cluster).await;
        accept(&mut updates, Listener).await;
        server.stop();
        let mut state = client.state();
        state.wait_for(|state| state.connected.is_none()).await.unwrap();

        world.set(Cluster, resources(Cluster, &[("a", "1"), ("b", "2")]));
        let (server, _) = serve(&world, Some(address), None).await;
        assert_eq!(accept(&mut updates, Cluster).await, (vec!["b".to_owned()], vec!["c".to_owned()]));
        state.wait_for(|state| state.streams == 2).await.unwrap();
        let answered = || Some(server.proxies().first()?.lanes.iter().filter(|lane| lane.acked.is_some()).count());
        eventually("both kinds acknowledged", || (answered()? == 2).then_some(())).await;
        // In the state of the world a proxy cannot say what it has. Its user is not troubled either way.
        let sent = server.metrics().kinds[Listener].resources;
        assert_eq!(sent, if dialect == Dialect::Delta { 0 } else { 2 }, "{dialect:?}");
        assert!(updates.try_recv().is_err());
        server.stop();
    }
}

#[tokio::test]
async fn a_withdrawn_cluster_goes_after_the_listener_that_used_it() {
    for dialect in BOTH {
        let world = World::new();
        tutorial(&world);
        let (server, address) = serve(&world, None, None).await;
        let (client, mut updates) = client(address, dialect);
        client.want(Cluster, Want::Everything);
        client.want(Listener, Want::Everything);
        accept(&mut updates, Cluster).await;
        accept(&mut updates, Listener).await;
        world.set_all([
            (Cluster, resources(Cluster, &[("a", "1"), ("b", "1"), ("new", "1")])),
            (Listener, resources(Listener, &[("l1", "uses new, not c"), ("l2", "1")])),
        ]);
        assert_eq!(accept(&mut updates, Cluster).await, (vec!["new".to_owned()], vec![]));
        assert_eq!(accept(&mut updates, Listener).await, (vec!["l1".to_owned()], vec![]));
        assert_eq!(accept(&mut updates, Cluster).await, (vec![], vec!["c".to_owned()]));
        server.stop();
    }
}

#[tokio::test]
async fn names_can_be_added_and_dropped_while_an_update_is_judged() {
    for dialect in BOTH {
        let world = World::new();
        tutorial(&world);
        let (server, address) = serve(&world, None, None).await;
        let (client, mut updates) = client(address, dialect);
        client.want(Endpoints, Want::named(["a"]));
        let first = next(&mut updates).await;
        client.want(Endpoints, Want::named(["b", "nowhere"]));
        tokio::time::sleep(Duration::from_millis(50)).await;
        first.accept();
        let (changed, removed) = accept(&mut updates, Endpoints).await;
        assert_eq!(changed, ["b"]);
        // Only the incremental protocol can say that a name does not exist.
        assert_eq!(removed, if dialect == Dialect::Delta { vec!["nowhere"] } else { vec![] });
        world.set(Endpoints, resources(Endpoints, &[("a", "2"), ("nowhere", "1")]));
        assert_eq!(accept(&mut updates, Endpoints).await.0, ["nowhere"], "{dialect:?}");
        server.stop();
    }
}

#[tokio::test]
async fn a_start_without_a_control_plane_uses_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    tutorial(&world);
    let (server, address) = serve(&world, None, None).await;
    let cached =
        || xds::client::Settings { cache: Some(folder.path().join("last-good")), ..settings(address, Dialect::Delta) };
    let (first, mut updates) = Client::start(cached());
    first.want(Cluster, Want::Everything);
    accept(&mut updates, Cluster).await;
    eventually("an acknowledgement", || server.proxies().first()?.lanes.first()?.acked.clone()).await;
    drop((first, updates));
    server.stop();
    eventually("the cache", || folder.path().join("last-good").exists().then_some(())).await;

    let (second, mut updates) = Client::start(cached());
    second.want(Cluster, Want::Everything);
    let update = next(&mut updates).await;
    assert_eq!((update.changed.len(), &update.origin), (3, &Origin::Cache));
    update.accept();
    let mut state = second.state();
    state.wait_for(|state| state.last_error.is_some()).await.unwrap();

    world.set(Cluster, resources(Cluster, &[("a", "1"), ("b", "1"), ("c", "2")]));
    let (server, _) = serve(&world, Some(address), None).await;
    assert_eq!(accept(&mut updates, Cluster).await.0, ["c"], "what the cache had is not sent again");
    server.stop();
}

#[tokio::test]
async fn a_server_that_is_not_ready_says_so_and_is_asked_again() {
    let world = World::new();
    world.refuse(Refusal::NotReady);
    let (server, address) = serve(&world, None, None).await;
    let (client, mut updates) = client(address, Dialect::Delta);
    client.want(Cluster, Want::Everything);
    let mut state = client.state();
    let error = state.wait_for(|state| state.last_error.is_some()).await.unwrap().last_error.clone().unwrap();
    assert!(error.ends_with("Unavailable: server is not ready to serve discovery information"), "{error}");
    tutorial(&world);
    assert_eq!(accept(&mut updates, Cluster).await.0.len(), 3);
    server.stop();
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    for dialect in BOTH {
        let world = World::new();
        let (server, address) = serve(&world, None, None).await;
        let (client, mut updates) = client(address, dialect);
        client.want(Listener, Want::Everything);
        assert_eq!(accept(&mut updates, Listener).await, (vec![], vec![]));
        server.stop();
    }
}

#[tokio::test]
async fn the_node_arrives_as_it_was_sent() {
    let world = World::new();
    let (server, address) = serve(&world, None, None).await;
    let (client, mut updates) = client(address, Dialect::Sotw);
    client.want(Listener, Want::Everything);
    accept(&mut updates, Listener).await;
    let proxies = server.proxies();
    assert_eq!(*proxies[0].node, node());
    assert!(server.prometheus().contains("pilot_xds{version=\"1.30.0\"} 1"));
    drop((client, updates));
    eventually("the proxy's end", || server.proxies().is_empty().then_some(())).await;
    drop(Arc::clone(&world));
    server.stop();
}
