//! Station 3: is it allowed, is it within limits, is a fault to be injected?

use crate::engine::{Engine, FilterId, SessionId};
use crate::session::Ticket;
use crate::time::Time;
use meant::FaultKind;

impl Engine {
    /// Gives a request its place in the client's line, counts it, and injects the configured faults. Nothing where a
    /// fault has answered it.
    pub(crate) fn admit(&mut self, id: SessionId, command: command::Id) -> Option<Ticket> {
        let session = &mut self.sessions[id.0 as usize];
        let ticket = self.places.push(id.0, session, command, self.now);
        let filter = &self.filters[session.filter.index()];
        filter.stats.downstream_rq_active.add(1);
        let counters = filter.stats.command(command);
        counters.total.inc();
        if filter.faults.is_empty() {
            return Some(ticket);
        }
        let draw = self.random.below(100);
        let mut bound = 0;
        let drawn = filter.faults.iter().filter(|fault| fault.applies_to(command)).find(|fault| {
            bound += fault.percent;
            draw < bound
        });
        let Some(fault) = drawn else { return Some(ticket) };
        let (kind, delay) = (fault.kind, fault.delay_us);
        if delay > 0 {
            counters.delay_fault.inc();
            if let Some((_, place)) = self.places.holder(ticket) {
                place.delay = delay;
            }
        }
        if kind == FaultKind::Delay {
            return Some(ticket);
        }
        counters.error_fault.inc();
        self.deliver(ticket, b"-Fault Injected: Error\r\n", false);
        None
    }

    /// When a request that is read now has taken too long.
    pub(crate) fn deadline(&self, filter: FilterId) -> Time {
        let timeout = self.filters[filter.index()].settings.op_timeout;
        if timeout.is_zero() { Time::NEVER } else { self.now.after(timeout) }
    }
}
