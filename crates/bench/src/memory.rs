//! Runs that measure memory, each with a process of its own: an allocator that has grown once hides the next growth.

use crate::contender::{Contender, Running};
use crate::load::replies::{Counted, Replies};
use crate::run::Bench;
use crate::sample::{Metric, Sample};
use crate::workload::{Shape, Workload};
use crate::{Error, Result, traffic, usage};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use testkit::{Client, Reply};

/// Until a process has done what it does after its start, and after its clients have come.
const REST: Duration = Duration::from_millis(300);
/// How long one reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of one contender; `None` where its program is not installed.
///
/// # Errors
/// It does not start, or does not do what it is asked.
pub fn once(bench: &Bench<'_>, row: &Workload, contender: &Contender, round: usize) -> Result<Option<Sample>> {
    let Some(running) = contender.start(bench.world, row.setup)? else { return Ok(None) };
    std::thread::sleep(REST);
    let start = usage::memory(running.pid)?;
    let sample = match row.shape {
        Shape::Idle(clients) => idle(bench, row, contender, &running, round, clients)?,
        Shape::Big(bytes) => big(&running, bytes, Sample::new(row.name(), contender.name, round))?,
        Shape::Closed | Shape::Open(_) => return Err(Error::Failed(format!("{} measures no memory", row.name()))),
    };
    Ok(Some(sample.with(Metric::StartMemory, start as f64)))
}

/// So many clients come, send one command and stay; then the closed loop runs beside them.
fn idle(
    bench: &Bench<'_>,
    row: &Workload,
    contender: &Contender,
    running: &Running,
    round: usize,
    clients: usize,
) -> Result<Sample> {
    let requests = traffic::requests(row.action, row.value, 1, contender.only_shard())?;
    let before = usage::memory(running.pid)?;
    let mut staying = Vec::with_capacity(clients);
    for i in 0..clients {
        staying.push(visit(running.address, requests.bytes(requests.batch(i, 1)))?);
    }
    std::thread::sleep(REST);
    let each = usage::memory(running.pid)?.saturating_sub(before) as f64 / clients.max(1) as f64;
    Ok(bench.once(row, contender, running, round)?.with(Metric::IdleMemory, each))
}

/// A client that has sent one command and got its reply.
fn visit(address: SocketAddr, request: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let (mut replies, mut counted, mut chunk) = (Replies::default(), Counted::default(), [0; 4096]);
    while counted.replies == 0 {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(Error::Closed);
        }
        replies.feed(&chunk[..n], &mut counted).map_err(Error::Protocol)?;
    }
    Ok(stream)
}

/// One client sets a large value, and gets it back.
fn big(running: &Running, bytes: usize, sample: Sample) -> Result<Sample> {
    let keys = traffic::keys(bytes).of(0);
    let key = keys.first().ok_or_else(|| Error::Failed("no key".into()))?.as_bytes();
    let value = traffic::value(bytes);
    let mut client = Client::connect(running.address)?.patience(PATIENCE);
    let before = usage::memory(running.pid)?;
    usage::forget_peak(running.pid);
    client.must(&[b"SET", key, &value])?;
    let got = client.must(&[b"GET", key])?;
    if got != Reply::Bulk(value) {
        return Err(Error::Failed("another value came back than was set".into()));
    }
    let growth = usage::peak(running.pid)?.saturating_sub(before) as f64;
    client.must(&[b"DEL", key])?;
    Ok(sample.with(Metric::BigMemory, growth))
}
