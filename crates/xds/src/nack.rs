//! What was refused, and the resources that a refusal's text names.

use std::sync::Arc;
use std::time::SystemTime;

use crate::kind::Kind;

/// A response that a proxy refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The type of what was refused.
    pub kind: Kind,
    /// The response's nonce.
    pub nonce: String,
    /// The version of the snapshot it was made from.
    pub version: Arc<str>,
    /// The proxy's own words.
    pub message: String,
    /// Those of the resources sent that the words name; empty if they name none.
    pub resources: Vec<Arc<str>>,
    /// When.
    pub at: SystemTime,
}

/// The names that stand in a refusal's text as Envoy writes them: `Error adding/updating listener(s) NAME: why\nNAME: why`.
/// A name counts where it is followed by a colon and begins a line or a word, so that `a` is not found in `data: bad`.
pub fn blamed<'a>(message: &str, sent: impl IntoIterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    sent.into_iter().filter(|name| names(message, name)).cloned().collect()
}

fn names(message: &str, name: &str) -> bool {
    !name.is_empty()
        && message.match_indices(name).any(|(at, _)| {
            let begins = message[..at].chars().next_back().is_none_or(|before| before.is_whitespace());
            begins && message[at + name.len()..].starts_with(':')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_words_lead_to_the_resources() {
        let sent: Vec<Arc<str>> =
            ["10.244.1.35_16379", "10.244.1.35_163", "10.96.188.57_16379", "bad", "virtualOutbound"]
                .map(Arc::from)
                .into();
        let message = "Error adding/updating listener(s) 10.244.1.35_16379: goo.gle/debugproto  \nstat_prefix: \"bad\"\n: \
                       Proto constraint validation failed (RedisProxyValidationError.Settings: value is required)\n\
                       10.96.188.57_16379: goo.gle/debugproto \n";
        assert_eq!(blamed(message, &sent), ["10.244.1.35_16379".into(), "10.96.188.57_16379".into()]);
        let cluster = "Error adding/updating cluster(s) bad: cluster manager: cluster provided LB specified but cluster \
                       'bad' did not provide one.";
        assert_eq!(blamed(cluster, &sent), ["bad".into()]);
        assert!(blamed("Malformed", &sent).is_empty());
    }
}
