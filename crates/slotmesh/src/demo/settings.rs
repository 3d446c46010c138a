//! The proxy's configuration files: the tutorial's own, with free ports in place of the written ones.

use anyhow::ensure;

/// The tutorial's first configuration: sharding and the read policy.
const BEFORE_MIRROR: &str = include_str!("../../../../examples/tutorial-before-mirror.yaml");
/// The tutorial's second configuration: with the mirror.
const WITH_MIRROR: &str = include_str!("../../../../examples/tutorial.yaml");
/// The ports of the six nodes as the files have them.
const NODES: std::ops::Range<u16> = 7000..7006;
/// The port of the mirror as the file has it.
const MIRROR: u16 = 7100;

/// The configuration before the mirror is turned on.
pub fn before_mirror(nodes: &[u16]) -> anyhow::Result<String> {
    with_ports(BEFORE_MIRROR, nodes)
}

/// The configuration with the mirror.
pub fn with_mirror(nodes: &[u16], mirror: u16) -> anyhow::Result<String> {
    put(&with_ports(WITH_MIRROR, nodes)?, MIRROR, &mirror.to_string())
}

/// `$LISTEN` and `$ADMIN` are what the proxy's starter puts its own choice in for.
fn with_ports(file: &str, nodes: &[u16]) -> anyhow::Result<String> {
    ensure!(nodes.len() == NODES.len(), "the tutorial has {} nodes, not {}", NODES.len(), nodes.len());
    // Real ports of earlier nodes may be written ports of later ones, hence the detour over names.
    let mut text = put(&put(file, 6379, "$LISTEN")?, 9901, "$ADMIN")?;
    for written in NODES {
        text = put(&text, written, &format!("$NODE{written}"))?;
    }
    Ok(NODES.zip(nodes).fold(text, |text, (written, port)| text.replace(&format!("$NODE{written}"), &port.to_string())))
}

fn put(text: &str, written: u16, instead: &str) -> anyhow::Result<String> {
    let field = format!("port_value: {written} ");
    ensure!(text.matches(&field).count() == 1, "the example file does not have port {written} once");
    Ok(text.replace(&field, &format!("port_value: {instead} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_put_in_and_nothing_else_changes() {
        let nodes = [7003, 7004, 7005, 7000, 7001, 7002];
        let text = with_mirror(&nodes, 7100).unwrap();
        assert_eq!(text.lines().count(), WITH_MIRROR.lines().count());
        let seeds: Vec<&str> = text.split("port_value: ").skip(3).map(|rest| &rest[..4]).collect();
        assert_eq!(seeds, ["7003", "7004", "7005", "7000", "7001", "7002", "7100"]);
        assert!(text.contains("port_value: $LISTEN ") && text.contains("port_value: $ADMIN "));
    }

    /// The two examples are one configuration, without and with the mirror.
    #[test]
    fn the_examples_differ_by_the_mirror_alone() {
        let settings = |file: &'static str| file.lines().filter(|line| !line.starts_with('#')).map(str::trim_end);
        let with: Vec<_> = settings(WITH_MIRROR).collect();
        let mut rest = with.iter();
        for line in settings(BEFORE_MIRROR).filter(|line| !line.is_empty()) {
            assert!(rest.any(|other| *other == line), "only before the mirror: {line}");
        }
        assert_eq!(
            with.len() - settings(BEFORE_MIRROR).count(),
            3 + 8,
            "the mirror policy has three lines and its cluster eight"
        );
    }
}
