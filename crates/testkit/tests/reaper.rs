//! Nothing is left behind when the owner is killed: this test runs itself again as the owner and kills it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use testkit::{Server, wait};

/// Set for the run that is to be killed.
const VICTIM: &str = "TESTKIT_REAPER_VICTIM";

#[test]
fn a_killed_owner_leaves_neither_process_nor_file() {
    if std::env::var_os(VICTIM).is_some() {
        let server = Server::start().unwrap();
        println!("\nRUNNING {} {}", server.address(), server.folder().display());
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_owner_leaves_neither_process_nor_file", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("RUNNING")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let address: SocketAddr = words[1].parse().unwrap();
    assert!(TcpStream::connect(address).is_ok() && Path::new(words[2]).exists());
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait::until_true("the server and its folder are gone", Duration::from_secs(10), || {
        Ok(TcpStream::connect(address).is_err() && !Path::new(words[2]).exists())
    })
    .unwrap();
}
