//! The ways in: pages, TLS, a mounted ConfigMap, and the end.

use crate::plane::{PATIENT, Plane, Sidecar, client_node, example, tutorial};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use testkit::{http, wait};
use xds::Kind::{Cluster, Listener};
use xds::client::{Address, Client, ClientTls, Settings, Want};
use xds::server::Dialect;

#[test]
fn every_page_answers() {
    let plane = Plane::start(&tutorial(true));
    let index = plane.page("/");
    for path in ["/ready", "/metrics", "/debug/syncz", "/debug/configz", "/debug/envoyfilters"] {
        assert!(index.contains(&format!("href=\"{path}\"")), "{path} is not in the index");
        plane.page(path);
    }
    let missing = http::get(plane.address("http"), "/debug/nothing").unwrap();
    assert!(missing.status == 404 && missing.body.contains("/debug/syncz"), "{}", missing.body);
    assert_eq!(http::post(plane.address("http"), "/ready").unwrap().status, 405);
    let config = plane.json("/debug/configz");
    let hosts: Vec<&str> =
        config["services"].as_array().unwrap().iter().map(|service| service["host"].as_str().unwrap()).collect();
    let names = ["redis-cluster", "redis-cluster-nodes", "redis-mirror"];
    assert_eq!(hosts, names.map(|name| format!("{name}.redis.svc.cluster.local")));
    assert_eq!(config["services"][0]["endpoints"], 6);
    assert_eq!(config["problems"].as_array().unwrap().len(), 0);
    assert_eq!(plane.metric("slotmesh_services"), Some(3.0));
    assert_eq!(plane.metric("slotmesh_envoyfilters"), Some(2.0));
    let (status, log) = plane.end();
    assert!(status.success() && log.contains("ending"), "{log}");
}

#[test]
fn a_folder_that_is_not_there_and_a_port_that_is_taken_are_told() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_slotmesh")).arg("control").args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, told) = run(&["--files", "/no/such/folder"]);
    assert!(status == Some(1) && told.contains("/no/such/folder cannot be read"), "{told}");
    let plane = Plane::start(&tutorial(false));
    let (taken, folder) = (plane.address("http").to_string(), plane.at("").display().to_string());
    let (status, told) = run(&["--files", &folder, "--xds", "127.0.0.1:0", "--http", &taken]);
    assert!(status == Some(1) && told.contains(&format!("cannot listen on {taken} (http)")), "{told}");
    let (status, told) = run(&["--files", &folder, "--xds-tls", "127.0.0.1:0"]);
    assert!(status == Some(2) && told.contains("--tls-cert"), "{told}");
    let no_pem = plane.at("pods.yaml").display().to_string();
    let tls = ["--xds-tls", "127.0.0.1:0", "--tls-cert", &no_pem, "--tls-key", &no_pem];
    let free = ["--files", &folder, "--xds", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let (status, told) = run(&[&free[..], &tls[..]].concat());
    assert!(status == Some(1) && told.contains("TLS of the xDS server"), "{told}");
    let (status, told) = run(&["--files", &folder, "--print"]);
    assert!(status == Some(2) && told.contains("--node"), "{told}");
}

/// A certificate authority and a certificate of it for `localhost`, as PEM: the authority, the certificate, its key.
fn certificates() -> (String, String, String) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (root, leaf.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_asks_for_a_certificate_where_it_is_told_to() {
    let (root, leaf, key) = certificates();
    let folder = tempfile::TempDir::new().unwrap();
    let put = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (leaf_file, key_file, root_file) = (put("leaf", &leaf), put("key", &key), put("root", &root));
    let mut args = vec!["--xds-tls", "127.0.0.1:0", "--tls-cert", &leaf_file, "--tls-key", &key_file];
    for asks in [false, true] {
        if asks {
            args.extend(["--tls-client-ca", &root_file]);
        }
        let plane = Plane::start_with(&tutorial(false), &args);
        let at = Address::Tcp("127.0.0.1".to_owned(), plane.address("xds_tls").port());
        let identity = asks.then(|| (leaf.clone().into_bytes(), key.clone().into_bytes()));
        let tls = ClientTls { roots: root.clone().into_bytes(), server_name: Some("localhost".to_owned()), identity };
        let settings = |tls: ClientTls| Settings { tls: Some(tls), ..Settings::new(client_node(), vec![at.clone()]) };
        let (client, mut updates) = Client::start(settings(tls.clone()));
        client.want(Cluster, Want::Everything);
        let update = tokio::time::timeout(PATIENT, updates.recv()).await.unwrap().unwrap();
        assert_eq!(update.changed.len(), 8);
        update.accept();
        drop((client, updates));
        if asks {
            let (client, mut updates) = Client::start(settings(ClientTls { identity: None, ..tls }));
            client.want(Cluster, Want::Everything);
            let refused = tokio::time::timeout(std::time::Duration::from_secs(1), updates.recv()).await;
            assert!(refused.is_err(), "nothing comes without a certificate");
        }
    }
}

/// Kubernetes mounts a ConfigMap as links to `..data/NAME`, and turns `..data` to another folder when it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_config_map_changes_as_one() {
    let plane = Plane::start::<&str, &str>(&[]);
    let put = |version: &str, vip: &str| {
        let folder = plane.at(&format!("..{version}"));
        fs::create_dir(&folder).unwrap();
        for (name, text) in tutorial(false) {
            fs::write(folder.join(name), text.replace("10.96.0.10", vip)).unwrap();
        }
        symlink(format!("..{version}"), plane.at("..data_tmp")).unwrap();
        fs::rename(plane.at("..data_tmp"), plane.at("..data")).unwrap();
    };
    put("1", "10.96.0.10");
    for (name, _) in tutorial(false) {
        symlink(format!("..data/{name}"), plane.at(&name)).unwrap();
    }
    wait::until_true("the files are read", PATIENT, || Ok(plane.metric("slotmesh_services") == Some(2.0))).unwrap();
    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    assert!(sidecar.holds(Listener, "10.96.0.10_6379", "custom-redis-cluster"));
    let reads = plane.times("the files were read");
    put("2", "10.96.0.77");
    let (kind, changed, removed) = sidecar.next().await;
    assert_eq!((kind, changed), (Listener, vec!["10.96.0.77_16379".to_owned(), "10.96.0.77_6379".to_owned()]));
    assert_eq!(removed.len(), 2);
    assert!(sidecar.holds(Listener, "10.96.0.77_6379", "custom-redis-cluster"), "service and filter changed as one");
    assert_eq!(plane.times("the files were read"), reads + 1);
    assert_eq!(plane.times("was applied nowhere"), 0, "{}", plane.log());
    assert!(!example("tutorial/redis-cluster.yaml", "", "").contains("10.96.0.77"));
}
