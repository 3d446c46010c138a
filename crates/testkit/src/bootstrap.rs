//! Configuration files for tests: Envoy's bootstrap with the usual parts written already.

use std::fmt::Write;

/// A bootstrap under construction: one Redis listener on `$LISTEN`, an admin page on `$ADMIN` (see
/// [`crate::Proxy`] for the two words), and clusters.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    filter: Vec<String>,
    settings: Vec<String>,
    routes: String,
    listeners: String,
    clusters: String,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self::new()
    }
}

impl Bootstrap {
    /// The tutorial's settings without its read policy, and every key sent to the cluster `redis`.
    pub fn new() -> Self {
        let settings = ["op_timeout: 5s", "enable_redirection: true", "enable_command_stats: true"];
        Self {
            filter: Vec::new(),
            settings: settings.map(str::to_owned).to_vec(),
            routes: "{catch_all_route: {cluster: redis}}".into(),
            listeners: String::new(),
            clusters: String::new(),
        }
    }

    /// One more field of the filter, as YAML on one line: `latency_in_micros: true`.
    pub fn filter(mut self, line: &str) -> Self {
        self.filter.push(line.to_owned());
        self
    }

    /// One field of `settings`; a field given before is replaced: `op_timeout: 1s`, `read_policy: REPLICA`.
    pub fn setting(mut self, line: &str) -> Self {
        let name = line.split(':').next().unwrap_or_default();
        self.settings.retain(|old| old.split(':').next() != Some(name));
        self.settings.push(line.to_owned());
        self
    }

    /// `prefix_routes`, as YAML on one line: `{catch_all_route: {cluster: redis}}`.
    pub fn routes(mut self, flow: &str) -> Self {
        self.routes = flow.to_owned();
        self
    }

    /// Adds the Redis Cluster `name` with these seeds (`127.0.0.1:7000`).
    pub fn redis_cluster(self, name: &str, seeds: &[String]) -> Self {
        self.redis_cluster_with(name, seeds, "cluster_refresh_rate: 1s, cluster_refresh_timeout: 1s", "")
    }

    /// As [`Bootstrap::redis_cluster`], with fields of `RedisClusterConfig` and of the cluster, each as YAML on one
    /// line.
    pub fn redis_cluster_with(mut self, name: &str, seeds: &[String], refresh: &str, fields: &str) -> Self {
        let _ = write!(
            self.clusters,
            r#"  - name: {name}
    connect_timeout: 0.5s
    lb_policy: CLUSTER_PROVIDED
    {fields}
    load_assignment: {}
    cluster_type:
      name: envoy.clusters.redis
      typed_config:
        "@type": type.googleapis.com/google.protobuf.Struct
        value: {{{refresh}}}
"#,
            load_assignment(name, seeds)
        );
        self
    }

    /// Adds the cluster `name` of these members; `fields` as YAML on one line (`lb_policy: MAGLEV`), or empty.
    pub fn static_cluster(mut self, name: &str, members: &[String], fields: &str) -> Self {
        let _ = write!(
            self.clusters,
            "  - name: {name}\n    connect_timeout: 0.5s\n    type: STATIC\n    {fields}\n    load_assignment: {}\n",
            load_assignment(name, members)
        );
        self
    }

    /// Adds a cluster as it is: lines indented by four, the first by two with its dash.
    pub fn cluster_text(mut self, text: &str) -> Self {
        self.clusters.push_str(text);
        self
    }

    /// Adds a listener as it is, indented likewise; `$LISTEN2` to `$LISTEN9` are further free ports.
    pub fn listener_text(mut self, text: &str) -> Self {
        self.listeners.push_str(text);
        self
    }

    /// The YAML.
    pub fn yaml(&self) -> String {
        let filter: String = self.filter.iter().map(|line| format!("          {line}\n")).collect();
        let settings = self.settings.join(", ");
        format!(
            r#"admin:
  address: {{socket_address: {{address: 127.0.0.1, port_value: $ADMIN}}}}
static_resources:
  listeners:
  - name: redis_listener
    address: {{socket_address: {{address: 127.0.0.1, port_value: $LISTEN}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.redis_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: redis_stats
{filter}          settings: {{{settings}}}
          prefix_routes: {}
{}  clusters:
{}"#,
            self.routes, self.listeners, self.clusters
        )
    }
}

fn load_assignment(name: &str, members: &[String]) -> String {
    let endpoints: Vec<String> = members
        .iter()
        .map(|member| {
            let (host, port) = member.rsplit_once(':').unwrap_or((member, "6379"));
            format!("{{endpoint: {{address: {{socket_address: {{address: {host:?}, port_value: {port}}}}}}}}}")
        })
        .collect();
    format!("{{cluster_name: {name}, endpoints: [{{lb_endpoints: [{}]}}]}}", endpoints.join(", "))
}
