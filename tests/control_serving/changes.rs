//! A change of a file becomes a push of what changed, and nothing else.

use crate::plane::{Plane, Sidecar};
use std::time::Duration;
use xds::Kind;
use xds::server::Dialect;

fn service(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: redis}}\nspec: {{clusterIP: {ip}, ports: [{{name: tcp, port: 6379}}]}}\n"
    )
}

fn slice(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}-1, namespace: redis, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\nendpoints: [{{addresses: [{ip}]}}]\nports: [{{name: tcp, port: 6379}}]\n"
    )
}

fn world(endpoint: &str, address: &str) -> String {
    service("a", "10.96.0.1") + &slice("a", "10.244.0.1") + &service("b", address) + &slice("b", endpoint)
}

const OF_B: &str = "outbound|6379||b.redis.svc.cluster.local";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changed_is_sent_and_a_bad_file_changes_nothing() {
    for dialect in [Dialect::Delta, Dialect::Sotw] {
        let plane = Plane::start(&[("world.yaml", &world("10.244.0.2", "10.96.0.2"))]);
        let mut sidecar = Sidecar::connect(plane.address("xds"), dialect).await;
        assert!(sidecar.has.contains_key(&(Kind::Listener, "10.96.0.2_6379".to_owned())));
        assert!(sidecar.holds(Kind::Endpoints, OF_B, "10.244.0.2"));
        // Another endpoint: one resource.
        plane.replace("world.yaml", &world("10.244.0.3", "10.96.0.2"));
        assert_eq!(sidecar.next().await, (Kind::Endpoints, vec![OF_B.to_owned()], Vec::new()));
        assert!(sidecar.holds(Kind::Endpoints, OF_B, "10.244.0.3"));
        // A file that says the same in other words: nothing.
        plane.replace("world.yaml", &format!("# The same.\n{}", world("10.244.0.3", "10.96.0.2")));
        assert!(sidecar.is_left_alone(Duration::from_millis(800)).await);
        // A bad one: it is told by file, line and field, and what was there stays.
        plane.replace("world.yaml", &world("10.244.0.4", "10.96.0"));
        let told = plane.logged("spec.clusterIP");
        let place = format!("{}:17: spec.clusterIP: `10.96.0` is no IP address", plane.at("world.yaml").display());
        assert!(told.contains("ERROR") && told.contains(&place), "{told}");
        assert!(sidecar.is_left_alone(Duration::from_millis(500)).await);
        assert_eq!(plane.json("/debug/configz")["problems"][0], place.as_str());
        assert_eq!(plane.json("/debug/configz")["services"].as_array().unwrap().len(), 2);
        // Mended, with another address: one listener comes and one goes.
        plane.replace("world.yaml", &world("10.244.0.3", "10.96.0.9"));
        let (kind, changed, removed) = sidecar.next().await;
        assert_eq!((kind, changed), (Kind::Listener, vec!["10.96.0.9_6379".to_owned()]));
        assert_eq!(removed, ["10.96.0.2_6379"]);
        plane.logged("no longer: ");
        let pushes = plane.metric("pilot_xds_pushes{type=\"lds\"}");
        assert_eq!(pushes, Some(2.0));
        let (status, log) = plane.end();
        assert!(status.success(), "{log}");
    }
}
