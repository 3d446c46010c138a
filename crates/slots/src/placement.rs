//! What both consistent-hashing tables start from: the text a host is hashed by, and its share of the weight.

use crate::Host;
use std::borrow::Cow;

/// The text that places `host`: its address (`ip:port`), or its name under `use_hostname_for_hashing`.
pub(crate) fn hash_key(host: &Host, by_hostname: bool) -> Cow<'_, str> {
    match &host.name {
        Some(name) if by_hostname => Cow::Borrowed(name),
        _ => Cow::Owned(host.address.to_string()),
    }
}

/// Each host's part of the whole weight, in the order of `hosts`; the parts add up to 1.
pub(crate) fn shares(hosts: &[Host]) -> Vec<f64> {
    let whole = hosts.iter().map(|host| u64::from(host.weight)).sum::<u64>().max(1) as f64;
    hosts.iter().map(|host| f64::from(host.weight) / whole).collect()
}

#[cfg(test)]
mod tests;
