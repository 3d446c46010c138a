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
