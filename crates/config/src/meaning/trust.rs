//! What the other side's certificate is held against: `CertificateValidationContext`.

use super::reader::Reader;
use super::source;
use meant::{NameKind, NameMatch, Roots, TextMatch, Trust};

/// Where systems keep the authorities that they trust.
const SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the authorities come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// They are written here.
    Written,
    /// They are delivered besides.
    Delivered,
}

/// What the context means.
pub(super) fn written(context: &Reader<'_>, authority: Authority) -> Trust {
    refuse(context);
    let roots = roots(context);
    let names = names(context);
    // Authorities that cannot be read are told as such.
    let has_none = !context.has("trusted_ca") && !context.has("system_root_certs");
    if has_none && authority == Authority::Written && !names.is_empty() {
        let path = context.path();
        context.report().wrong(path, "names say nothing of a certificate that is not verified: add trusted_ca");
    }
    Trust { roots, names }
}

/// Each of these narrows what is accepted.
fn refuse(context: &Reader<'_>) {
    for name in ["verify_certificate_spki", "verify_certificate_hash", "crl", "custom_validator_config"] {
        context.guard(name, "not supported yet, and without it too much would be accepted: remove it");
    }
    context.guard("max_verify_depth", "not supported yet: remove it");
    context.guard("ca_certificate_provider_instance", "not supported yet: use trusted_ca");
    if context.wrapped_bool("require_signed_certificate_timestamp") == Some(true) {
        let path = context.at("require_signed_certificate_timestamp");
        context.report().unsupported(&path, "not supported yet: remove it");
    }
    // Only how Envoy watches the files, and what belongs to a refused list.
    context.without_effect(&["watched_directory", "only_verify_leaf_cert_crl", "suppress_client_ca_list"]);
}

fn roots(context: &Reader<'_>) -> Roots {
    if context.has("trusted_ca") {
        return source::bytes(context, "trusted_ca").map_or(Roots::Unverified, Roots::Written);
    }
    if !context.has("system_root_certs") {
        return Roots::Unverified;
    }
    context.without_effect(&["system_root_certs"]);
    match SYSTEM.iter().find_map(|path| source::file(path).ok()) {
        Some(found) => Roots::Written(found),
        None => {
            context.wrong("system_root_certs", format!("none of {} can be read: use trusted_ca", SYSTEM.join(", ")));
            Roots::Unverified
        }
    }
}

fn names(context: &Reader<'_>) -> Vec<NameMatch> {
    let typed = context.all("match_typed_subject_alt_names");
    let mut names: Vec<NameMatch> = typed.iter().filter_map(typed_name).collect();
    if names.is_empty() {
        let any = context.all("match_subject_alt_names");
        names.extend(any.iter().filter_map(|matcher| Some(NameMatch { kind: None, text: text(matcher)? })));
    } else {
        context.without_effect(&["match_subject_alt_names"]);
    }
    names
}

fn typed_name(entry: &Reader<'_>) -> Option<NameMatch> {
    let kind = match entry.choice("san_type").as_str() {
        "EMAIL" => NameKind::Email,
        "DNS" => NameKind::Dns,
        "URI" => NameKind::Uri,
        "IP_ADDRESS" => NameKind::Ip,
        other => {
            entry.without_effect(&["oid", "matcher"]);
            let text = format!("{other} is not supported yet: use DNS, URI, IP_ADDRESS or EMAIL");
            entry.report().unsupported(&entry.at("san_type"), text);
            return None;
        }
    };
    Some(NameMatch { kind: Some(kind), text: text(&entry.one("matcher")?)? })
}

/// A `StringMatcher` without regular expressions: a name that is not matched as written is not accepted, or too much is.
fn text(matcher: &Reader<'_>) -> Option<TextMatch> {
    matcher.guard("safe_regex", "not supported yet: use exact, prefix, suffix or contains");
    matcher.guard("custom", "not supported yet: use exact, prefix, suffix or contains");
    matcher.guard("ignore_case", "not supported yet: remove it");
    let kind = ["exact", "prefix", "suffix", "contains"].into_iter().find(|kind| matcher.has(kind))?;
    let text = matcher.text(kind);
    Some(match kind {
        "exact" => TextMatch::Exact(text),
        "prefix" => TextMatch::Prefix(text),
        "suffix" => TextMatch::Suffix(text),
        _ => TextMatch::Contains(text),
    })
}
