//! The tutorial on one machine: its files with the addresses of real servers put in.

use crate::plane::{example, tutorial};
use testkit::{Client, Cluster, Server, ports};

/// What the mesh settings of the test say: ports that nobody else on the machine has.
pub fn mesh() -> String {
    let free = ports::free(2).unwrap();
    format!("proxyListenPort: {}\nproxyInboundListenPort: {}\n", free[0], free[1])
}

/// The tutorial on one machine without capture: the service's address is one at which a listener can be opened, and the
/// servers are real ones.
pub struct Place {
    pub port: u16,
    pub redis: Cluster,
    pub mirror: Server,
}

impl Place {
    pub fn new() -> Self {
        Self { port: ports::one().unwrap(), redis: Cluster::start(3, 1).unwrap(), mirror: Server::start().unwrap() }
    }

    fn local(&self, text: &str) -> String {
        let mut text = text
            .replace("clusterIP: 10.96.0.10\n", "clusterIP: 127.0.0.1\n")
            .replace("10.96.0.10_6379", &format!("127.0.0.1_{}", self.port));
        for (number, address) in self.redis.addresses().iter().enumerate() {
            let port = address.rsplit_once(':').unwrap().1;
            let name = format!("redis-cluster-{number}.redis-cluster-nodes.redis.svc.cluster.local, port_value: 6379");
            text = text.replace(&name, &format!("127.0.0.1, port_value: {port}"));
        }
        text
    }

    /// A file of the examples for this place.
    pub fn file(&self, path: &str) -> String {
        let text = self.local(&example(path, "", ""));
        match path.rsplit_once('/').unwrap().1 {
            "redis-cluster.yaml" => text.replacen("port: 6379\n", &format!("port: {}\n", self.port), 1),
            "redis-mirror.yaml" => text.replace("targetPort: 6379", &format!("targetPort: {}", self.mirror.port())),
            "pods-mirror.yaml" => text.replace("podIP: 10.244.0.21", "podIP: 127.0.0.1"),
            _ => text,
        }
    }

    pub fn files(&self) -> Vec<(String, String)> {
        // A listener of a service is not opened by itself: connections come to it from `virtualOutbound`.
        let open = format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: open, namespace: istio-system}}\nspec:\n  configPatches:\n  - applyTo: LISTENER\n    match: {{listener: {{name: 127.0.0.1_{}}}}}\n    patch: {{operation: MERGE, value: {{bind_to_port: true}}}}\n",
            self.port
        );
        let names = tutorial(false).into_iter().map(|(name, _)| (name.clone(), self.file(&format!("tutorial/{name}"))));
        names.chain([("open.yaml".to_owned(), open)]).collect()
    }

    pub fn client(&self) -> Client {
        Client::connect(("127.0.0.1", self.port)).unwrap()
    }
}
