//! The command line as typed.

use crate::analyze::AnalyzeArgs;
use crate::completion::CompletionArgs;
use crate::config_of::ConfigArgs;
use crate::demo::DemoArgs;
use crate::explain::ExplainArgs;
use crate::status::StatusArgs;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use meant::ReadPolicy;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::available_parallelism;

/// Makes a Redis (or Valkey) Cluster look like one plain Redis at one plain address.
#[derive(Debug, Parser)]
#[command(name = "slotmesh", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the proxy, from an Envoy bootstrap file or from flags
    Proxy(ProxyArgs),
    /// Checks configuration files without running them, and prints every problem
    Validate {
        /// Envoy bootstrap files, YAML or JSON
        #[arg(short = 'c', long = "config", value_name = "FILE", required = true, num_args = 1..)]
        files: Vec<PathBuf>,
    },
    /// Serves proxies over xDS what Kubernetes and Istio resources say, or shows what one would receive
    Control(Box<ControlArgs>),
    /// Shows what EnvoyFilters make of what a proxy has, as istiod applies them, and why one does nothing
    Patch(PatchArgs),
    /// Prints typed Redis resources as EnvoyFilters of the same effect, or EnvoyFilters as typed resources
    Translate(TranslateArgs),
    /// Shows the proxies of a control plane: what each has accepted, what it refuses, and which patch is to blame
    Status(StatusArgs),
    /// Shows what a running proxy has, slotmesh or Envoy
    Config(ConfigArgs),
    /// Tells where a command would go and which resource decided it: route, slot, shard, member, mirrors
    Explain(ExplainArgs),
    /// Tells what is wrong with files of Kubernetes and Istio resources before anybody serves them
    Analyze(AnalyzeArgs),
    /// Prints what a shell needs to complete commands and flags
    Completion(CompletionArgs),
    /// Plays the tutorial against a real cluster of six nodes that it starts itself
    Demo(DemoArgs),
}

/// `slotmesh control`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("objects").required(true).multiple(true).args(["files", "kube"])))]
pub struct ControlArgs {
    /// Folder of Kubernetes and Istio resources, as YAML or JSON files
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Watches the same resources on a Kubernetes API server; with --files both count
    #[arg(long, conflicts_with = "print")]
    pub kube: bool,
    /// Where the API server is [default: $KUBECONFIG, ~/.kube/config, or the cluster that this runs in]
    #[arg(long, value_name = "FILE", requires = "kube")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kube")]
    pub context: Option<String>,
    /// Watches this namespace only, and no kinds without one; may be given more than once
    #[arg(long, value_name = "NAME", requires = "kube")]
    pub namespace: Vec<String>,
    /// Watches Secrets too, for typed resources that name one; needs the rule in deploy/rbac-secrets.yaml
    #[arg(long, requires = "kube")]
    pub secrets: bool,
    /// Does not write what became of resources into their status
    #[arg(long, requires = "kube")]
    pub no_status: bool,
    /// Makes no Events of what changes with resources
    #[arg(long, requires = "kube")]
    pub no_events: bool,
    /// Settings of the mesh, as in Istio's MeshConfig
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Prints what the node would get, and serves nothing
    #[arg(long, requires = "node")]
    pub print: bool,
    /// Envoy's node as JSON: who asks
    #[arg(long, value_name = "FILE", requires = "print")]
    pub node: Option<PathBuf>,
    /// Form of what is printed
    #[arg(short = 'o', long, value_name = "FORM", default_value = "json", value_parser = ["json"], requires = "print")]
    pub output: String,
    /// Where proxies connect (xDS, plaintext); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15010", conflicts_with = "print")]
    pub xds: SocketAddr,
    /// Where proxies connect with TLS, usually port 15012
    #[arg(long, value_name = "ADDRESS", requires = "tls_cert", conflicts_with = "print")]
    pub xds_tls: Option<SocketAddr>,
    /// The server's certificate chain for TLS, as PEM
    #[arg(long, value_name = "FILE", requires_all = ["xds_tls", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Proxies must present a certificate of one of these authorities, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Where /ready, /metrics and /debug are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15014", conflicts_with = "print")]
    pub http: SocketAddr,
    /// Where the API server has resources judged at `kubectl apply`, usually 0.0.0.0:15017
    #[arg(long, value_name = "ADDRESS", requires = "kube")]
    pub webhook: Option<SocketAddr>,
    /// The Service by which the API server reaches it [default: slotmesh-control in the own namespace, or slotmesh-system]
    #[arg(long, value_name = "NAME.NAMESPACE", requires = "webhook")]
    pub webhook_service: Option<ServiceName>,
    /// The ValidatingWebhookConfiguration that is to trust the certificate which it makes for itself
    #[arg(long, value_name = "NAME", default_value = "slotmesh", requires = "webhook")]
    pub webhook_configuration: String,
}

/// `slotmesh proxy`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("source").required(true).args(["file", "listen"])))]
pub struct ProxyArgs {
    /// Envoy bootstrap file, YAML or JSON
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub shorthand: ShorthandArgs,
    /// Threads that serve clients [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Keeps what the control plane delivers over ADS in this file, for a start without it
    #[arg(long, value_name = "FILE")]
    pub xds_cache: Option<PathBuf>,
    /// Prints the configuration as Envoy YAML instead of running it
    #[arg(long)]
    pub print_config: bool,
}

impl ProxyArgs {
    /// How many workers to run.
    pub fn workers(&self) -> usize {
        let processors = || available_parallelism().map_or(1, usize::from);
        self.workers.map_or_else(processors, usize::from)
    }
}

