//! What a port speaks, by its name or its `appProtocol`, as istiod reads them.

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP, or something that istiod treats as TCP without looking at it: Redis, MongoDB, MySQL, TLS, HTTPS.
    Tcp,
    /// HTTP/1, and what istiod treats like it.
    Http,
    /// HTTP/2 and gRPC.
    Http2,
    /// UDP, for which a sidecar does nothing.
    Udp,
    /// Not said: istiod looks at the first bytes.
    Sniffed,
}

/// Ports of protocols in which the server speaks first; looking for the client's first bytes would hang.
const SERVER_FIRST: [u16; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// What a port of a Kubernetes service speaks. `transport` is its `protocol`, empty for TCP.
    #[must_use]
    pub fn of_service_port(transport: &str, name: &str, app_protocol: Option<&str>, number: u16) -> Self {
        if transport == "UDP" {
            return Self::Udp;
        }
        match Self::by_name(app_protocol.unwrap_or(name)) {
            Self::Sniffed if SERVER_FIRST.contains(&number) => Self::Tcp,
            protocol => protocol,
        }
    }

    /// What a port of a `ServiceEntry` speaks: by `protocol`, or by its name where that is empty.
    #[must_use]
    pub fn of_entry_port(protocol: &str, name: &str) -> Self {
        if protocol.is_empty() { Self::by_name(name) } else { Self::by_word(&protocol.to_ascii_lowercase()) }
    }

    fn by_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "kubernetes.io/h2c" => Self::Http2,
            "kubernetes.io/ws" => Self::Http,
            "kubernetes.io/wss" => Self::Tcp,
            _ if name == "grpc-web" || name.starts_with("grpc-web-") => Self::Http,
            _ => Self::by_word(name.split('-').next().unwrap_or("")),
        }
    }

    fn by_word(word: &str) -> Self {
        match word {
            "tcp" | "redis" | "mongo" | "mysql" | "tls" | "https" => Self::Tcp,
            "http" | "http_proxy" | "grpc-web" => Self::Http,
            "http2" | "grpc" => Self::Http2,
            "udp" => Self::Udp,
            _ => Self::Sniffed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn the_first_word_of_the_name_says_it() {
        let by_name = |name| Protocol::of_service_port("TCP", name, None, 6379);
        for name in ["tcp", "tcp-client", "redis", "redis-x", "tls-z", "https-q", "mysql-m", "TCP-upper"] {
            assert_eq!(by_name(name), Protocol::Tcp, "{name}");
        }
        for name in ["", "client", "my-redis", "gossip", "redisx"] {
            assert_eq!(by_name(name), Protocol::Sniffed, "{name}");
        }
        for (name, protocol) in [("http-a", Protocol::Http), ("grpc-web-x", Protocol::Http), ("grpc", Protocol::Http2)]
        {
            assert_eq!(by_name(name), protocol, "{name}");
        }
    }

    #[test]
    fn the_app_protocol_wins_and_some_ports_are_known() {
        let of = Protocol::of_service_port;
        assert_eq!(of("TCP", "http", Some("redis"), 6379), Protocol::Tcp);
        assert_eq!(of("TCP", "x", Some("kubernetes.io/h2c"), 1), Protocol::Http2);
        assert_eq!(of("TCP", "mail", None, 25), Protocol::Tcp);
        assert_eq!(of("UDP", "tcp", None, 25), Protocol::Udp);
        assert_eq!(Protocol::of_entry_port("REDIS", "http"), Protocol::Tcp);
        assert_eq!(Protocol::of_entry_port("", "tcp"), Protocol::Tcp);
    }
}
