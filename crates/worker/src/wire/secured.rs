//! TLS over a socket that never blocks.
//!
//! Bounds: at most 64 KiB wait encrypted to be written (the library accepts no more), at most one turn's read waits
//! decrypted (it is read on only when that is empty), and a handshake's messages may be 64 KiB.

use mio::net::TcpStream;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown};
use tls::rustls::server::Acceptor;
use tls::rustls::{ClientConnection, Connection, HandshakeKind};

/// Bytes that may wait encrypted.
const WAITING: usize = 64 << 10;

/// One end of a TLS connection.
#[derive(Debug)]
pub(crate) struct Secured {
    stream: TcpStream,
    stage: Stage,
    /// What ended it; reads say so once what was decrypted before has been read.
    broken: Option<io::Error>,
    /// The socket's end was seen.
    ended: bool,
    /// Nothing more will be written; the socket is told so when it is flushed.
    closing: bool,
    told: bool,
}

#[allow(clippy::large_enum_variant)] // Boxed as a whole.
enum Stage {
    /// The client's first message is awaited: what it offers decides the settings.
    Hello(Box<Acceptor>, tls::Server),
    Talk(Connection),
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hello(..) => "Hello",
            Self::Talk(_) => "Talk",
        })
    }
}

impl Secured {
    pub(crate) fn client(stream: TcpStream, tls: &tls::Client, node: IpAddr) -> io::Result<Self> {
        let client = ClientConnection::new(tls.config().clone(), tls.name(node)).map_err(invalid)?;
        Ok(Self::new(stream, Stage::Talk(bounded(Connection::Client(client)))))
    }

    pub(crate) fn server(stream: TcpStream, tls: tls::Server) -> Self {
        Self::new(stream, Stage::Hello(Box::default(), tls))
    }

    fn new(stream: TcpStream, stage: Stage) -> Self {
        Self { stream, stage, broken: None, ended: false, closing: false, told: false }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Goes on with the handshake; whether it has ended.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        loop {
            self.flush()?;
            if let Stage::Talk(talk) = &self.stage
                && !talk.is_handshaking()
            {
                return Ok(true);
            }
            match self.take_in() {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed during the TLS handshake")),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads from the socket once and decrypts. How many bytes the socket had.
    fn take_in(&mut self) -> io::Result<usize> {
        let read = match &mut self.stage {
            Stage::Hello(acceptor, _) => again(|| acceptor.read_tls(&mut self.stream))?,
            Stage::Talk(talk) => again(|| talk.read_tls(&mut self.stream))?,
        };
        self.ended |= read == 0;
        self.understand()?;
        Ok(read)
    }

    /// Handles what has come. An error is told to the other side, if it can be.
    fn understand(&mut self) -> io::Result<()> {
        let understood = match &mut self.stage {
            Stage::Hello(..) => return self.greet(),
            Stage::Talk(talk) => talk.process_new_packets(),
        };
        understood.map(|_| ()).map_err(|error| {
            let _best_effort = self.flush();
            invalid(error)
        })
    }

    /// The client's first message, once it is whole, chooses the settings.
    fn greet(&mut self) -> io::Result<()> {
        let Stage::Hello(acceptor, tls) = &mut self.stage else { return Ok(()) };
        let begun = match acceptor.accept() {
            Ok(None) => return Ok(()),
            Ok(Some(hello)) => {
                let config = tls.config_for(&hello.client_hello()).clone();
                hello.into_connection(config)
            }
            Err(refused) => Err(refused),
        };
        match begun {
            Ok(server) => {
                self.stage = Stage::Talk(bounded(Connection::Server(server)));
                // The rest of what came with it.
                self.understand()
            }
            Err((error, mut alert)) => {
                let _best_effort = alert.write_all(&mut self.stream);
                Err(invalid(error))
            }
        }
    }

    /// Reads until `buffer` is full or the socket has nothing more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if let Stage::Talk(talk) = &mut self.stage {
                match talk.reader().read(&mut buffer[filled..]) {
                    Ok(n @ 1..) => {
                        filled += n;
                        continue;
                    }
                    Ok(0) => self.ended = true,
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
                    Err(_) => {}
                }
            }
            if filled > 0 && (self.ended || self.broken.is_some()) {
                break;
            }
            if let Some(error) = self.broken.take() {
                return Err(error);
            }
            if self.ended {
                return Ok(0);
            }
            match self.take_in().and_then(|_| self.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.broken = Some(error),
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Whether the next read tells of an end or an error, which no event will announce.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended || self.broken.is_some()
    }

    /// Encrypts as much as may wait, and writes it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut accepted = 0;
        loop {
            self.flush()?;
            let Stage::Talk(talk) = &mut self.stage else { return Err(io::ErrorKind::WouldBlock.into()) };
            if accepted == bytes.len() {
                return Ok(accepted);
            }
            let room = !talk.is_handshaking() && !talk.wants_write();
            let n = if room { talk.writer().write(&bytes[accepted..])? } else { 0 };
            accepted += n;
            if n == 0 {
                return if accepted > 0 { Ok(accepted) } else { Err(io::ErrorKind::WouldBlock.into()) };
            }
        }
    }

    /// Writes what waits, and then the end, if it is to be told.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Stage::Talk(talk) = &mut self.stage else { return Ok(()) };
        while talk.wants_write() {
            match again(|| talk.write_tls(&mut self.stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.closing && !self.told {
            self.told = true;
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    pub(crate) fn is_flushed(&self) -> bool {
        match &self.stage {
            Stage::Hello(..) => true,
            Stage::Talk(talk) => !talk.wants_write(),
        }
    }

    /// Announces the end.
    pub(crate) fn shutdown(&mut self) -> io::Result<()> {
        self.closing = true;
        match &mut self.stage {
            Stage::Talk(talk) => {
                talk.send_close_notify();
                self.flush()
            }
            Stage::Hello(..) => self.stream.shutdown(Shutdown::Write),
        }
    }

    /// Whether the handshake took up an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        matches!(&self.stage, Stage::Talk(talk) if talk.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Whether the other side has shown a certificate.
    pub(crate) fn has_certificate(&self) -> bool {
        matches!(&self.stage, Stage::Talk(talk) if talk.peer_certificates().is_some())
    }
}

fn bounded(mut talk: Connection) -> Connection {
    talk.set_buffer_limit(Some(WAITING));
    talk
}

fn invalid(error: tls::rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Repeats what a signal interrupted.
fn again(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
