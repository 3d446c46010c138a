//! What is wrong now, each thing told once: when it begins, and when it has ended.

use std::collections::BTreeMap;

/// How loudly something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Something is not in force that somebody asked for.
    Error,
    /// Something does not do what it says.
    Warning,
    /// Something is understood and has no effect.
    Note,
}

/// What has been told and not been withdrawn.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: BTreeMap<String, Weight>,
}

impl Telling {
    /// `now` is all that is wrong by now. Logs what was not so before, and what is so no more.
    pub(crate) fn now(&mut self, now: impl IntoIterator<Item = (Weight, String)>) {
        let now: BTreeMap<String, Weight> = now.into_iter().map(|(weight, text)| (text, weight)).collect();
        for (text, weight) in now.iter().filter(|(text, _)| !self.told.contains_key(*text)) {
            match weight {
                Weight::Error => tracing::error!("{text}"),
                Weight::Warning => tracing::warn!("{text}"),
                Weight::Note => tracing::info!("{text}"),
            }
        }
        for (text, weight) in self.told.iter().filter(|(text, _)| !now.contains_key(*text)) {
            if *weight != Weight::Note {
                tracing::info!("no longer: {text}");
            }
        }
        self.told = now;
    }
}
