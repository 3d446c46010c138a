//! What a name that is not there may have meant.

/// How many are told.
const MOST: usize = 3;

/// The names most like `wanted`, best first; those that end in the same port are likest, for a service's address
/// changes more often than its port.
pub(super) fn nearest(wanted: &str, known: impl Iterator<Item = String>) -> Vec<String> {
    let port = port_of(wanted);
    let likeness = |name: &str| {
        let same_port = port.is_some() && port_of(name) == port;
        strsim::normalized_levenshtein(wanted, name) + if same_port { 1.0 } else { 0.0 }
    };
    let mut ranked: Vec<(f64, String)> =
        known.map(|name| (likeness(&name), name)).filter(|(like, _)| *like > 0.4).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    ranked.dedup_by(|one, other| one.1 == other.1);
    ranked.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// The port at the end of a listener's name.
fn port_of(name: &str) -> Option<&str> {
    let (_, port) = name.rsplit_once('_')?;
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_same_port_comes_first() {
        let known = ["10.0.0.7_6379", "10.0.0.9_6380", "virtualInbound", "10.0.0.8_6379"];
        let found = nearest("10.0.0.9_6379", known.iter().map(ToString::to_string));
        assert_eq!(found, ["10.0.0.7_6379", "10.0.0.8_6379", "10.0.0.9_6380"]);
        assert_eq!(nearest("x", known.iter().map(ToString::to_string)), Vec::<String>::new());
    }
}
