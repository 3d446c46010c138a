//! Where a new connection learns which chain of its listener it goes to.

use crate::mail::Door;
use crate::turn::Worker;
use std::net::TcpStream;
use std::sync::atomic::Ordering;

impl Worker {
    /// A client has come to a listener.
    pub(crate) fn enter(&mut self, stream: TcpStream, listener: usize) {
        match self.door(listener) {
            Some(Door::Redis { filter, listener }) => self.admit_client(stream, filter, listener),
            Some(Door::Tcp { filter, listener }) => self.admit_pass(stream, filter, listener),
            // The listener has gone since the client was accepted, or has no chain for it: closed.
            None => {
                self.clients_count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn door(&self, listener: usize) -> Option<Door> {
        let entrance = self.halls.get(listener)?.as_ref()?.entrance.as_ref()?;
        entrance.chains.first().or(entrance.default.as_ref()).map(|(_, door)| *door)
    }
}
