//! A validating admission webhook: at `kubectl apply` the same verdict, in the same words, as later from the registry.
//!
//! `review` reads what an API server asks and writes the answer; `verdict` is what the control plane would make of the
//! object, thought through on its present state and forgotten again; `serve` is the HTTPS face. `identity` makes its
//! certificate, which leads to an authority that lives in the memory of this process only; `keeper` makes both anew in
//! time and sees to it that the cluster's `ValidatingWebhookConfiguration` trusts them (`bundle`, `configuration`).
//!
//! Nothing that is asked here changes anything, so a dry run is a run like any other. Whoever reaches the address gets
//! answers, as from the API server itself: names of services that are like a misspelt one, never what a Secret holds.

// The question and the answer.
mod review;
mod verdict;

// Who is trusted.
mod identity;
mod bundle;
mod configuration;
mod keeper;

mod serve;

pub use identity::IdentityError;
pub use serve::{WebhookError, serve};

use std::time::Duration;

/// The kinds that are judged: group and kind.
pub const KINDS: [(&str, &str); 5] = [
    ("networking.istio.io", "EnvoyFilter"),
    ("slotmesh.io", "RedisService"),
    ("slotmesh.io", "RedisRoute"),
    ("redis.aeraki.io", "RedisService"),
    ("redis.aeraki.io", "RedisDestination"),
];

/// The path at which reviews are answered.
pub const PATH: &str = "/validate";

/// How the webhook is known to the cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What an API server calls it: DNS names or IP addresses.
    pub names: Vec<String>,
    /// The name of the `ValidatingWebhookConfiguration`.
    pub configuration: String,
    /// How long a certificate is valid; another takes its place after two thirds of that.
    pub life: Duration,
    /// Between two looks at the configuration.
    pub pause: Duration,
    /// How long an API server may take to hear of a change of the configuration.
    pub grace: Duration,
}

impl Settings {
    /// For the Service `name` of `namespace`.
    #[must_use]
    pub fn of_service(name: &str, namespace: &str, configuration: &str) -> Self {
        Self {
            names: vec![format!("{name}.{namespace}.svc")],
            configuration: configuration.to_owned(),
            life: Duration::from_secs(90 * 24 * 60 * 60),
            pause: Duration::from_secs(5),
            grace: Duration::from_secs(60),
        }
    }
}
