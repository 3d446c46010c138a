//! What the control plane counts besides what the xDS server does, for Prometheus.

use crate::findings::{Filter, Findings, Patch};
use crate::plane::Remarks;
use crate::registry::State;
use std::fmt::{Display, Write as _};

/// The value of one patch under one metric.
type Read = fn(&Patch) -> usize;

/// Of each patch.
const OF_PATCHES: [(&str, &str, Read); 5] = [
    ("slotmesh_envoyfilter_hits", "Places at which the patch is applied, over all kinds of proxies.", |patch| {
        patch.hit_count
    }),
    ("slotmesh_envoyfilter_idle", "1 if the patch concerns proxies and is applied on none.", |patch| {
        usize::from(patch.nothing.is_some())
    }),
    ("slotmesh_envoyfilter_warnings", "Things that the patch says and does not do.", |patch| patch.warnings.len()),
    ("slotmesh_envoyfilter_held_back", "Resources at which the patch is left out.", |patch| patch.held_back.len()),
    ("slotmesh_envoyfilter_refused_by", "Proxies that refuse a resource which the patch touched.", |patch| {
        patch.refused_by.len()
    }),
];

/// In the text format of Prometheus.
pub(super) fn write(state: Option<&State>, remarks: &Remarks, findings: &Findings) -> String {
    let mut out = String::new();
    let plain = [
        ("slotmesh_services", "Services in force.", state.map_or(0, |state| state.services.len())),
        ("slotmesh_envoyfilters", "EnvoyFilters that were read.", findings.envoy_filters.len()),
        ("slotmesh_envoyfilters_refused", "Reasons for which EnvoyFilters are refused.", remarks.refused.len()),
        ("slotmesh_file_problems", "What keeps files from being used.", remarks.problems.len()),
        ("slotmesh_kinds_of_proxies", "Proxies of one kind get the very same.", findings.kinds_of_proxies),
    ];
    for (name, about, value) in plain {
        head(&mut out, name, about);
        let _ = writeln!(out, "{name} {value}");
    }
    for (name, about, read) in OF_PATCHES {
        head(&mut out, name, about);
        for (Filter { namespace, name: filter, .. }, patch) in findings.patches() {
            let labels =
                format!("envoyfilter=\"{}\",patch=\"{}\"", escaped(&format!("{namespace}/{filter}")), patch.index);
            let _ = writeln!(out, "{name}{{{labels}}} {}", read(patch));
        }
    }
    out
}

fn head(out: &mut String, name: &str, about: impl Display) {
    let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} gauge");
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
