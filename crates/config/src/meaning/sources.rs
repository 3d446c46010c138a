//! What a bootstrap has that other resources name: servers of configuration, and secrets.

use super::reader::Reader;
use super::{Context, control_plane, secret_source};
use crate::delivered::Sources;
use crate::notes::Subject;
use crate::report::Report;
use crate::rules::Rules;
use crate::schema::{Schema, names};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use std::collections::BTreeSet;

/// Found before anything else is read. What is wrong with a secret is told; a cluster that is no server is none only to
/// who names it.
pub(super) fn sources(bootstrap: &Reader<'_>) -> Sources {
    let mut sources = Sources::default();
    let dynamic = bootstrap.one("dynamic_resources").filter(Reader::covers);
    sources.set_ads(dynamic.is_some_and(|dynamic| dynamic.has("ads_config")));
    let Some(resources) = bootstrap.one("static_resources").filter(Reader::covers) else { return sources };
    for secret in resources.all("secrets") {
        if let Some((name, secret)) = secret_source::secret(&secret) {
            sources.add_secret(name, secret);
        }
    }
    for cluster in resources.all("clusters").into_iter().filter(Reader::covers) {
        let found = alone(cluster.context(), cluster.message());
        sources.add_server(cluster.text("name"), found);
    }
    sources
}

/// The server that a cluster is, or why it is none; nothing is told besides.
fn alone(context: &Context<'_>, cluster: &DynamicMessage) -> Result<meant::ControlPlane, String> {
    let report = Report::new("");
    let rules = Rules::new(context.schema, &report);
    let sources = Sources::default();
    let context = Context { schema: context.schema, report: &report, rules: &rules, sources: &sources };
    let unheard = Subject::new(String::new(), "");
    let found = control_plane::server(&Reader::new(&context, cluster.clone(), String::new()).lenient(unheard));
    report.finish().map_err(|problems| {
        let each = problems.iter().map(|problem| format!("{}: {}", problem.path, problem.text));
        each.collect::<Vec<_>>().join("; ")
    })?;
    found.ok_or_else(|| "it has no address".to_owned())
}

/// The clusters that are named anywhere as servers.
pub(super) fn named_servers(bootstrap: &Reader<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(bootstrap.context().schema, &Value::Message(bootstrap.message().clone()), &mut found);
    found
}

fn collect(schema: &Schema, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Message(message) => {
            for (field, value) in message.fields() {
                match (field.full_name(), value) {
                    ("envoy.config.core.v3.GrpcService.EnvoyGrpc.cluster_name", Value::String(name)) => {
                        found.insert(name.clone());
                    }
                    (_, value) => collect(schema, value, found),
                }
            }
            if message.descriptor().full_name() == names::ANY
                && let Some(held) = schema.unpack(message)
            {
                collect(schema, &Value::Message(held), found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(schema, item, found)),
        _ => {}
    }
}
