//! Station 3: is it allowed, is it within limits, is a fault to be injected?

use crate::engine::{Engine, FilterId, SessionId};
use crate::filter::Filter;
use crate::places::Ticket;
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
            self.places.delay(ticket, delay);
        }
        if kind == FaultKind::Delay {
            return Some(ticket);
        }
        counters.error_fault.inc();
        self.deliver(ticket, b"-Fault Injected: Error\r\n", false);
        None
    }

    /// See [`Filter::deadline`].
    pub(crate) fn deadline(&self, filter: FilterId) -> Time {
        self.filters[filter.index()].deadline(self.now)
    }
}

impl Filter {
    /// When a request that is read `now` has taken too long.
    pub(crate) fn deadline(&self, now: Time) -> Time {
        let timeout = self.settings.op_timeout;
        if timeout.is_zero() { Time::NEVER } else { now.after(timeout) }
    }

    /// Whether requests may take the plain road: no fault is to be injected, and nothing is collected before it is sent.
    pub(crate) fn is_plain(&self) -> bool {
        self.faults.is_empty() && self.settings.max_buffer_size_before_flush == 0
    }
}
