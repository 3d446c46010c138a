//! MERGE, with a look at what it could not do.

use super::{Run, Site};
use crate::field::{inner, name};
use crate::filter::Operation;
use crate::merge::{self, Lists, Unmerged};
use crate::select::Chosen;
use config::dynamic::{Step, path_text};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

impl Run<'_> {
    /// Merges the whole value of the patch into `target`.
    pub(super) fn merge(&self, target: &mut DynamicMessage, site: &Site, one: &Chosen<'_>, place: &str) {
        let Some(value) = one.patch.value.as_ref() else { return };
        let lists = if one.patch.operation == Operation::Merge { Lists::Append } else { Lists::Replace };
        let before = target.clone();
        merge::into(target, value, lists);
        self.merged(&before, target, site, one, place);
    }

    /// Merges name and typed configuration of the patch's filter into `filter`, whose other fields stay.
    pub(super) fn merge_filter(&self, filter: &mut DynamicMessage, site: &Site, one: &Chosen<'_>, place: &str) {
        let Some(value) = one.patch.value.as_ref() else { return };
        let Some(there) = inner(filter, "typed_config") else {
            self.trace.warn(one.order, format!("{} of {} has no typed_config: MERGE skips it", place, site.name));
            return;
        };
        let before = filter.clone();
        if let Some(patch) = inner(value, "typed_config") {
            match merge::any_into(self.schema, &there, &patch) {
                Ok(merged) => filter.set_field_by_name("typed_config", Value::Message(merged)),
                Err(Unmerged::OtherType(there, patch)) => return self.other_type(site, one, place, &there, &patch),
                Err(Unmerged::UnknownType(of)) => {
                    self.trace.warn(
                        one.order,
                        format!("{place} of {} holds {of}, which cannot be read: it stays", site.name),
                    );
                }
            }
        }
        let renamed = name(value);
        if !renamed.is_empty() {
            filter.set_field_by_name("name", Value::String(renamed));
        }
        self.merged(&before, filter, site, one, place);
    }

    /// A MERGE into a configuration of another type changes nothing.
    pub(super) fn other_type(&self, site: &Site, one: &Chosen<'_>, place: &str, there: &str, patch: &str) {
        let text = format!("{place} of {} holds {there}: a {patch} cannot be merged into it, use REPLACE", site.name);
        self.trace.warn(one.order, text);
    }

    /// Notes a merge, and what of it had no effect.
    pub(super) fn merged(
        &self,
        before: &DynamicMessage,
        after: &DynamicMessage,
        site: &Site,
        one: &Chosen<'_>,
        place: &str,
    ) {
        let is_same = before == after;
        self.hit(site, one, place, if is_same { "merged, without effect" } else { "merged" });
        for path in &one.patch.defaults {
            if self.is_set(after, path) {
                let field = path_text(path);
                self.trace.warn(
                    one.order,
                    format!("{field} is set to its default, which a MERGE cannot do: {} keeps its value", site.name),
                );
            }
        }
        if is_same && one.patch.defaults.is_empty() {
            self.trace
                .warn(one.order, format!("{} has it already, or the value is empty: nothing is changed", site.name));
        }
    }

    /// Whether what stands at `path` is not at its default.
    fn is_set(&self, message: &DynamicMessage, path: &[Step]) -> bool {
        if let Some(held) =
            (message.descriptor().full_name() == "google.protobuf.Any").then(|| self.schema.unpack(message))
        {
            return held.is_some_and(|held| self.is_set(&held, path));
        }
        let Some((Step::Field(name), rest)) = path.split_first() else {
            // A wrapper with a value in it.
            return message.fields().next().is_some();
        };
        if !message.has_field_by_name(name) {
            return false;
        }
        let value = message.get_field_by_name(name);
        value.as_ref().and_then(|value| value.as_message()).is_none_or(|inner| self.is_set(inner, rest))
    }
}
