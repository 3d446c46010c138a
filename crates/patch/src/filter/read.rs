//! A resource as the API server has it to an [`EnvoyFilter`], or to istiod's reasons for refusing it.

use super::{ApplyTo, Context, EnvoyFilter, Operation, Patch, Target, spec, value, verdict};
use crate::field::{choice, inner, messages, text};
use config::Schema;
use config::dynamic::Reader;
use prost_reflect::DynamicMessage;
use serde_json::Value as Json;

/// Istio's message for `spec`.
const SPEC: &str = "istio.networking.v1alpha3.EnvoyFilter";

/// An `EnvoyFilter` that istiod refuses, whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("EnvoyFilter {namespace}/{name} is refused: {}", .reasons.join("; "))]
pub struct NotRead {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it, in istiod's words.
    pub reasons: Vec<String>,
    /// What is odd about it besides.
    pub warnings: Vec<String>,
}

/// Every `EnvoyFilter` in `json`, which is one or a Kubernetes list of resources; those of other kinds are left out.
pub fn read_list(schema: &Schema, json: &Json) -> Vec<Result<EnvoyFilter, NotRead>> {
    let is_filter = json.get("kind").and_then(Json::as_str) == Some("EnvoyFilter");
    match json.get("items").and_then(Json::as_array) {
        Some(items) if !is_filter => items.iter().flat_map(|item| read_list(schema, item)).collect(),
        _ if is_filter => vec![read(schema, json)],
        _ => Vec::new(),
    }
}

/// The `EnvoyFilter` that `json` spells.
///
/// # Errors
/// What istiod's validation refuses it for: one reason for each patch that is wrong.
pub fn read(schema: &Schema, json: &Json) -> Result<EnvoyFilter, NotRead> {
    let metadata =
        |key: &str| json.pointer(&format!("/metadata/{key}")).and_then(Json::as_str).unwrap_or("").to_owned();
    let (namespace, name) = (Some(metadata("namespace")).filter(|namespace| !namespace.is_empty()), metadata("name"));
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    let mut warnings = Vec::new();
    if name.is_empty() {
        // As `name: n` in YAML 1.1, which is false.
        let reasons = vec!["metadata.name: needs to be text that is not empty".to_owned()];
        return Err(NotRead { namespace, name, reasons, warnings });
    }
    match spec_of(schema, json, &name, &mut warnings) {
        Ok((message, patches)) => Ok(EnvoyFilter {
            namespace,
            name,
            created: metadata("creationTimestamp"),
            priority: message.get_field_by_name("priority").and_then(|value| value.as_i32()).unwrap_or(0),
            selector: inner(&message, "workload_selector").map(|of| spec::texts(&of, "labels")).unwrap_or_default(),
            targets: messages(&message, "target_refs")
                .iter()
                .map(|target| Target { kind: text(target, "kind"), name: text(target, "name") })
                .collect(),
            patches,
            warnings,
        }),
        Err(reasons) => Err(NotRead { namespace, name, reasons, warnings }),
    }
}

