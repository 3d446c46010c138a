use super::{Chains, Needs};
use crate::sniff::Sniffed;
use meant::{Chain, ChainMatch, Filter, Listener, Network, Sniffing, SourceType, TcpProxy, Way};
use std::net::SocketAddr;
use std::sync::Arc;

fn listener(matches: &[ChainMatch]) -> Listener {
    let tcp = TcpProxy { stat_prefix: "t".into(), to: Way::Original, idle_timeout: None, max_connect_attempts: 1 };
    let mut listener = Listener::with_one_filter("l", ([0, 0, 0, 0], 15006).into(), Filter::Tcp(tcp));
    let chain = |matches: &ChainMatch| Arc::new(Chain { matches: matches.clone(), ..(*listener.chains[0]).clone() });
    listener.chains = matches.iter().map(chain).collect();
    listener.sniffing = Sniffing { tls: Some(vec![(1, 100)]), http: Some(vec![(3306, 3307)]), ..Sniffing::default() };
    listener
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn network(text: &str) -> Network {
    let (address, bits) = text.split_once('/').unwrap();
    Network { address: address.parse().unwrap(), bits: bits.parse().unwrap() }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn tls(name: &str, protocols: &[&str]) -> Sniffed {
    Sniffed { tls: true, server_name: name.into(), protocols: strings(protocols) }
}

fn any() -> ChainMatch {
    ChainMatch::default()
}

fn choose(matches: &[ChainMatch], destination: &str, source: &str, sniffed: &Sniffed) -> Option<usize> {
    Chains::new(&listener(matches)).choose(at(destination), at(source), sniffed)
}

const PLAIN: fn() -> Sniffed = Sniffed::default;

#[test]
fn the_port_decides_first_and_there_is_no_way_back() {
    let matches = [
        any(),
        ChainMatch { destination_port: Some(6379), transport_protocol: "tls".into(), ..any() },
        ChainMatch { destinations: vec![network("10.0.0.9/32")], ..any() },
    ];
    let to = |destination, sniffed: &Sniffed| choose(&matches, destination, "10.0.0.1:999", sniffed);
    assert_eq!(to("10.0.0.9:6379", &tls("", &[])), Some(1));
    assert_eq!(to("10.0.0.9:6379", &PLAIN()), None, "the default chain's, though chain 0 would take it");
    assert_eq!(to("10.0.0.9:80", &PLAIN()), Some(2));
    assert_eq!(to("10.0.0.8:80", &PLAIN()), Some(0));
}

#[test]
fn the_longest_network_counts() {
    let to = |text| ChainMatch { destinations: vec![network(text), network("fd00::/8")], ..any() };
    let matches = [to("10.0.0.0/8"), to("10.1.0.0/16"), any()];
    let choose = |destination| choose(&matches[..], destination, "10.0.0.1:999", &PLAIN());
    assert_eq!((choose("10.1.2.3:1"), choose("10.2.2.3:1"), choose("11.0.0.1:1")), (Some(1), Some(0), Some(2)));
    assert_eq!(choose("[fd00::1]:1"), Some(0), "equally long: the first");
}

#[test]
fn names_from_the_exact_to_the_widest() {
    let names = |names: &[&str]| ChainMatch { server_names: strings(names), ..any() };
    let matches = [names(&["*.com", "other.org"]), names(&["*.example.com"]), names(&["www.example.com"]), any()];
    let to = |name| choose(&matches, "10.0.0.1:443", "10.0.0.2:999", &tls(name, &[]));
    assert_eq!(to("www.example.com"), Some(2));
    assert_eq!(to("a.b.example.com"), Some(1));
    assert_eq!((to("example.com"), to("other.org")), (Some(0), Some(0)));
    assert_eq!((to("example.org"), to("")), (Some(3), Some(3)));
    assert_eq!(choose(&matches[..3], "10.0.0.1:443", "10.0.0.2:999", &tls("", &[])), None);
}

#[test]
fn the_protocol_that_the_client_wants_most() {
    let matches = [
        ChainMatch { application_protocols: strings(&["istio", "istio-peer-exchange"]), ..any() },
        ChainMatch { application_protocols: strings(&["h2"]), ..any() },
        ChainMatch { transport_protocol: "raw_buffer".into(), ..any() },
        ChainMatch { transport_protocol: "tls".into(), ..any() },
    ];
    let to = |sniffed: &Sniffed| choose(&matches, "10.0.0.1:6379", "10.0.0.2:999", sniffed);
    // An exact transport comes before protocols: as in Envoy the chains without a transport are out.
    assert_eq!((to(&tls("", &["h2"])), to(&PLAIN())), (Some(3), Some(2)));
    let to = |sniffed: &Sniffed| choose(&matches[..2], "10.0.0.1:6379", "10.0.0.2:999", sniffed);
    assert_eq!(to(&tls("", &["h2", "istio"])), Some(1));
    assert_eq!(to(&tls("", &["x", "istio-peer-exchange", "h2"])), Some(0));
    assert_eq!((to(&tls("", &["x"])), to(&PLAIN())), (None, None));
}

#[test]
fn where_the_client_is_comes_last() {
    let matches = [
        ChainMatch { source_type: SourceType::Local, ..any() },
        ChainMatch { source_type: SourceType::External, sources: vec![network("10.9.0.0/16")], ..any() },
        ChainMatch { sources: vec![network("10.9.9.0/24")], source_ports: vec![7], ..any() },
    ];
    let from = |source| choose(&matches, "10.0.0.1:6379", source, &PLAIN());
    assert_eq!((from("127.0.0.1:9"), from("10.0.0.1:9")), (Some(0), Some(0)));
    assert_eq!((from("10.9.9.9:7"), from("10.8.0.1:9")), (Some(1), None), "no way back from 'external'");
    let from = |source| choose(&matches[2..], "10.0.0.1:6379", source, &PLAIN());
    assert_eq!((from("10.9.9.9:7"), from("10.9.9.9:8"), from("10.9.8.9:7")), (Some(0), None, None));
    let direct = [ChainMatch { direct_sources: vec![network("10.9.0.0/16")], ..any() }, any()];
    assert_eq!(choose(&direct, "10.0.0.1:1", "10.9.0.1:1", &PLAIN()), Some(0));
    assert_eq!(choose(&direct, "10.0.0.1:1", "10.8.0.1:1", &PLAIN()), Some(1));
}

#[test]
fn bytes_are_waited_for_only_where_a_chain_asks() {
    let needs = |matches: &[ChainMatch], destination| Chains::new(&listener(matches)).needs(at(destination));
    let both = Needs { tls: true, http: true };
    let http = ChainMatch { application_protocols: strings(&["http/1.1"]), ..any() };
    let named = ChainMatch { server_names: strings(&["a"]), destination_port: Some(443), ..any() };
    assert_eq!(needs(&[any()], "10.0.0.1:6379"), Needs::default());
    assert_eq!(needs(&[http.clone(), any()], "10.0.0.1:6379"), both);
    assert_eq!(needs(std::slice::from_ref(&http), "10.0.0.1:3306"), Needs { tls: true, http: false });
    assert_eq!(needs(&[http], "10.0.0.1:99"), Needs { tls: false, http: true });
    assert_eq!(needs(&[named.clone(), any()], "10.0.0.1:443"), Needs { tls: true, http: false });
    assert_eq!(needs(&[named.clone(), any()], "10.0.0.1:6379"), Needs::default(), "only another port's chain asks");
    assert!(Chains::new(&listener(&[any()])).takes_all() && Chains::new(&listener(&[])).takes_all());
    assert!(!Chains::new(&listener(&[named])).takes_all());
}
