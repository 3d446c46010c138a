//! `/debug/resources`: what became of resources in files, without any API server.
use control::Schema;
use control::face::{Face, serve};
use control::files::Files;
use control::plane::Plane;
use control::status::{Board, keep};
use serde_json::Value;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use xds::server::{Server, Settings};

const FILE: &str = r"
apiVersion: v1
kind: Service
metadata: {name: redis, namespace: a}
spec: {clusterIP: 10.0.0.1, ports: [{name: tcp, port: 6379}]}
---
apiVersion: slotmesh.io/v1alpha1
kind: RedisService
metadata: {name: good, namespace: a}
spec: {host: redis}
---
apiVersion: slotmesh.io/v1alpha1
kind: RedisService
metadata: {name: bad, namespace: a}
spec: {host: rediss}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: odd, namespace: a}
spec: {configPatches: [{applyTo: NOTHING}]}
";

async fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn resources_in_files_have_conditions_on_a_page() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), FILE).unwrap();
    let plane = Arc::new(Plane::new(Arc::new(Schema::load_mesh().unwrap())));
    plane.publish(Files::new(folder.path(), None).refresh().unwrap());
    let server = Server::start(Arc::clone(&plane) as _, Settings::default());
    let board = Arc::new(Board::default());
    tokio::spawn(keep(Arc::clone(&board), Arc::clone(&plane), server.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, Face { plane, server, kube: None, board }));
    let began = Instant::now();
    let rows = loop {
        let shown: Value = serde_json::from_str(&page(port, "/debug/resources").await).unwrap();
        if shown.as_array().is_some_and(|rows| !rows.is_empty()) {
            break shown;
        }
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let row = |at: usize| {
        let (row, of) = (&rows[at], |which: usize, key: &str| rows[at]["conditions"][which][key].as_str().unwrap());
        let name = format!("{} {}", row["kind"].as_str().unwrap(), row["name"].as_str().unwrap());
        format!("{name}: {} {}, {} {}", of(0, "status"), of(0, "reason"), of(1, "status"), of(1, "reason"))
    };
    assert_eq!(
        [0, 1, 2].map(row),
        [
            "EnvoyFilter odd: False Invalid, False Invalid",
            "RedisService bad: False Invalid, False Invalid",
            "RedisService good: True Valid, Unknown NoProxies",
        ]
    );
    let message = rows[1]["conditions"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("spec.host: host rediss.a.svc.cluster.local is no service; near: redis.a"),
        "{message}"
    );
    assert!(page(port, "/").await.contains("/debug/resources"));
    assert!(page(port, "/metrics").await.contains("slotmesh_services 1"));
}
