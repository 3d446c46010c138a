//! FILTER_CHAIN: each chain with its filters, the default chain last; added at the end, and not patched any more.

use super::{Run, Site};
use crate::field::{inner, inner_mut, len, list_mut, name};
use crate::filter::{ApplyTo, Operation};
use crate::matching::{ListenerFacts, chain_differs, listener_differs};
use crate::merge::{Unmerged, any_into};
use crate::select::Chosen;
use prost_reflect::{DynamicMessage, Value};

const CHAINS: &str = "filter_chains";
const DEFAULT: &str = "default_filter_chain";

impl Run<'_> {
    pub(super) fn chains(&self, listener: &mut DynamicMessage, site: &Site) {
        let facts = ListenerFacts::of(listener);
        if len(listener, CHAINS) > 0
            && let Some(chains) = list_mut(listener, CHAINS)
        {
            let mut index = 0;
            chains.retain_mut(|chain| {
                let place = format!("{CHAINS}[{index}]");
                index += 1;
                chain.as_message_mut().is_none_or(|chain| self.chain(chain, site, &facts, &place))
            });
        }
        let stays = inner_mut(listener, DEFAULT).is_none_or(|chain| self.chain(chain, site, &facts, DEFAULT));
        if !stays {
            listener.clear_field_by_name(DEFAULT);
        }
        for one in self.at(ApplyTo::FilterChain, site) {
            let is_meant = one.patch.operation == Operation::Add && listener_differs(one.patch, &facts).is_none();
            let (Some(value), true) = (one.patch.value.clone(), is_meant) else { continue };
            self.hit(site, &one, format!("{CHAINS}[{}]", len(listener, CHAINS)), "added");
            list_mut(listener, CHAINS).into_iter().for_each(|chains| chains.push(Value::Message(value.clone())));
        }
    }

    /// Whether the chain stays. One without filters is passed by, as istiod does.
    fn chain(&self, chain: &mut DynamicMessage, site: &Site, facts: &ListenerFacts, place: &str) -> bool {
        if len(chain, "filters") == 0 {
            return true;
        }
        for one in self.at(ApplyTo::FilterChain, site) {
            if listener_differs(one.patch, facts).is_some() || chain_differs(one.patch, facts, chain).is_some() {
                continue;
            }
            match one.patch.operation {
                Operation::Remove => {
                    self.hit(site, &one, place, "removed");
                    return false;
                }
                operation if operation.is_merge() && !self.merge_socket(chain, site, &one, place) => {
                    self.merge(chain, site, &one, place);
                }
                _ => {}
            }
        }
        self.network_filters(chain, site, facts, place);
        true
    }

    /// Merges a transport socket into the one of the same name, and tells whether that was the whole patch: the other
    /// fields of such a patch are not looked at.
    fn merge_socket(&self, chain: &mut DynamicMessage, site: &Site, one: &Chosen<'_>, place: &str) -> bool {
        let patch = one.patch.value.as_ref().and_then(|value| inner(value, "transport_socket"));
        let (Some(patch), Some(socket)) = (patch, inner_mut(chain, "transport_socket")) else { return false };
        if name(&patch) != name(socket) {
            return false;
        }
        self.merge_into_socket(socket, &patch, site, one, &format!("{place}.transport_socket"));
        self.other_fields(one);
        true
    }

    /// Merges the typed configuration of one transport socket into that of another.
    pub(super) fn merge_into_socket(
        &self,
        socket: &mut DynamicMessage,
        patch: &DynamicMessage,
        site: &Site,
        one: &Chosen<'_>,
        place: &str,
    ) {
        let (there, patch) = (inner(socket, "typed_config"), inner(patch, "typed_config"));
        let (Some(there), Some(patch)) = (there, patch) else {
            self.trace.warn(
                one.order,
                format!("{place} of {}: without a typed_config on both sides nothing is merged", site.name),
            );
            return;
        };
        match any_into(self.schema, &there, &patch) {
            Ok(merged) => {
                let is_same = merged == there;
                socket.set_field_by_name("typed_config", Value::Message(merged));
                self.hit(site, one, place, if is_same { "merged, without effect" } else { "merged" });
            }
            Err(Unmerged::OtherType(there, patch)) => self.other_type(site, one, place, &there, &patch),
            Err(Unmerged::UnknownType(of)) => {
                self.trace
                    .warn(one.order, format!("{place} of {} holds {of}, which cannot be read: it stays", site.name));
            }
        }
    }

    /// Tells that the rest of a patch with a transport socket is not merged.
    pub(super) fn other_fields(&self, one: &Chosen<'_>) {
        let Some(value) = one.patch.value.as_ref() else { return };
        let names: Vec<String> = value
            .fields()
            .map(|(field, _)| field.name().to_owned())
            .filter(|name| name != "transport_socket")
            .collect();
        if !names.is_empty() {
            let text =
                format!("beside a transport_socket, which is merged by itself, {} is not merged", names.join(", "));
            self.trace.warn(one.order, text);
        }
    }
}
