//! Work in a thread whose memory is given back.
//!
//! Reading needs some megabytes for the descriptors, the result a few kilobytes. An allocator gives each thread a part of
//! the heap; of the part where the work was done nothing must be in use afterwards, so that all of it goes back to the
//! system. In the caller's part, small values that stay would lie between the freed ones and hold them. So the caller
//! makes a copy of the result that shares nothing with it.

use crate::delivered::{Reading, Sources};
use crate::load::Loaded;
use crate::problem::Problems;
use crate::schema::{Damaged, Schema};
use meant::{Assignment, Chain, ClientTls, Cluster, Delivered, Filter, Listener, Proxy, SocketMatch, Sockets};
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;

/// Does `work` with what `schema` loads ([`Schema::load`], or [`Schema::load_mesh`]), in a thread of its own, and returns
/// a copy of what it found. For whoever reads now and then and does not want to hold a schema: a thread and the unpacking
/// cost some milliseconds, a schema that is held some megabytes (docs/performance.md).
///
/// # Errors
/// Only if this program was built wrongly.
pub fn apart<T: Afresh + Send + Sync>(
    schema: fn() -> Result<Schema, Damaged>,
    work: impl FnOnce(&Schema) -> T + Send,
) -> Result<T, Damaged> {
    let (give, found) = mpsc::channel::<Arc<Result<T, Damaged>>>();
    let (done, copied) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let apart = scope.spawn(move || {
            let schema = schema();
            let found = Arc::new(schema.as_ref().map(work).map_err(Damaged::clone));
            // What was found must be freed where it was made, or the caller's thread would keep some of it for later use;
            // and before the schema, so that what is freed last is what there is most of.
            if give.send(Arc::clone(&found)).is_ok() {
                let _ = copied.recv();
            }
            drop(found);
            drop(schema);
        });
        let copy = found.recv().map(|found| match found.as_ref() {
            Ok(found) => Ok(found.afresh()),
            Err(damaged) => Err(damaged.clone()),
        });
        drop(done);
        match (apart.join(), copy) {
            (Ok(()), Ok(copy)) => copy,
            (Err(panic), _) => resume_unwind(panic),
            (Ok(()), Err(_)) => Err(Damaged::unread()),
        }
    })
}

/// A value that can be copied so that the copy shares nothing with it.
pub trait Afresh {
    /// The copy.
    #[must_use]
    fn afresh(&self) -> Self;
}

/// A clone of these shares nothing.
macro_rules! cloned {
    ($($kind:ty),*) => {
        $(impl Afresh for $kind {
            fn afresh(&self) -> Self {
                self.clone()
            }
        })*
    };
}
cloned!(String, serde_json::Value, Problems, Assignment, Delivered, Sources, crate::delivered::File);

impl<T: Afresh> Afresh for Vec<T> {
    fn afresh(&self) -> Self {
        self.iter().map(T::afresh).collect()
    }
}

impl<T: Afresh> Afresh for Option<T> {
    fn afresh(&self) -> Self {
        self.as_ref().map(T::afresh)
    }
}

impl<T: Afresh, E: Afresh> Afresh for Result<T, E> {
    fn afresh(&self) -> Self {
        self.as_ref().map(T::afresh).map_err(E::afresh)
    }
}

impl<A: Afresh, B: Afresh> Afresh for (A, B) {
    fn afresh(&self) -> Self {
        (self.0.afresh(), self.1.afresh())
    }
}

impl<T: Afresh> Afresh for Arc<T> {
    fn afresh(&self) -> Self {
        Arc::new(T::afresh(self))
    }
}

impl<T: Afresh> Afresh for Reading<T> {
    fn afresh(&self) -> Self {
        Self { meant: self.meant.afresh(), notes: self.notes.clone() }
    }
}

impl Afresh for Loaded {
    fn afresh(&self) -> Self {
        Self { proxy: self.proxy.afresh(), ..self.clone() }
    }
}

impl Afresh for Proxy {
    fn afresh(&self) -> Self {
        Self { listeners: self.listeners.afresh(), clusters: self.clusters.afresh(), ..self.clone() }
    }
}

impl Afresh for Listener {
    fn afresh(&self) -> Self {
        Self { chains: self.chains.afresh(), default_chain: self.default_chain.afresh(), ..self.clone() }
    }
}

impl Afresh for Chain {
    fn afresh(&self) -> Self {
        let filter = match &self.filter {
            Filter::Redis(filter) => Filter::Redis(Arc::new(filter.as_ref().clone())),
            Filter::Tcp(filter) => Filter::Tcp(filter.clone()),
        };
        let tls = self.tls.as_ref().map(|tls| Arc::new(tls.as_ref().clone()));
        Self { filter, tls, ..self.clone() }
    }
}

impl Afresh for Cluster {
    fn afresh(&self) -> Self {
        let fresh = |tls: &Option<Arc<ClientTls>>| tls.as_ref().map(|tls| Arc::new(tls.as_ref().clone()));
        let matches = self.sockets.matches.iter();
        let matches = matches.map(|entry| SocketMatch { labels: entry.labels.clone(), socket: fresh(&entry.socket) });
        let sockets = Sockets { default: fresh(&self.sockets.default), matches: matches.collect() };
        Self { sockets, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Afresh, apart};
    use crate::load_file;
    use crate::schema::{Damaged, Schema};
    use crate::testing::whole;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn a_copy_is_the_same_and_shares_nothing() {
        for name in ["everything.yaml", "chains.yaml"] {
            let proxy = load_file(&Path::new("tests/files").join(name)).unwrap();
            let copy = proxy.afresh();
            assert_eq!(whole(&copy), whole(&proxy));
            let chains = |proxy: &meant::Proxy| {
                proxy.listeners.iter().flat_map(|listener| listener.all_chains().cloned()).collect::<Vec<_>>()
            };
            assert!(chains(&proxy).iter().zip(chains(&copy)).all(|(one, other)| !Arc::ptr_eq(one, &other)));
        }
    }

    #[test]
    fn faults_and_panics_come_back() {
        let damaged = || Schema::load().and_then(|_| Err(Damaged::unread()));
        assert!(apart(damaged, |_| String::new()).is_err());
        assert_eq!(apart(Schema::load, |schema| schema.message("x").is_none().to_string()).unwrap(), "true");
        let panicking = || apart(Schema::load, |_| -> String { panic!("on purpose") });
        assert!(std::panic::catch_unwind(panicking).is_err());
    }
}
