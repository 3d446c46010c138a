//! Whom an API server trusts when it asks this webhook: a bundle of authorities, one for each replica and for each
//! certificate that is about to be served.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Authorities in a bundle. Each start of the control plane leaves one that no key exists for any more; the newest stay.
const MOST: usize = 8;

/// The bundle that has `ours` and not `retired`, if `present` is not such a one. Authorities of others stay while they are
/// valid: they are those of other replicas.
pub(super) fn mended(present: &[u8], ours: &[&str], retired: &[String], now: SystemTime) -> Option<String> {
    let known = certificates(present);
    let ours: Vec<_> = ours.iter().flat_map(|pem| certificates(pem.as_bytes())).collect();
    let retired: Vec<_> = retired.iter().flat_map(|pem| certificates(pem.as_bytes())).collect();
    let is_well = ours.iter().all(|own| known.contains(own)) && !known.iter().any(|one| retired.contains(one));
    if is_well {
        return None;
    }
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let mut others: Vec<(i64, &CertificateDer)> = known
        .iter()
        .filter(|one| !ours.contains(one) && !retired.contains(one))
        .filter_map(|one| Some((end_of(one)?, one)))
        .filter(|(end, _)| *end > now)
        .collect();
    others.sort_by_key(|(end, _)| -end);
    let others = others.into_iter().take(MOST.saturating_sub(ours.len())).map(|(_, one)| one);
    Some(ours.iter().chain(others).map(pem).collect())
}

/// Those that can be read: what else stands there is of no use to an API server either.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

fn end_of(certificate: &CertificateDer) -> Option<i64> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(read.validity().not_after.timestamp())
}

fn pem(certificate: &CertificateDer<'static>) -> String {
    let coded = BASE64_STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = coded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::super::identity::Identity;
    use super::{MOST, certificates, mended};
    use std::time::{Duration, SystemTime};

    const HOUR: Duration = Duration::from_secs(3600);

    fn authority(life: Duration) -> String {
        Identity::new(&[], life, SystemTime::now()).unwrap().authority
    }

    #[test]
    fn what_is_empty_or_nonsense_is_filled_and_what_is_well_is_left_alone() {
        let (own, now) = (authority(HOUR), SystemTime::now());
        for present in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let filled = mended(present.as_bytes(), &[&own], &[], now).unwrap();
            assert_eq!(certificates(filled.as_bytes()), certificates(own.as_bytes()));
            assert_eq!(mended(filled.as_bytes(), &[&own], &[], now), None);
        }
    }

    #[test]
    fn others_stay_while_they_are_valid_and_what_is_retired_goes() {
        let now = SystemTime::now();
        let (own, other, old, retired) = (authority(HOUR), authority(2 * HOUR), authority(HOUR / 60), authority(HOUR));
        let present = format!("{other}{old}{retired}");
        let later = now + HOUR / 2;
        let made = mended(present.as_bytes(), &[&own], std::slice::from_ref(&retired), later).unwrap();
        assert_eq!(certificates(made.as_bytes()), certificates(format!("{own}{other}").as_bytes()));
        let again = format!("{made}{retired}");
        assert_eq!(mended(again.as_bytes(), &[&own], std::slice::from_ref(&retired), later), Some(made));
    }

    #[test]
    fn of_many_the_newest_stay() {
        let all: Vec<String> = (1..=12).map(|hours| authority(hours * HOUR)).collect();
        let own = authority(HOUR);
        let made = mended(all.concat().as_bytes(), &[&own], &[], SystemTime::now()).unwrap();
        let newest: Vec<&String> = all.iter().rev().take(MOST - 1).collect();
        let expected: String = std::iter::once(&own).chain(newest).cloned().collect();
        assert_eq!(certificates(made.as_bytes()), certificates(expected.as_bytes()));
    }
}
