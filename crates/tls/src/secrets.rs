//! The secrets that were delivered so far.

use crate::Problem;
use meant::{Delivered, Delivery, Identity, Roots, Secret, Tls, Trust};
use std::collections::HashMap;
use std::sync::Arc;

/// Secrets by name and source. A clone is cheap, and does not see what changes after it was made.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<HashMap<Delivery, Delivered>>);

impl Secrets {
    /// Keeps a secret, in place of an older one; whether anything changed.
    pub fn insert(&mut self, at: Delivery, secret: Delivered) -> bool {
        if self.0.get(&at) == Some(&secret) {
            return false;
        }
        Arc::make_mut(&mut self.0).insert(at, secret);
        true
    }

    /// Forgets a secret; whether there was one.
    pub fn remove(&mut self, at: &Delivery) -> bool {
        self.0.contains_key(at) && Arc::make_mut(&mut self.0).remove(at).is_some()
    }

    /// A secret, if it was delivered.
    pub fn get(&self, at: &Delivery) -> Option<&Delivered> {
        self.0.get(at)
    }

    /// Whether settings made of `tls` would be others with `new` than with these.
    pub fn differ(&self, new: &Self, tls: &Tls) -> bool {
        let identity = tls.identity.as_ref().and_then(|identity| match identity {
            Identity::Delivered(at) => Some(at),
            Identity::Written { .. } => None,
        });
        let trust = match &tls.trust.roots {
            Roots::Delivered(at) => Some(at),
            Roots::Written(_) | Roots::Unverified => None,
        };
        identity.into_iter().chain(trust).any(|at| self.get(at) != new.get(at))
    }

    fn wait_for(&self, at: &Delivery) -> Result<&Delivered, Problem> {
        self.get(at).ok_or_else(|| Problem::NotDelivered(at.name.clone()))
    }

    /// A certificate's chain and key.
    pub(crate) fn identity<'a>(&'a self, identity: &'a Identity) -> Result<(&'a [u8], &'a Secret), Problem> {
        match identity {
            Identity::Written { chain, key } => Ok((chain, key)),
            Identity::Delivered(at) => match self.wait_for(at)? {
                Delivered::Identity { chain, key } => Ok((chain, key)),
                Delivered::Trust(_) => Err(Problem::OtherKind { name: at.name.clone(), wanted: "a tls_certificate" }),
            },
        }
    }

    /// The authorities in PEM, if any, and the names: those written and those delivered, as Envoy merges them.
    pub(crate) fn trust<'a>(&'a self, trust: &'a Trust) -> Result<Found<'a>, Problem> {
        let mut names = trust.names.clone();
        let roots = match &trust.roots {
            Roots::Unverified => None,
            Roots::Written(pem) => Some(pem.as_slice()),
            Roots::Delivered(at) => {
                let other = || Problem::OtherKind { name: at.name.clone(), wanted: "a validation_context" };
                let Delivered::Trust(delivered) = self.wait_for(at)? else { return Err(other()) };
                names.extend_from_slice(&delivered.names);
                match &delivered.roots {
                    Roots::Unverified => None,
                    Roots::Written(pem) => Some(pem.as_slice()),
                    Roots::Delivered(_) => return Err(other()),
                }
            }
        };
        Ok(Found { roots, names })
    }
}

/// A trust with its authorities at hand.
pub(crate) struct Found<'a> {
    pub(crate) roots: Option<&'a [u8]>,
    pub(crate) names: Vec<meant::NameMatch>,
}
