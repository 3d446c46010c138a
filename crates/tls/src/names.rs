//! Which names a certificate has, and whether one of them is accepted.

use meant::{NameKind, NameMatch, TextMatch};
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whether any name of the certificate (DER) is accepted by any of the matchers; if not, the names it has.
pub(crate) fn accepted(certificate: &[u8], wanted: &[NameMatch]) -> Result<(), Vec<String>> {
    if wanted.is_empty() {
        return Ok(());
    }
    let names = names(certificate);
    if names.iter().any(|(kind, name)| wanted.iter().any(|wanted| fits(wanted, *kind, name))) {
        return Ok(());
    }
    Err(names.into_iter().map(|(_, name)| name).collect())
}

/// All subject alternative names, in text. A certificate that cannot be read has none.
fn names(certificate: &[u8]) -> Vec<(NameKind, String)> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(text).collect()
}

fn text(name: &GeneralName) -> Option<(NameKind, String)> {
    match name {
        GeneralName::DNSName(name) => Some((NameKind::Dns, (*name).to_owned())),
        GeneralName::URI(name) => Some((NameKind::Uri, (*name).to_owned())),
        GeneralName::RFC822Name(name) => Some((NameKind::Email, (*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| (NameKind::Ip, ip.to_string())),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn fits(wanted: &NameMatch, kind: NameKind, name: &str) -> bool {
    if wanted.kind.is_some_and(|wanted| wanted != kind) {
        return false;
    }
    match &wanted.text {
        TextMatch::Exact(host) if kind == NameKind::Dns => is_host(host, name),
        text => text.fits(name),
    }
}

/// Whether a DNS name of a certificate, which may be `*.example.com`, is this host's.
fn is_host(host: &str, name: &str) -> bool {
    let below = |name: &str| {
        let domain = name.strip_prefix("*.")?;
        let (label, rest) = host.split_once('.')?;
        Some(!label.is_empty() && rest.eq_ignore_ascii_case(domain))
    };
    host.eq_ignore_ascii_case(name) || below(name).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(is_host("a.example.com", "A.example.com") && is_host("a.example.com", "*.Example.com"));
        for (host, name) in [("example.com", "*.example.com"), ("a.b.example.com", "*.example.com"), (".x", "*.x")] {
            assert!(!is_host(host, name), "{host} {name}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_names() {
        let any = NameMatch { kind: None, text: TextMatch::Prefix(String::new()) };
        assert_eq!(accepted(b"nothing", &[any]), Err(Vec::new()));
        assert_eq!(accepted(b"nothing", &[]), Ok(()));
    }
}
