//! A server that does what no real one can be made to do: late replies, half replies, wrong topologies, silence.
//!
//! Each connection has a thread; the behaviour is one closure for all of them, called for one command at a time, so
//! that it can count and remember. Every command is recorded in the order of arrival.

mod answers;
mod command;

pub use answers::{greeting, shards_reply, slots_reply};

use crate::error::Result;
use crate::wait;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One command as a fake server received it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Which command of the whole server it is, counted from 0.
    pub number: usize,
    /// Name and arguments.
    pub args: Vec<Vec<u8>>,
}

impl Request {
    /// Name and arguments separated by spaces, lossy.
    pub fn text(&self) -> String {
        self.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>().join(" ")
    }

    /// The name in upper case.
    pub fn name(&self) -> String {
        self.args.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (connection {})", self.text(), self.connection)
    }
}

/// What a fake server does with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends these bytes: a reply, half a reply, several, nonsense.
    Send(Vec<u8>),
    /// Sends these bytes later; commands behind it on the same connection wait.
    SendAfter(Duration, Vec<u8>),
    /// Sends these bytes and closes the connection.
    SendAndClose(Vec<u8>),
    /// Closes the connection.
    Close,
    /// Answers nothing and goes on with the next command.
    Ignore,
    /// Reads no more from this connection and keeps it open.
    StopReading,
}

impl Act {
    /// [`Act::Send`] from text.
    pub fn say(text: &str) -> Self {
        Self::Send(text.as_bytes().to_vec())
    }

    /// [`Act::Send`] of a bulk string.
    pub fn bulk(text: &str) -> Self {
        Self::Send(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
    }
}

type Behaviour = Box<dyn FnMut(&Request) -> Act + Send>;

struct State {
    behaviour: Behaviour,
    requests: Vec<Request>,
    connections: Vec<TcpStream>,
}

/// A running fake server; ends on drop.
pub struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Fake {
    /// Listens on a free port and does what `behaviour` says with each command.
    pub fn start(behaviour: impl FnMut(&Request) -> Act + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State { behaviour: Box::new(behaviour), requests: Vec::new(), connections: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&state), Arc::clone(&ended));
        std::thread::spawn(move || accept(&listener, &shared, &stop));
        Ok(Self { address, state, ended })
    }

    /// A whole cluster of one primary: greets and describes itself as the owner of every slot (CLUSTER SLOTS and
    /// SHARDS) unless `behaviour`, asked first, decides otherwise.
    pub fn cluster_of_one(mut behaviour: impl FnMut(&Request) -> Option<Act> + Send + 'static) -> Result<Self> {
        let own_address = Arc::new(Mutex::new(None));
        let known = Arc::clone(&own_address);
        let fake = Self::start(move |request| {
            let own =
                known.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            let layout = [(0, 16_383, vec![own])];
            behaviour(request)
                .or_else(|| answers::topology(request, &layout))
                .or_else(|| greeting(request))
                .unwrap_or_else(|| Act::say("+OK\r\n"))
        })?;
        *own_address.lock().unwrap_or_else(PoisonError::into_inner) = Some(fake.address);
        Ok(fake)
    }

    /// A server that accepts connections and never reads a byte.
    pub fn deaf() -> Result<TcpListener> {
        Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every command so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How many connections have been accepted.
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Closes every open connection.
    pub fn close_all(&self) {
        close(&self.lock());
    }

    /// Waits until a recorded command fits, and returns the first that does.
    pub fn wait_for(&self, deadline: Duration, fits: impl Fn(&Request) -> bool) -> Result<Request> {
        wait::until("a certain command reaches the fake server", deadline, || {
            Ok(self.requests().into_iter().find(|request| fits(request)))
        })
        .map_err(|error| error.with(&format!("received: {:?}", self.requests())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        self.close_all();
        // Wakes the thread that accepts, which then sees that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

fn close(state: &State) {
    for connection in &state.connections {
        // Closed already is as good.
        let _ = connection.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>, ended: &AtomicBool) {
    for stream in listener.incoming().map_while(std::io::Result::ok) {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(copy) = stream.try_clone() else { return };
        let mut locked = state.lock().unwrap_or_else(PoisonError::into_inner);
        locked.connections.push(copy);
        let (number, shared) = (locked.connections.len() - 1, Arc::clone(state));
        std::thread::spawn(move || serve(stream, number, &shared));
    }
}

/// Reads commands one by one until the connection ends, by either side.
fn serve(mut stream: TcpStream, connection: usize, state: &Mutex<State>) {
    let mut unread = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        while let Some((args, length)) = command::parse(&unread) {
            unread.drain(..length);
            if !perform(&mut stream, decide(connection, args, state)) {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => unread.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
}

fn decide(connection: usize, args: Vec<Vec<u8>>, state: &Mutex<State>) -> Act {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let request = Request { connection, number: state.requests.len(), args };
    state.requests.push(request.clone());
    (state.behaviour)(&request)
}

/// Whether the connection goes on.
fn perform(stream: &mut TcpStream, act: Act) -> bool {
    match act {
        Act::Send(bytes) => stream.write_all(&bytes).is_ok(),
        Act::SendAfter(delay, bytes) => {
            std::thread::sleep(delay);
            stream.write_all(&bytes).is_ok()
        }
        Act::SendAndClose(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
        Act::Close => {
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
        Act::Ignore => true,
        // The copy in the state keeps it open.
        Act::StopReading => false,
    }
}
