//! B13: tools and libraries that people use, as they are.

use super::*;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::Process;

fn port(proxy: &Proxy) -> String {
    proxy.address().port().to_string()
}

/// What `redis-cli --pipe` says of a file with `content`.
fn pipe(proxy: &Proxy, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("commands");
    fs::write(&path, content).unwrap();
    // Standard input is what --pipe reads; a shell opens it.
    let script = format!("redis-cli -p {} --pipe < '{}'", port(proxy), path.display());
    Process::output(Command::new("sh").args(["-c", &script]), Duration::from_secs(30)).unwrap()
}

/// Envoy #41201: the blank line with which `redis-cli --pipe` ends was answered with an error.
#[test]
fn redis_cli_pipe_with_blank_lines() {
    let proxy = slotmesh(&before_the_cluster());
    let mut content = Vec::new();
    for i in 0..2000 {
        let key = format!("pipe:{i}");
        match i % 4 {
            0 => content.extend(testkit::client::encode(&["SET", &key, &key])),
            1 => content.extend(format!("SET {key} {key}\r\n").bytes()),
            2 => content.extend(format!("\r\n\nSET {key} {key}\n\n").bytes()),
            _ => content.extend(testkit::client::encode(&["MSET", &key, &key, "pipe:last", &key])),
        }
    }
    let said = pipe(&proxy, &content);
    assert!(said.contains("errors: 0, replies: 2000"), "{said}");
    let mut client = proxy.client().unwrap();
    let keys: Vec<String> = (0..2000).map(|i| format!("pipe:{i}")).collect();
    let mget: Vec<&str> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(client.call(&mget).unwrap(), Reply::bulks(&keys));
}

/// It asks for CONFIG GET before it begins, and reports whatever error it meets.
#[test]
fn redis_benchmark_runs() {
    let proxy = slotmesh(&before_the_cluster());
    for pipeline in ["1", "16"] {
        let mut command = Command::new("redis-benchmark");
        let tests =
            "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset";
        command.args(["-p", &port(&proxy), "-n", "1000", "-c", "20", "-P", pipeline, "-r", "1000", "-q", "-t", tests]);
        let said = Process::output(&mut command, Duration::from_secs(60)).unwrap();
        let results = said.replace('\r', "\n").lines().filter(|line| line.contains("requests per second")).count();
        assert!(results >= 16 && !said.contains("rror"), "{said}");
    }
}

/// One more client that pipes through a shell: what it prints is what it would print of one server.
#[test]
fn redis_cli_sees_one_plain_redis() {
    let proxy = slotmesh(&before_the_cluster());
    let ask = |args: &[&str]| {
        Process::output(Command::new("redis-cli").args(["-p", &port(&proxy)]).args(args), SOON)
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(ask(&["SET", "cli:a", "1"]), "OK");
    assert_eq!(ask(&["MGET", "cli:a", "cli:b"]), "1");
    assert_eq!(ask(&["-c", "GET", "cli:a"]), "1", "a client that knows clusters stays with the proxy");
    assert!(ask(&["--scan", "--pattern", "cli:*"]).contains("cli:a"));
    assert!(ask(&["INFO"]).contains("redis_version:"));
}

/// The Rust client, with its handshake, its pipelines and its types.
#[test]
fn the_redis_crate_works() -> redis::RedisResult<()> {
    let proxy = slotmesh(&before_the_cluster());
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", port(&proxy)))?;
    let mut connection = client.get_connection()?;
    redis::cmd("SET").arg("crate:a").arg(&b"\0\xff"[..]).exec(&mut connection)?;
    let value: Vec<u8> = redis::cmd("GET").arg("crate:a").query(&mut connection)?;
    assert_eq!(value, b"\0\xff");
    let mut pipeline = redis::pipe();
    for i in 0..100 {
        pipeline.cmd("SET").arg(format!("crate:{i}")).arg(i).ignore();
        pipeline.cmd("INCRBY").arg(format!("crate:{i}")).arg(1);
    }
    let values: Vec<i64> = pipeline.query(&mut connection)?;
    assert_eq!(values, (1..=100).collect::<Vec<_>>());
    let keys: Vec<String> = (0..100).map(|i| format!("crate:{i}")).collect();
    let values: Vec<i64> = redis::cmd("MGET").arg(&keys).query(&mut connection)?;
    assert_eq!(values, (1..=100).collect::<Vec<_>>());
    let gone: i64 = redis::cmd("DEL").arg(&keys).query(&mut connection)?;
    assert_eq!(gone, 100);
    let error = redis::cmd("LPUSH").arg("crate:a").arg(1).exec(&mut connection).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    Ok(())
}

/// A Python with redis-py, installed from PyPI the first time.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("redis-py");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
    if !ready.exists() {
        let minutes = Duration::from_secs(300);
        Process::output(Command::new("python3").args(["-m", "venv"]).arg(&folder), minutes).unwrap();
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "redis==8.1.0"]);
        Process::output(&mut install, minutes).unwrap();
        fs::write(ready, "").unwrap();
    }
    python
}

const PYTHON: &str = r#"
import sys, redis
port = int(sys.argv[1])
r = redis.Redis(port=port, protocol=2, client_name="regress")
assert r.ping() and r.client_getname() == "regress" and r.client_id() > 0
assert r.set("py:a", b"\x00\xff") and r.get("py:a") == b"\x00\xff"
assert r.mset({"py:%d" % i: i for i in range(50)})
assert r.mget(["py:%d" % i for i in range(50)]) == [str(i).encode() for i in range(50)]
p = r.pipeline(transaction=False)
for i in range(500):
    p.incr("py:%d" % (i % 50))
assert len(p.execute()) == 500
assert r.hset("py:h", mapping={"f": "1", "g": "2"}) == 2 and r.hgetall("py:h") == {b"f": b"1", b"g": b"2"}
assert r.zadd("py:z", {"a": 1.5}) == 1 and r.zrange("py:z", 0, -1, withscores=True) == [(b"a", 1.5)]
assert sorted(r.scan_iter("py:*")) == sorted(r.keys("py:*"))
assert r.info()["redis_version"] and r.config_get("maxmemory")
assert r.eval("return redis.call('get', KEYS[1])", 1, "py:1") == r.get("py:1")
script = r.register_script("return {KEYS[1], ARGV[1]}")
assert script(keys=["py:s"], args=["x"]) == [b"py:s", b"x"]
try:
    r.lpush("py:a", 1)
    raise SystemExit("LPUSH on a string must fail")
except redis.ResponseError as error:
    assert "WRONGTYPE" in str(error), error
assert r.delete(*["py:%d" % i for i in range(50)]) == 50
print("done")
"#;

#[test]
fn redis_py_works() {
    let proxy = slotmesh(&before_the_cluster());
    let mut command = Command::new(python());
    let said = Process::output(command.args(["-c", PYTHON, &port(&proxy)]), Duration::from_secs(60)).unwrap();
    assert_eq!(said.trim(), "done");
}
