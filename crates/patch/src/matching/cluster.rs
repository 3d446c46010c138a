//! Clusters, whose names tell what they are for: `direction|port|subset|host`.

use crate::field::{inner, name};
use crate::filter::Patch;
use prost_reflect::{DynamicMessage, Value};

/// The parts of an Istio cluster's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) direction: String,
    pub(crate) port: u32,
    pub(crate) subset: String,
    pub(crate) host: String,
}

/// The parts of `name`; all empty if it is not one of Istio's names.
pub(crate) fn parse(name: &str) -> Parts {
    let split = |separator: &str| {
        let parts: Vec<&str> = name.splitn(4, separator).collect();
        let [direction, port, subset, host] = parts.as_slice() else { return None };
        let (direction, subset, host) = ((*direction).to_owned(), (*subset).to_owned(), (*host).to_owned());
        Some(Parts { direction, port: port.parse().unwrap_or(0), subset, host })
    };
    split("|").or_else(|| split("_.")).unwrap_or_default()
}

/// Why the cluster is not meant; `None` if it is.
pub(crate) fn cluster_differs(patch: &Patch, cluster: &DynamicMessage) -> Option<String> {
    let wanted = patch.matching.cluster()?;
    let name = name(cluster);
    if !wanted.name.is_empty() {
        return (wanted.name != name).then(|| format!("it is not named {}", wanted.name));
    }
    let parts = parse(&name);
    if !wanted.subset.is_empty() && wanted.subset != parts.subset {
        return Some(format!("its subset is {:?}, not {}", parts.subset, wanted.subset));
    }
    let hosts = if parts.direction == "inbound" { hosts_of(cluster) } else { vec![parts.host] };
    if !wanted.service.is_empty() && !hosts.contains(&wanted.service) {
        return Some(format!("it is for {:?}, not {}", hosts.join(", "), wanted.service));
    }
    if wanted.port != 0 && wanted.port != parts.port {
        return Some(format!("its port is {}, not {}", parts.port, wanted.port));
    }
    None
}

/// The services that istiod notes in the metadata of a cluster: an inbound cluster is matched by them.
pub(crate) fn hosts_of(cluster: &DynamicMessage) -> Vec<String> {
    let services = inner(cluster, "metadata").and_then(|metadata| {
        let filters = metadata.get_field_by_name("filter_metadata")?.into_owned();
        let istio = filters.as_map()?.get(&prost_reflect::MapKey::String("istio".to_owned()))?.as_message()?.clone();
        Some(in_list(&in_struct(&istio, "services")?))
    });
    let hosts = services.unwrap_or_default().into_iter().filter_map(|service| {
        let host = in_struct(&inner(&service, "struct_value")?, "host")?;
        Some(host.get_field_by_name("string_value")?.as_str()?.to_owned())
    });
    hosts.collect()
}

/// The `google.protobuf.Value` of a key.
fn in_struct(structure: &DynamicMessage, key: &str) -> Option<DynamicMessage> {
    let fields = structure.get_field_by_name("fields")?;
    fields.as_map()?.get(&prost_reflect::MapKey::String(key.to_owned()))?.as_message().cloned()
}

fn in_list(value: &DynamicMessage) -> Vec<DynamicMessage> {
    let Some(list) = inner(value, "list_value") else { return Vec::new() };
    let Some(values) = list.get_field_by_name("values") else { return Vec::new() };
    values.as_list().unwrap_or_default().iter().filter_map(Value::as_message).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_have_four_parts() {
        let parts = parse("outbound|6379|v1|redis.ns.svc");
        let expected = ("outbound", 6379, "v1", "redis.ns.svc");
        assert_eq!((parts.direction.as_str(), parts.port, parts.subset.as_str(), parts.host.as_str()), expected);
        assert_eq!(parse("outbound_.6379_.v1_.redis.ns.svc"), parts);
        assert_eq!(parse("inbound|80||").port, 80);
        assert_eq!(parse("custom-redis-cluster"), super::Parts::default());
    }
}
