use super::{Secrets, yaml, yaml_with};
use crate::testing::whole;
use crate::{load_file, load_text};
use meant::{Filter, KeyPart, Proxy};
use std::path::Path;
use std::sync::Arc;

fn file(name: &str) -> Proxy {
    bare(load_file(&Path::new("tests/files").join(name)).unwrap_or_else(|problems| panic!("{problems}")))
}

/// Without what a node says of itself for a control plane, which is not printed.
fn bare(mut proxy: Proxy) -> Proxy {
    proxy.node.message.clear();
    proxy
}

#[test]
fn what_is_printed_means_the_same() {
    for name in ["tutorial.yaml", "everything.yaml", "chains.yaml", "sidecar.json"] {
        let proxy = file(name);
        let printed = yaml_with(&proxy, Secrets::Shown);
        let again = bare(load_text(&printed, "printed").unwrap_or_else(|problems| panic!("{problems}\n{printed}")));
        assert_eq!(whole(&again), whole(&proxy), "{printed}");
        assert_eq!(yaml_with(&again, Secrets::Shown), printed);
    }
    assert_eq!(yaml(&Proxy::default()), "static_resources: {}\n");
    assert!(load_text(&yaml(&Proxy::default()), "printed").is_ok());
}

#[test]
fn secrets_are_hidden_unless_asked_for() {
    let proxy = file("everything.yaml");
    let printed = yaml(&proxy);
    for secret in ["ada", "bygone", "/v8=", "pass: word", "p1", "u1"] {
        assert!(yaml_with(&proxy, Secrets::Shown).contains(secret), "{secret}");
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    assert_eq!(printed.matches("[redacted]").count(), 8);
    assert!(load_text(&printed, "printed").is_ok());
}

#[test]
fn what_passes_through_is_given_a_cluster() {
    let mut proxy = file("chains.yaml");
    let mut listener = (*proxy.listeners[0]).clone();
    let mut chain = (*listener.chains[0]).clone();
    let Filter::Tcp(filter) = &mut chain.filter else { panic!("{chain:?}") };
    filter.to = meant::Way::Original;
    listener.chains[0] = chain.into();
    proxy.listeners[0] = listener.into();
    let again = load_text(&yaml(&proxy), "printed").unwrap_or_else(|problems| panic!("{problems}"));
    let Filter::Tcp(filter) = &again.listeners[0].chains[0].filter else { panic!("{again:?}") };
    let meant::Way::Clusters(clusters) = &filter.to else { panic!("{filter:?}") };
    let cluster = again.clusters.iter().find(|cluster| cluster.name == clusters[0].0).unwrap();
    assert_eq!(cluster.discovery, meant::Discovery::Original);
}

#[test]
fn a_listener_that_has_lost_its_chains_can_be_loaded() {
    let mut proxy = file("tutorial.yaml");
    let mut listener = (*proxy.listeners[0]).clone();
    listener.chains.clear();
    proxy.listeners[0] = listener.into();
    let again = load_text(&yaml(&proxy), "printed").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again.listeners[0].all_chains().count(), 1);
}

#[test]
fn odd_text_survives() {
    let mut proxy = file("tutorial.yaml");
    let odd = [
        "yes",
        "5",
        "010",
        "~",
        "1e3",
        ".inf",
        "a: b",
        "#x",
        "'",
        "\"",
        "\u{1}\n\t",
        "é\u{1f600}",
        "- a",
        "*a",
        "-",
        "%",
    ];
    for text in odd {
        let mut listener = (*proxy.listeners[0]).clone();
        let mut chain = (*listener.chains[0]).clone();
        if let Filter::Redis(filter) = &mut chain.filter {
            let filter = Arc::make_mut(filter);
            filter.stat_prefix = text.to_owned();
            let route = filter.routes.catch_all.as_mut().unwrap();
            route.key_format =
                Some(meant::KeyFormat { parts: vec![KeyPart::Text(text.as_bytes().to_vec()), KeyPart::Key] });
        }
        listener.chains[0] = chain.into();
        proxy.listeners[0] = listener.into();
        let printed = yaml(&proxy);
        let again = bare(load_text(&printed, "printed").unwrap_or_else(|problems| panic!("{problems}\n{printed}")));
        assert_eq!(whole(&again), whole(&proxy), "{text}");
    }
}
