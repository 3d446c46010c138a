//! The listening sockets: which there are, which a new configuration needs, and which it keeps.

use crate::accept::{Acceptor, Order};
use crate::crew::Error;
use crate::numbers::Numbers;
use meant::{Listener, Proxy};
use mio::net::TcpListener;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// An open socket.
#[derive(Clone, Debug)]
struct Gate {
    number: usize,
    listener: String,
    /// As configured; port 0 took another.
    wanted: SocketAddr,
    address: SocketAddr,
}

/// All open sockets, in the order of the listeners.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    open: Vec<Gate>,
    given: usize,
}

/// What a new configuration needs, with the sockets opened that it needs anew.
pub(crate) struct Plan {
    gates: Vec<(Gate, Option<TcpListener>)>,
    given: usize,
}

impl Gates {
    /// The listeners' names and addresses.
    pub(crate) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.open.iter().map(|gate| (gate.listener.clone(), gate.address)).collect()
    }

    /// Opens what `proxy` needs and is not open yet; nothing else has changed if that fails.
    pub(crate) fn plan(&self, proxy: &Proxy) -> Result<Plan, Error> {
        let mut plan = Plan { gates: Vec::new(), given: self.given };
        let binding: Vec<&Arc<Listener>> = proxy.listeners.iter().filter(|listener| listener.binds).collect();
        for listener in &binding {
            let kept = self.open.iter().find(|gate| gate.listener == listener.name && gate.wanted == listener.address);
            // An address may go from one listener to another without a moment in which nobody listens.
            let free = |gate: &&Gate| {
                let stays = |other: &&&Arc<Listener>| other.name == gate.listener && other.address == gate.wanted;
                let taken = plan.gates.iter().any(|(planned, _)| planned.number == gate.number);
                let same = gate.wanted == listener.address && gate.wanted.port() != 0;
                same && !taken && !binding.iter().any(|other| stays(&other))
            };
            match kept.or_else(|| self.open.iter().find(free)) {
                Some(gate) => plan.gates.push((Gate { listener: listener.name.clone(), ..gate.clone() }, None)),
                None => plan.open(listener)?,
            }
        }
        Ok(plan)
    }

    /// Carries a plan out; workers know the listeners already.
    pub(crate) fn carry_out(&mut self, plan: Plan, numbers: &mut Numbers, acceptor: &Acceptor) {
        let stays = |gate: &Gate| plan.gates.iter().any(|(kept, _)| kept.number == gate.number);
        for gate in self.open.iter().filter(|gate| !stays(gate)) {
            acceptor.tell(Order::Close { gate: gate.number });
        }
        self.given = plan.given;
        self.open.clear();
        for (gate, socket) in plan.gates {
            let listener = numbers.listener(&gate.listener);
            acceptor.tell(match socket {
                Some(socket) => Order::Open { gate: gate.number, socket, listener },
                None => Order::Hand { gate: gate.number, listener },
            });
            self.open.push(gate);
        }
    }
}

impl Plan {
    fn open(&mut self, listener: &Listener) -> Result<(), Error> {
        let wanted = listener.address;
        let told = |source: io::Error| Error::Listen { listener: listener.name.clone(), address: wanted, source };
        let socket = TcpListener::bind(wanted).map_err(told)?;
        let address = socket.local_addr().map_err(told)?;
        let gate = Gate { number: self.given, listener: listener.name.clone(), wanted, address };
        self.given += 1;
        self.gates.push((gate, Some(socket)));
        Ok(())
    }
}