/// `slotmesh patch`.
#[derive(Args, Debug)]
pub struct PatchArgs {
    /// What the proxy has: its /config_dump, or {node, listeners, clusters, routes}; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub base: PathBuf,
    /// EnvoyFilters, as YAML or JSON
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub filters: Vec<PathBuf>,
    /// The proxy's node, if the base does not tell it
    #[arg(long, value_name = "FILE")]
    pub node: Option<PathBuf>,
    /// The namespace whose EnvoyFilters concern every proxy
    #[arg(long, value_name = "NAME", default_value = "istio-system")]
    pub root_namespace: String,
    /// Leaves out patches whose result the proxy would refuse, as our control plane does and istiod does not
    #[arg(long)]
    pub hold_back: bool,
    /// How the result is shown
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "json")]
    pub output: PatchOutput,
}

/// `slotmesh translate`.
#[derive(Args, Debug)]
pub struct TranslateArgs {
    /// Files or folders with the resources, and with the services that they name; `-` for standard input
    #[arg(value_name = "FILES", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// From EnvoyFilters to typed resources; what has no words there is listed, and the exit status is 2
    #[arg(long)]
    pub from_envoyfilter: bool,
    /// How the result is shown
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "yaml")]
    pub output: TranslateOutput,
}

/// What `slotmesh translate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TranslateOutput {
    /// A stream of documents
    Yaml,
    /// A list
    Json,
}

/// What `slotmesh patch` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PatchOutput {
    /// The base with its changes, and a report
    Json,
    /// The same as YAML
    Yaml,
    /// What has changed, and the report for people
    Diff,
}

/// The proxy without a file.
#[derive(Args, Clone, Debug)]
pub struct ShorthandArgs {
    /// Where clients connect, for instance 127.0.0.1:6379
    #[arg(long, value_name = "ADDRESS", requires = "cluster")]
    pub listen: Option<SocketAddr>,
    /// Some nodes of the Redis Cluster; the others are found
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', requires = "listen")]
    pub cluster: Vec<HostPort>,
    /// Which member of a shard serves reads [default: master]
    #[arg(long, value_name = "POLICY", requires = "listen")]
    pub read_policy: Option<Policy>,
    /// A Redis that gets a copy of every request
    #[arg(long, value_name = "HOST:PORT", requires = "listen")]
    pub mirror: Option<HostPort>,
    /// Copies only writes to the mirror
    #[arg(long, requires = "mirror")]
    pub mirror_writes_only: bool,
    /// Where the admin page listens, for instance 127.0.0.1:9901
    #[arg(long, value_name = "ADDRESS", requires = "listen")]
    pub admin: Option<SocketAddr>,
}

/// The read policies by the names that Envoy gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    Master,
    PreferMaster,
    Replica,
    PreferReplica,
    Any,
}

impl From<Policy> for ReadPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Master => Self::Primary,
            Policy::PreferMaster => Self::PreferPrimary,
            Policy::Replica => Self::Replica,
            Policy::PreferReplica => Self::PreferReplica,
            Policy::Any => Self::Any,
        }
    }
}

/// `redis.example:6379`, `10.0.0.1:6379` or `[::1]:6379`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("a port is missing: write HOST:PORT")?;
        let port =
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("{port:?} is no port (1 to 65535)"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(format!("an IPv6 address stands in brackets: [{host}]:{port}"));
        }
        let host = bare.unwrap_or(host);
        if host.is_empty() {
            return Err("a host is missing: write HOST:PORT".into());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// `slotmesh-control.slotmesh-system`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceName {
    pub name: String,
    pub namespace: String,
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_label = |part: &str| {
            let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=63).contains(&part.len()) && part.bytes().all(is_fit) && !part.starts_with('-') && !part.ends_with('-')
        };
        let parts = text.split_once('.').filter(|(name, namespace)| is_label(name) && is_label(namespace));
        let (name, namespace) = parts.ok_or("write NAME.NAMESPACE")?;
        Ok(Self { name: name.to_owned(), namespace: namespace.to_owned() })
    }
}

/// Writes to standard output; an error when nobody reads it any more.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_flags_of_the_manifest_are_known() {
        let manifest = include_str!("../../../deploy/control.yaml");
        let (_, rest) = manifest.split_once("        args:\n").unwrap();
        let flags = rest.lines().map_while(|line| line.strip_prefix("        - ")?.split("  #").next());
        let read = Cli::try_parse_from(std::iter::once("slotmesh").chain(flags.map(str::trim))).unwrap();
        let Command::Control(args) = read.command else { panic!("another command") };
        assert!(args.kube && args.webhook.is_some_and(|address| address.port() == 15017));
        assert_eq!(args.webhook_configuration, "slotmesh");
        assert!(Cli::try_parse_from(["slotmesh", "control", "--files", ".", "--webhook", "0.0.0.0:15017"]).is_err());
    }

    #[test]
    fn the_name_of_a_service_has_two_parts() {
        let read = "slotmesh-control.slotmesh-system".parse::<ServiceName>().unwrap();
        assert_eq!((read.name.as_str(), read.namespace.as_str()), ("slotmesh-control", "slotmesh-system"));
        for wrong in ["control", "a.b.svc", ".b", "a.", "A.b", "-a.b", "a.b-"] {
            assert!(wrong.parse::<ServiceName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_and_ports_are_read() {
        let read = |text: &str| text.parse::<HostPort>().map(|read| (read.host, read.port));
        assert_eq!(read("redis.example:6379"), Ok(("redis.example".into(), 6379)));
        assert_eq!(read("[::1]:7000"), Ok(("::1".into(), 7000)));
        for wrong in ["redis", ":6379", "redis:", "redis:0", "redis:65536", "::1:6379", "[]:1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
