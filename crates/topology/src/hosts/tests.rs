use crate::hosts::written;
use crate::testing::{BALANCE, Watched, Zone, cluster, endpoint, watch, watch_with};
use meant::{Cluster, Discovery, Endpoint};
use slots::View;
use std::time::Duration;

fn strict(endpoints: Vec<Endpoint>) -> Cluster {
    cluster(Discovery::StrictDns(BALANCE), endpoints)
}

fn logical(name: &str) -> Cluster {
    cluster(Discovery::LogicalDns(BALANCE), vec![endpoint(name, 6379)])
}

async fn attempts(watched: &Watched, more: u64) {
    let before = watched.stats.update_attempt.get();
    watched.until("more reads", |watched| watched.stats.update_attempt.get() > before + more).await;
}

#[tokio::test]
async fn what_is_written_is_published_at_once() {
    let named = Endpoint { weight: 3, hostname: Some("redis-1".into()), ..endpoint("10.0.0.1", 6380) };
    let watched = watch(cluster(Discovery::Static(BALANCE), vec![endpoint("::1", 6379), named]));
    let status = watched.handle.status();
    assert!(status.ready && status.left_out.is_empty());
    let Some(View::Hosts(hosts)) = status.view else { panic!("no hosts") };
    assert_eq!(hosts[0].address.to_string(), "[::1]:6379");
    assert_eq!((hosts[1].weight, hosts[1].name.as_deref()), (3, Some("redis-1")));
    assert_eq!(watched.stats.membership_total.get(), 2);
}

#[test]
fn a_name_where_an_address_is_needed_is_told() {
    let (hosts, left_out) = written(
        &cluster(Discovery::Static(BALANCE), Vec::new()),
        &[endpoint("redis", 6379), endpoint("10.0.0.1", 6379)],
    );
    assert_eq!(hosts.len(), 1);
    assert_eq!(left_out, ["redis:6379: not an IP address, which this cluster needs"]);
}

#[tokio::test]
async fn delivered_members_of_the_first_priority_are_published_when_they_change() {
    let source = meant::ConfigSource::Ads;
    let discovery = Discovery::Delivered { service: "redis".into(), source, balance: BALANCE };
    let watched = watch(cluster(discovery, Vec::new()));
    assert!(!watched.handle.status().ready);
    let later = Endpoint { priority: 1, ..endpoint("10.0.0.2", 6379) };
    watched.handle.deliver(&[later.clone(), endpoint("10.0.0.1", 6379)]);
    let addresses = || match watched.handle.status().view {
        Some(View::Hosts(hosts)) => hosts.iter().map(|host| host.address.to_string()).collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    assert_eq!(addresses(), ["10.0.0.1:6379"]);
    watched.handle.deliver(&[endpoint("10.0.0.1", 6379), later.clone()]);
    assert_eq!(watched.stats.update_no_rebuild.get(), 1);
    watched.handle.deliver(&[later]);
    assert_eq!(addresses(), ["10.0.0.2:6379"]);
    watched.handle.deliver(&[]);
    assert_eq!(addresses(), Vec::<String>::new());
}

#[tokio::test]
async fn strict_dns_takes_every_address_of_every_name() {
    let zone = Zone::default();
    zone.set("a", &["10.0.0.3", "10.0.0.1"]);
    zone.set("b", &["10.0.0.2", "10.0.0.1"]);
    let endpoints = vec![endpoint("b", 6379), endpoint("a", 6379), endpoint("10.0.0.9", 7)];
    let mut watched = watch_with(strict(endpoints), &zone);
    let expected = ["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379", "10.0.0.9:7"];
    assert_eq!(watched.hosts().await, expected);
    let Some(View::Hosts(hosts)) = watched.handle.status().view else { panic!("no hosts") };
    assert_eq!(
        hosts.iter().map(|host| host.name.as_deref()).collect::<Vec<_>>(),
        [Some("b"), Some("b"), Some("a"), None]
    );
}

#[tokio::test]
async fn strict_dns_follows_its_names() {
    let zone = Zone::default();
    zone.set("a", &["10.0.0.1"]);
    let mut watched = watch_with(strict(vec![endpoint("a", 6379)]), &zone);
    assert_eq!(watched.hosts().await, ["10.0.0.1:6379"]);
    attempts(&watched, 2).await;
    assert!(watched.quiet(), "nothing new, nothing published");
    assert!(watched.stats.update_no_rebuild.get() > 0);
    zone.set("a", &["10.0.0.2"]);
    assert_eq!(watched.hosts().await, ["10.0.0.2:6379"]);
    assert_eq!(watched.stats.membership_change.get(), 2);
}

#[tokio::test]
async fn a_name_that_vanishes_keeps_its_addresses() {
    let zone = Zone::default();
    zone.set("a", &["10.0.0.1"]);
    zone.set("b", &["10.0.0.2"]);
    let mut watched = watch_with(strict(vec![endpoint("a", 6379), endpoint("b", 6379)]), &zone);
    watched.hosts().await;
    zone.forget("a");
    watched.until_problem("a: no such host").await;
    assert!(watched.quiet() && watched.handle.status().ready);
    zone.set("a", &[]);
    watched.until_problem("a: it has no address").await;
    assert!(watched.stats.update_empty.get() > 0);
    zone.set("b", &["10.0.0.3"]);
    assert_eq!(watched.hosts().await, ["10.0.0.1:6379", "10.0.0.3:6379"], "the others go on");
}

#[tokio::test]
async fn names_unknown_at_the_start_are_tried_again() {
    let zone = Zone::default();
    let slow = Cluster { dns_refresh_rate: Duration::from_secs(3600), ..strict(vec![endpoint("a", 6379)]) };
    let mut watched = watch_with(slow, &zone);
    watched.until_problem("a: no such host").await;
    assert!(!watched.handle.status().ready);
    zone.set("a", &["10.0.0.1"]);
    assert_eq!(watched.hosts().await, ["10.0.0.1:6379"]);
    watched.until("ready", |watched| watched.handle.status().ready).await;
}

#[tokio::test]
async fn logical_dns_takes_the_first_address_and_keeps_it() {
    let zone = Zone::default();
    zone.set("a", &["10.0.0.2", "10.0.0.1"]);
    let mut watched = watch_with(logical("a"), &zone);
    assert_eq!(watched.hosts().await, ["10.0.0.2:6379"]);
    zone.set("a", &["10.0.0.1", "10.0.0.2"]);
    attempts(&watched, 2).await;
    assert!(watched.quiet());
    zone.set("a", &["10.0.0.4", "10.0.0.1"]);
    assert_eq!(watched.hosts().await, ["10.0.0.4:6379"]);
}

#[tokio::test]
async fn a_dropped_handle_ends_the_task() {
    let zone = Zone::default();
    zone.set("a", &["10.0.0.1"]);
    let mut watched = watch_with(strict(vec![endpoint("a", 6379)]), &zone);
    watched.hosts().await;
    let stats = std::sync::Arc::clone(&watched.stats);
    drop(watched);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let attempts = stats.update_attempt.get();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stats.update_attempt.get(), attempts);
}
