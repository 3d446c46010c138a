//! One real server on a Unix socket in a temporary folder, and a client for it.

use resp::{
    Limits,
    value::{self, Value},
};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server and one connection to it; both end with it.
pub struct Server {
    process: Child,
    stream: UnixStream,
    _folder: tempfile::TempDir,
}

/// A reply that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Error(String),
    Text(String),
    Integer(i64),
    Array(Vec<Reply>),
    Null,
}

impl Server {
    /// Starts the server of that program name; `None` if there is no such program.
    pub fn start(program: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let process = Command::new(program)
            .args(["--port", "0", "--save", "", "--daemonize", "no", "--unixsocket"])
            .arg(&socket)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{program} does not listen: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        Some(Self { process, stream, _folder: folder })
    }

    pub fn call(&mut self, arguments: &[&str]) -> Reply {
        let mut bytes = Vec::new();
        resp::write::command(&mut bytes, &arguments.iter().map(|a| a.as_bytes()).collect::<Vec<_>>());
        self.stream.write_all(&bytes).unwrap();
        let (mut received, mut chunk) = (Vec::new(), vec![0; 1 << 20]);
        let mut scan = resp::reply::Scan::default();
        loop {
            let len = self.stream.read(&mut chunk).unwrap();
            assert!(len > 0, "the server hung up");
            received.extend_from_slice(&chunk[..len]);
            if scan.next(&received, &Limits::default()).unwrap().is_some() {
                return owned(&value::parse(&received, &Limits::default()).unwrap().unwrap().0);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Reply {
    pub fn items(&self) -> &[Reply] {
        if let Reply::Array(items) = self { items } else { panic!("no array: {self:?}") }
    }

    pub fn text(&self) -> &str {
        if let Reply::Text(text) = self { text } else { panic!("no text: {self:?}") }
    }

    pub fn integer(&self) -> i64 {
        if let Reply::Integer(value) = self { *value } else { panic!("no integer: {self:?}") }
    }

    /// The value behind a name in a flat array of names and values.
    pub fn field(&self, name: &str) -> Option<&Reply> {
        self.items().chunks_exact(2).find(|pair| pair[0].text() == name).map(|pair| &pair[1])
    }
}

fn owned(value: &Value) -> Reply {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match value {
        Value::Error(bytes) => Reply::Error(text(bytes)),
        Value::Simple(bytes) | Value::Bulk(bytes) => Reply::Text(text(bytes)),
        Value::Integer(value) => Reply::Integer(*value),
        Value::Array(items) => Reply::Array(items.iter().map(owned).collect()),
        _ => Reply::Null,
    }
}
