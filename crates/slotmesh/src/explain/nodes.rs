//! Whose slots are whose, asked of the nodes themselves: Envoy does not tell, and files do not know.

use anyhow::{Context as _, anyhow, bail};
use resp::reply::Scan;
use slots::Topology;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// For a connection, and between two pieces of an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longer than the map of a cluster of a thousand nodes.
const LONGEST: usize = 4 << 20;

/// What the first of `nodes` that answers says: without a password and without TLS, as this is only for a look.
pub fn ask(cluster: &str, nodes: &[(String, u16)]) -> anyhow::Result<Topology> {
    let mut last = anyhow!("no node of it is known");
    for (host, port) in nodes {
        match one(host, *port) {
            Ok(topology) => return Ok(topology),
            Err(error) => last = error.context(format!("{host}:{port}")),
        }
    }
    Err(last).with_context(|| format!("no node of the cluster {cluster} tells whose slots are whose"))
}

fn one(host: &str, port: u16) -> anyhow::Result<Topology> {
    let address = (host, port).to_socket_addrs()?.next().context("has no address")?;
    let reply = converse(address)?;
    let described = slots::parse::slots(&reply, address)?;
    let find = |name: &str| Some((name, port).to_socket_addrs().ok()?.next()?.ip());
    Ok(described.resolve(find).0)
}

/// The whole reply to CLUSTER SLOTS.
fn converse(address: SocketAddr) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    resp::write::command(&mut request, &[b"CLUSTER", b"SLOTS"]);
    stream.write_all(&request)?;
    let (mut scan, mut reply, mut piece) = (Scan::default(), Vec::new(), vec![0; 64 << 10]);
    loop {
        let length = stream.read(&mut piece)?;
        reply.extend_from_slice(&piece[..length]);
        if scan.next(&reply, &resp::Limits::default()).is_ok_and(|whole| whole.is_some()) {
            return Ok(reply);
        }
        if length == 0 || reply.len() > LONGEST {
            bail!("gives no whole answer");
        }
    }
}
