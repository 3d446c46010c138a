//! How a member of a plain cluster is chosen: `lb_policy` and its settings.

use super::reader::Reader;
use meant::{Balance, Discovery};

/// Smallest and largest ring, if not written.
const RING: (u64, u64) = (1024, 8 << 20);

/// Size of a Maglev table, if not written.
const MAGLEV_TABLE: u64 = 65_537;

/// Envoy's rule for the size; what is larger was refused already.
const LARGEST_MAGLEV_TABLE: u64 = 5_000_011;

/// The policy of a cluster without a `cluster_type`.
pub(super) fn balance(cluster: &Reader<'_>) -> Balance {
    match cluster.choice("lb_policy").as_str() {
        "ROUND_ROBIN" => {
            cluster.only_empty("round_robin_lb_config");
            Balance::RoundRobin
        }
        "LEAST_REQUEST" => least_request(cluster),
        "RANDOM" => Balance::Random,
        "RING_HASH" => ring_hash(cluster),
        "MAGLEV" => maglev(cluster),
        "CLUSTER_PROVIDED" => {
            let text =
                "CLUSTER_PROVIDED is for clusters with a cluster_type or of type ORIGINAL_DST: remove it, or add one";
            cluster.wrong("lb_policy", text);
            Balance::RoundRobin
        }
        other => {
            let text =
                format!("{other} is not supported yet: use ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH or MAGLEV");
            cluster.unsupported("lb_policy", text);
            Balance::RoundRobin
        }
    }
}

/// Settings of another policy than the chosen one. Envoy ignores them; whoever wrote them meant something by it.
pub(super) fn refuse_other_settings(cluster: &Reader<'_>, discovery: &Discovery) {
    let policy = cluster.choice("lb_policy");
    let settings = [
        ("ring_hash_lb_config", "RING_HASH"),
        ("maglev_lb_config", "MAGLEV"),
        ("least_request_lb_config", "LEAST_REQUEST"),
        ("round_robin_lb_config", "ROUND_ROBIN"),
    ];
    for (settings, owner) in settings.into_iter().filter(|(_, owner)| *owner != policy) {
        cluster.refuse(settings, &format!("has no effect with lb_policy {policy}: remove it, or set {owner}"));
    }
    // The hashing policies have read what they know of it.
    if matches!(discovery, Discovery::Redis(_)) || !matches!(policy.as_str(), "RING_HASH" | "MAGLEV") {
        let text = format!("has no effect with lb_policy {policy}: remove it, or set RING_HASH or MAGLEV");
        common(cluster).iter().for_each(|common| common.refuse("consistent_hashing_lb_config", &text));
    }
}

/// `common_lb_config`, without a threshold of nothing for panic: nobody here falls back to members that are ill.
fn common<'a>(cluster: &Reader<'a>) -> Option<Reader<'a>> {
    let common = cluster.one("common_lb_config")?;
    let threshold = common.message().get_field_by_name("healthy_panic_threshold");
    if threshold.is_some_and(|percent| percent.as_message().is_some_and(|percent| percent.fields().next().is_none())) {
        common.harmless(&["healthy_panic_threshold"]);
    }
    Some(common)
}

fn least_request(cluster: &Reader<'_>) -> Balance {
    if let Some(settings) = cluster.one("least_request_lb_config") {
        let choices = settings.wrapped_u32("choice_count").unwrap_or(2);
        if choices > 2 {
            let text = format!("{choices} is not supported yet: two members are compared, remove it");
            settings.unsupported("choice_count", text);
        }
    }
    Balance::LeastRequest
}

fn ring_hash(cluster: &Reader<'_>) -> Balance {
    let by_hostname = by_hostname(cluster);
    let Some(settings) = cluster.one("ring_hash_lb_config") else {
        return Balance::RingHash { minimum: RING.0, maximum: RING.1, murmur: false, by_hostname };
    };
    let minimum = settings.wrapped_u64("minimum_ring_size").unwrap_or(RING.0);
    let maximum = settings.wrapped_u64("maximum_ring_size").unwrap_or(RING.1);
    if minimum > maximum {
        settings
            .wrong("minimum_ring_size", format!("must be at most maximum_ring_size: {minimum} is more than {maximum}"));
    }
    let murmur = settings.choice("hash_function") == "MURMUR_HASH_2";
    Balance::RingHash { minimum, maximum, murmur, by_hostname }
}

fn maglev(cluster: &Reader<'_>) -> Balance {
    let by_hostname = by_hostname(cluster);
    let settings = cluster.one("maglev_lb_config");
    let table = settings.as_ref().and_then(|settings| settings.wrapped_u64("table_size")).unwrap_or(MAGLEV_TABLE);
    if let Some(settings) = &settings
        && table <= LARGEST_MAGLEV_TABLE
        && !is_prime(table)
    {
        settings.wrong("table_size", format!("must be a prime number, such as {MAGLEV_TABLE}: {table} is none"));
    }
    Balance::Maglev { table, by_hostname }
}

fn by_hostname(cluster: &Reader<'_>) -> bool {
    let common = common(cluster);
    let hashing = common.as_ref().and_then(|common| common.one("consistent_hashing_lb_config"));
    let by_hostname = hashing.as_ref().is_some_and(|hashing| hashing.flag("use_hostname_for_hashing"));
    let named = matches!(cluster.choice("type").as_str(), "STRICT_DNS" | "EDS");
    if let Some(hashing) = hashing.filter(|_| by_hostname && !named) {
        hashing.wrong(
            "use_hostname_for_hashing",
            "only members of a STRICT_DNS or EDS cluster have names of their own: remove it",
        );
    }
    by_hostname
}

/// For numbers up to [`LARGEST_MAGLEV_TABLE`] this takes two thousand steps.
fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

#[cfg(test)]
mod tests {
    use super::is_prime;

    #[test]
    fn primes() {
        assert!([2, 3, 101, 65_537, 5_000_011].into_iter().all(is_prime));
        assert!(![0, 1, 4, 100, 65_536, 5_000_010].into_iter().any(is_prime));
    }
}
