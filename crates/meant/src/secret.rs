//! Text that must not be shown: passwords and user names.

use std::fmt;

/// A secret. `Debug` and `Display` show `[redacted]`, as Envoy's `/config_dump` does.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps `bytes` out of logs and dumps.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The secret itself, for a handshake or a comparison only.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Whether `offered` is this secret, in a time that depends on the lengths alone.
    pub fn matches(&self, offered: &[u8]) -> bool {
        let longest = self.0.len().max(offered.len());
        let mut difference = self.0.len() ^ offered.len();
        for i in 0..longest {
            let mine = self.0.get(i).copied().unwrap_or(0);
            let theirs = offered.get(i).copied().unwrap_or(0);
            difference |= usize::from(mine ^ theirs);
        }
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn matches_only_itself() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches(b"hunter2"));
        for other in ["", "hunter", "hunter22", "Hunter2", "hunter2\0"] {
            assert!(!secret.matches(other.as_bytes()), "{other}");
        }
        assert!(Secret::default().matches(b""));
    }

    #[test]
    fn never_shows_itself() {
        assert_eq!(format!("{:?} {}", Secret::new("x"), Secret::new("x")), "[redacted] [redacted]");
    }
}
