//! The report for people: one line a place, the reasons under it.

use super::{OfFilter, OfPatch, Refusal, Report};
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.envoy_filters.iter().try_for_each(|filter| write!(f, "{filter}"))?;
        self.refusals.iter().try_for_each(|refusal| write!(f, "{refusal}"))
    }
}

impl fmt::Display for OfFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "EnvoyFilter {}/{}", self.namespace, self.name)?;
        self.refused.iter().try_for_each(|reason| writeln!(f, "  refused: {reason}"))?;
        self.not_for_this_proxy.iter().try_for_each(|reason| writeln!(f, "  not for this proxy: {reason}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  warning: {warning}"))?;
        self.patches.iter().try_for_each(|patch| write!(f, "{patch}"))
    }
}

impl fmt::Display for OfPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  [{}] {} {}, context {}", self.index, self.apply_to, self.operation, self.context)?;
        for hit in &self.hits {
            let gap = if hit.place.is_empty() { "" } else { " " };
            writeln!(f, "      {} {}{gap}{}: {}", hit.kind.word(), hit.name, hit.place, hit.done)?;
        }
        self.held_back.iter().try_for_each(|name| writeln!(f, "      held back at {name}"))?;
        self.nothing.iter().try_for_each(|reason| writeln!(f, "      hit nothing: {reason}"))?;
        if !self.nearest.is_empty() {
            writeln!(f, "      nearest: {}", self.nearest.join("; "))?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "      warning: {warning}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.held_back { "was held back" } else { "goes out, and Envoy refuses the whole update" };
        writeln!(f, "The proxy would refuse {} {:?}: {done}", self.kind.word(), self.name)?;
        self.reasons.iter().try_for_each(|reason| writeln!(f, "  {reason}"))?;
        self.caused_by.iter().try_for_each(|patch| writeln!(f, "  caused by {patch}"))
    }
}