/// `spec` and its patches.
fn spec_of(
    schema: &Schema,
    json: &Json,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<(DynamicMessage, Vec<Patch>), Vec<String>> {
    let empty = Json::Object(serde_json::Map::new());
    let written = json.get("spec").filter(|spec| !spec.is_null()).unwrap_or(&empty);
    let unparsed = |error: String| vec![format!("cannot parse proto message for {name}: {error}")];
    let descriptor = schema.message(SPEC).ok_or_else(|| unparsed(format!("{SPEC} is missing in this program")))?;
    let reader = Reader { schema, carries_unknown_types: true };
    let read = reader.read(&descriptor, written).map_err(|error| unparsed(error.to_string()))?;
    warnings.extend(read.unknown.iter().map(|unknown| {
        let meant = unknown.nearest.as_ref().map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
        format!("unknown field \"spec.{}\" vanishes{meant}", unknown.path)
    }));
    let mut reasons = whole(&read.message, warnings);
    let values = written.get("configPatches").or_else(|| written.get("config_patches")).and_then(Json::as_array);
    let mut patches = Vec::new();
    for (index, (message, written)) in
        messages(&read.message, "config_patches").iter().zip(values.into_iter().flatten()).enumerate()
    {
        match patch(schema, message, written) {
            Ok((patch, told)) => {
                patches.push(patch);
                warnings.extend(told.iter().map(|told| format!("configPatches[{index}]: {told}")));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() { Ok((read.message, patches)) } else { Err(reasons) }
}

/// What is wrong with the resource as a whole.
fn whole(spec: &DynamicMessage, warnings: &mut Vec<String>) -> Vec<String> {
    let selector = inner(spec, "workload_selector");
    if selector.as_ref().is_some_and(|selector| spec::texts(selector, "labels").is_empty()) {
        warnings.push(
            "Envoy filter: workload selector specified without labels, will be applied to all services in namespace"
                .to_owned(),
        );
    }
    if selector.is_some() && !messages(spec, "target_refs").is_empty() {
        return vec!["only one of targetRefs or workloadSelector can be set".to_owned()];
    }
    Vec::new()
}

fn patch(schema: &Schema, message: &DynamicMessage, written: &Json) -> Result<(Patch, Vec<String>), String> {
    if written.is_null() {
        return Err("Envoy filter: null config patch".to_owned());
    }
    let matching = spec::matching(message);
    is_waypoint_sound(&matching, message)?;
    let mut warnings = Vec::new();
    let value = written.pointer("/patch/value").filter(|value| !value.is_null());
    if matching.context == Context::Waypoint {
        // Skipped by validation and known to no engine: kept so that it can be told.
        let apply_to = ApplyTo::of(&choice(message, "apply_to")).unwrap_or_default();
        return Ok((
            Patch {
                apply_to,
                matching,
                operation: Operation::Add,
                written: Operation::Add,
                value: None,
                unknown: Vec::new(),
                defaults: Vec::new(),
            },
            warnings,
        ));
    }
    let sound = verdict::judge(message, value.is_some(), &mut warnings)?;
    let read = value.map(|value| value::read(schema, sound.apply_to, value)).transpose()?;
    warnings.extend(read.iter().flat_map(value::warnings));
    if matching.listener().is_some_and(|listener| !listener.port_name.is_empty()) {
        warnings.push("match.listener.portName is documented but not looked at: it matches every port".to_owned());
    }
    // What keeps no order knows no insertion.
    let operation = match sound.operation.is_insert() && !sound.apply_to.is_ordered() {
        true => Operation::Add,
        false => sound.operation,
    };
    let (value, unknown, defaults) =
        read.map_or((None, Vec::new(), Vec::new()), |read| (Some(read.message), read.unknown, read.defaults));
    Ok((
        Patch { apply_to: sound.apply_to, matching, operation, written: sound.operation, value, unknown, defaults },
        warnings,
    ))
}

/// The rules that stand in the resource's schema, and so are checked by the API server.
fn is_waypoint_sound(matching: &super::Match, patch: &DynamicMessage) -> Result<(), String> {
    let has_waypoint = matches!(matching.object, super::Object::Waypoint);
    let has_other = !has_waypoint && !matches!(matching.object, super::Object::Any);
    let is_waypoint = matching.context == Context::Waypoint;
    if has_waypoint != is_waypoint && (has_waypoint || has_other) {
        return Err("only support waypointMatch when context is WAYPOINT".to_owned());
    }
    let waypoint = inner(patch, "match").and_then(|matching| inner(&matching, "waypoint"));
    if waypoint.is_some_and(|waypoint| crate::field::number(&waypoint, "port_number") > 65535) {
        return Err("port must be between 1-65535".to_owned());
    }
    Ok(())
}
