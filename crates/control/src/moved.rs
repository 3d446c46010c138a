//! Where services were: an EnvoyFilter that names a service's former address is the usual reason for hitting nothing.

use crate::registry::State;
use std::collections::HashMap;
use std::net::IpAddr;

/// Former addresses that are remembered.
const MOST: usize = 10_000;

/// The services that had an address which no service has now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved(HashMap<IpAddr, String>);

impl Moved {
    /// `former` is followed by `now`.
    pub(crate) fn note(&mut self, former: Option<&State>, now: &State) {
        for service in former.into_iter().flat_map(|state| &state.services) {
            for ip in service.ips() {
                if self.0.len() < MOST {
                    self.0.insert(ip, service.host.clone());
                }
            }
        }
        for ip in now.services.iter().flat_map(|service| service.ips()) {
            self.0.remove(&ip);
        }
    }

    /// Where the service is now that a listener's name, `<address>_<port>`, once led to; empty if it led to none.
    pub(crate) fn hint(&self, listener: &str, now: &State) -> String {
        let address = listener.rsplit_once('_').and_then(|(address, _)| address.parse::<IpAddr>().ok());
        let Some(host) = address.and_then(|address| self.0.get(&address)) else { return String::new() };
        let services = now.services.iter().filter(|service| service.host == *host);
        let places: Vec<String> = services.flat_map(|service| service.ips()).map(|ip| ip.to_string()).collect();
        match places.is_empty() {
            false => format!("; the service {host} is now at {}", places.join(", ")),
            true => format!("; the service {host}, which was there, has no address any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Moved, State};
    use crate::written::mesh::Mesh;
    use crate::written::objects;
    use std::sync::Arc;

    fn state(services: &[(&str, &str)]) -> State {
        let written = |(name, ip): &(&str, &str)| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {ip}, ports: [{{port: 1}}]}}\n"
            )
        };
        let text: String = services.iter().map(written).collect();
        let objects: Vec<_> = objects(&text, "a.yaml").found.into_iter().map(Arc::new).collect();
        State::new(&objects, Arc::new(Mesh::default()), None)
    }

    #[test]
    fn a_service_is_followed_from_address_to_address() {
        let mut moved = Moved::default();
        let states = [[("a", "10.0.0.1")], [("a", "10.0.0.2")], [("a", "fd00::3")]].map(|services| state(&services));
        moved.note(None, &states[0]);
        assert_eq!(moved.hint("10.0.0.1_6379", &states[0]), "");
        moved.note(Some(&states[0]), &states[1]);
        moved.note(Some(&states[1]), &states[2]);
        let now = "; the service a.default.svc.cluster.local is now at fd00::3";
        assert_eq!(moved.hint("10.0.0.1_6379", &states[2]), now);
        assert_eq!(moved.hint("10.0.0.2_6379", &states[2]), now);
        assert_eq!(moved.hint("virtualInbound", &states[2]), "");
        // Back to the first, which is then no former address any more.
        moved.note(Some(&states[2]), &states[0]);
        assert_eq!(moved.hint("10.0.0.1_6379", &states[0]), "");
        assert!(moved.hint("fd00::3_6379", &states[0]).ends_with("is now at 10.0.0.1"));
    }

    #[test]
    fn one_that_is_gone_is_told_so_and_another_at_its_address_counts() {
        let mut moved = Moved::default();
        let (old, gone, other) = (state(&[("a", "10.0.0.1")]), state(&[]), state(&[("b", "10.0.0.1")]));
        moved.note(Some(&old), &gone);
        assert!(moved.hint("10.0.0.1_6379", &gone).ends_with("which was there, has no address any more"));
        moved.note(Some(&gone), &other);
        assert_eq!(moved.hint("10.0.0.1_6379", &other), "");
    }
}
