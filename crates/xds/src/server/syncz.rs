//! `/debug/syncz` as istiod writes it, so that `istioctl proxy-status` and people's scripts can read it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::kind::Kind;

use super::status::{LaneStatus, ProxyStatus};

impl ProxyStatus {
    /// One row of `/debug/syncz`. istiod's keys and values (what was sent and acknowledged are nonces), and one key more:
    /// `lastErrorResources`, the resources that a refusal names.
    pub fn syncz(&self) -> Value {
        let text = |key: &str| self.node.text(key).unwrap_or_default();
        let mut row = Map::new();
        row.insert("cluster_id".to_owned(), text("CLUSTER_ID").into());
        row.insert("proxy".to_owned(), self.node.short().into());
        row.insert("proxy_type".to_owned(), self.node.id.split('~').next().unwrap_or_default().into());
        row.insert("istio_version".to_owned(), text("ISTIO_VERSION").into());
        let mut resources = Map::new();
        for lane in &self.lanes {
            if let Some(word) = word(lane.kind) {
                row.extend(nonce(lane.sent.as_ref()).map(|nonce| (format!("{word}_sent"), nonce)));
                row.extend(nonce(lane.acked.as_ref()).map(|nonce| (format!("{word}_acked"), nonce)));
            }
            resources.insert(lane.kind.url().to_owned(), lane_row(lane));
        }
        row.insert("resources".to_owned(), Value::Object(resources));
        Value::Object(row)
    }
}

/// The kinds that have keys of their own.
fn word(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Cluster => Some("cluster"),
        Kind::Listener => Some("listener"),
        Kind::Routes => Some("route"),
        Kind::Endpoints => Some("endpoint"),
        Kind::Extension => Some("extensionconfig"),
        Kind::Secret => None,
    }
}

fn lane_row(lane: &LaneStatus) -> Value {
    let mut row = Map::new();
    row.extend(nonce(lane.sent.as_ref()).map(|nonce| ("sent".to_owned(), nonce)));
    row.extend(nonce(lane.acked.as_ref()).map(|nonce| ("acked".to_owned(), nonce)));
    row.extend(lane.sent.as_ref().map(|sent| ("sentTime".to_owned(), rfc3339(sent.at).into())));
    if let Some(nack) = &lane.nack {
        row.insert("lastError".to_owned(), nack.message.as_str().into());
        let names: Vec<&str> = nack.resources.iter().map(|name| &**name).collect();
        row.insert("lastErrorResources".to_owned(), json!(names));
    }
    Value::Object(row)
}

/// A proxy that brought everything along was sent nothing; the version says what it has.
fn nonce(stamp: Option<&super::status::Stamp>) -> Option<Value> {
    stamp.map(|stamp| if stamp.nonce.is_empty() { (*stamp.version).into() } else { stamp.nonce.as_str().into() })
}

/// `2026-11-23T17:18:53.395Z`; times before 1970 as 1970.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", second % 60, since.subsec_millis())
}

/// The Gregorian date of a number of days after 1970-01-01, counting years from March (H. Hinnant, "chrono-compatible
/// low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::nack::Nack;
    use crate::node::Node;
    use crate::server::{Dialect, Stamp};

    #[test]
    fn times_are_written_as_people_read_them() {
        let at = |seconds: u64| rfc3339(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_454_333), "2026-11-23T17:18:53.007Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.007Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.007Z");
    }

    #[test]
    fn a_row_is_istiods_with_the_refusal_and_its_resources() {
        let stamp = |nonce: &str| Stamp { nonce: nonce.to_owned(), version: "v1".into(), at: UNIX_EPOCH };
        let nack = Nack {
            kind: Kind::Listener,
            nonce: "v1/2".to_owned(),
            version: "v1".into(),
            message: "l1: bad".to_owned(),
            resources: vec!["l1".into()],
            at: UNIX_EPOCH,
        };
        let lane = LaneStatus {
            kind: Kind::Listener,
            wildcard: true,
            names: 0,
            sent: Some(stamp("v1/2")),
            acked: Some(stamp("v1/1")),
            nack: Some(nack),
            resources: Arc::default(),
        };
        let mut node = Node { id: "sidecar~10.0.0.1~a.b~b.svc.cluster.local".to_owned(), ..Node::default() };
        node.metadata.insert("CLUSTER_ID".to_owned(), "Kubernetes".into());
        let (node, lanes) = (Arc::new(node), vec![lane]);
        let status = ProxyStatus { stream: 1, node, connected: UNIX_EPOCH, dialect: Dialect::Delta, lanes };
        let row = json!({
            "cluster_id": "Kubernetes", "proxy": "a.b", "proxy_type": "sidecar", "istio_version": "",
            "listener_sent": "v1/2", "listener_acked": "v1/1",
            "resources": {"type.googleapis.com/envoy.config.listener.v3.Listener": {
                "sent": "v1/2", "acked": "v1/1", "sentTime": "1970-01-01T00:00:00.000Z",
                "lastError": "l1: bad", "lastErrorResources": ["l1"],
            }},
        });
        assert_eq!(status.syncz(), row);
    }
}
