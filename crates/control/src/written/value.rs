//! Values with a spelling of their own: addresses, durations as Go writes them, ports by number or by name.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// `spec.clusterIP`: an address, none on purpose, or not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterIp {
    /// Not written (an API server would choose one).
    #[default]
    Unset,
    /// `None`: the service is headless.
    Headless,
    /// The service's address.
    Ip(IpAddr),
}

impl<'de> Deserialize<'de> for ClusterIp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match String::deserialize(from)?.as_str() {
            "" => Ok(Self::Unset),
            "None" => Ok(Self::Headless),
            text => ip(text).map(Self::Ip).map_err(D::Error::custom),
        }
    }
}

/// An address, or a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address, or the first of the range.
    pub ip: IpAddr,
    /// How many leading bits the range shares; `None` for one address.
    pub prefix: Option<u8>,
}

impl From<IpAddr> for Cidr {
    fn from(ip: IpAddr) -> Self {
        Self { ip, prefix: None }
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (address, prefix) = text.split_once('/').map_or((text.as_str(), None), |(ip, rest)| (ip, Some(rest)));
        let ip = ip(address).map_err(D::Error::custom)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let Some(bits) = prefix else { return Ok(ip.into()) };
        let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
        let bits = bits.ok_or_else(|| D::Error::custom(format!("`{text}` is no range: write /0 to /{most}")))?;
        // A range of one address is that address.
        Ok(Self { ip, prefix: Some(bits).filter(|bits| *bits < most) })
    }
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no IP address"))
}

/// A span of time as Go and protobuf write it: `250ms`, `1m30s`, `7200s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    /// Protobuf's JSON spelling: seconds, with three digits after the point where they are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_secs(), self.0.subsec_nanos()) {
            (seconds, 0) => write!(f, "{seconds}s"),
            (seconds, nanos) if nanos % 1_000_000 == 0 => write!(f, "{seconds}.{:03}s", nanos / 1_000_000),
            (seconds, nanos) => write!(f, "{seconds}.{nanos:09}s"),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom(format!("`{text}` is no duration: write 250ms, 5s, 1m30s"));
        let span = span(&text).ok_or_else(wrong)?;
        let long =
            || D::Error::custom(format!("`{text}` is longer than {LONGEST_SPAN}s, which is the longest for Envoy"));
        if span.as_secs() > LONGEST_SPAN { Err(long()) } else { Ok(Self(span)) }
    }
}

/// In seconds: 292 years, the nanoseconds that Envoy counts in 64 bits.
const LONGEST_SPAN: u64 = 9_223_372_035;

fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|next: char| next.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = number.parse::<f64>().ok()? * unit_in_seconds(unit)?;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn unit_in_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// A port by number or by the name that the pod's container gives it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a port from 1 to 65535, or the name of a container's port")]
pub enum Target {
    /// The number.
    Number(u16),
    /// The name.
    Name(String),
}

#[cfg(test)]
mod tests {
    use super::{Cidr, ClusterIp, Span, Target};
    use serde::de::DeserializeOwned;
    use serde_json::{from_value, json};

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        from_value(json!(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let cases =
            [("250ms", "0.250s"), ("7200s", "7200s"), ("1m30s", "90s"), ("1.5h", "5400s"), ("10us", "0.000010000s")];
        for (written, shown) in cases {
            assert_eq!(read::<Span>(written).unwrap().to_string(), shown, "{written}");
        }
        for wrong in ["", "5", "s", "5x", "-1s", "1s2"] {
            assert!(read::<Span>(wrong).unwrap_err().contains("no duration"), "{wrong}");
        }
        assert!(read::<Span>("9223372035s").is_ok());
        assert!(read::<Span>("9223372036s").unwrap_err().contains("is longer than 9223372035s"));
    }

    #[test]
    fn addresses() {
        assert_eq!(read("None"), Ok(ClusterIp::Headless));
        assert_eq!(read(""), Ok(ClusterIp::Unset));
        assert!(read::<ClusterIp>("10.0.0").unwrap_err().contains("no IP address"));
        let range: Cidr = read("10.0.0.0/8").unwrap();
        assert_eq!((range.ip.to_string(), range.prefix), ("10.0.0.0".to_owned(), Some(8)));
        assert_eq!(read::<Cidr>("10.0.0.1/32").unwrap().prefix, None);
        assert!(read::<Cidr>("10.0.0.0/33").is_err());
    }

    #[test]
    fn ports() {
        assert_eq!(from_value::<Target>(json!(6379)).unwrap(), Target::Number(6379));
        assert_eq!(read("named"), Ok(Target::Name("named".to_owned())));
        assert!(from_value::<Target>(json!(70000)).is_err());
    }
}
