//! LISTENER: merged and removed one by one, each with all that is in it; added at the end.

use super::{Changes, Run, Site, Target, is_on};
use crate::field::name;
use crate::filter::{ApplyTo, Operation, Patch};
use crate::matching::{ListenerFacts, listener_differs, side_of_listener};
use crate::resources::Kind;
use prost_reflect::DynamicMessage;

/// What is patched by way of a listener.
const INSIDE: [ApplyTo; 5] =
    [ApplyTo::Listener, ApplyTo::ListenerFilter, ApplyTo::FilterChain, ApplyTo::NetworkFilter, ApplyTo::HttpFilter];

/// What is patched inside a route configuration that stands in a listener.
const INLINE: [ApplyTo; 3] = [ApplyTo::RouteConfiguration, ApplyTo::VirtualHost, ApplyTo::HttpRoute];

impl Run<'_> {
    pub(super) fn listeners(&self, base: &[DynamicMessage]) -> Changes {
        let mut changes = Changes::default();
        if self.chosen.iter().all(|one| one.patch.apply_to == ApplyTo::Cluster) {
            return changes;
        }
        for (index, listener) in base.iter().enumerate() {
            let (target, side) = (Target::Base(Kind::Listener, index), side_of_listener(listener, self.role));
            let site = Site { kind: Kind::Listener, target, side, name: name(listener) };
            if !self.concerns(&site, listener) {
                continue;
            }
            let mut patched = listener.clone();
            self.inline_routes(&mut patched, &site);
            let stays = self.listener(&mut patched, &site);
            if !stays || patched != *listener {
                changes.changed.insert(index, stays.then_some(patched));
            }
        }
        for side in self.sides() {
            changes.added.extend(self.added(Kind::Listener, ApplyTo::Listener, *side));
        }
        changes
    }

    /// Whether some patch may do something to the listener: most listeners are left alone, and need no copy.
    fn concerns(&self, site: &Site, listener: &DynamicMessage) -> bool {
        let facts = ListenerFacts::of(listener);
        // A patch of the listener may change its name or port, and with it which patches match.
        let may_match = |patch: &Patch| {
            patch.apply_to != ApplyTo::Listener && self.of(ApplyTo::Listener).any(|one| one.patch.operation.is_merge())
                || listener_differs(patch, &facts).is_none()
        };
        self.chosen.iter().filter(|one| is_on(one, site.side)).any(|one| match one.patch.apply_to {
            apply_to if INSIDE.contains(&apply_to) => may_match(one.patch),
            apply_to => INLINE.contains(&apply_to) && site.side == crate::filter::Context::Inbound,
        })
    }

    /// Whether the listener stays.
    fn listener(&self, listener: &mut DynamicMessage, site: &Site) -> bool {
        for one in self.at(ApplyTo::Listener, site) {
            if listener_differs(one.patch, &ListenerFacts::of(listener)).is_some() {
                continue;
            }
            match one.patch.operation {
                Operation::Remove => {
                    self.hit(site, &one, "", "removed");
                    return false;
                }
                operation if operation.is_merge() => self.merge(listener, site, &one, ""),
                _ => {}
            }
        }
        self.listener_filters(listener, site);
        self.chains(listener, site);
        true
    }
}
