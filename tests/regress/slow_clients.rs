//! C14: clients that send and do not read.

use super::*;
use std::io::Write;

const VALUE: usize = 16 << 10;

/// Asks for `value` over and over from another thread until `stop`; how often it asked.
fn ask_without_reading(client: &Client, times: usize) -> std::thread::JoinHandle<usize> {
    let mut stream = client.stream().try_clone().unwrap();
    // The proxy is allowed to stop reading: writing may then take as long as it likes.
    stream.set_write_timeout(None).unwrap();
    std::thread::spawn(move || {
        let command = testkit::client::encode(&["GET", "value"]);
        (0..times).take_while(|_| stream.write_all(&command).is_ok()).count()
    })
}

/// Its buffers fill, it is read no more, others go on; when it reads again, everything arrives.
#[test]
fn corvus_ac09b69_client_that_never_reads_and_then_does() {
    const TIMES: usize = 40_000;
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let value: Vec<u8> = (0..VALUE).map(|i| (i % 256) as u8).collect();
    let mut other = proxy.client().unwrap();
    assert_eq!(other.call(&[b"SET".as_slice(), b"value", &value]).unwrap(), Reply::ok());
    other.ask("SET small 1").unwrap();
    let before = proxy.rss().unwrap();
    let mut lazy = proxy.client().unwrap();
    let writer = ask_without_reading(&lazy, TIMES);
    // It is paused once nothing more of it is taken, while the server could answer more.
    let taken = || proxy.stat("redis.redis_stats.downstream_rq_total");
    let mut last = None;
    let mut same = 0;
    wait::until_true("the proxy stops reading it", SOON, || {
        let now = taken()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        Ok(same > 20)
    })
    .unwrap();
    assert!((last.unwrap() as usize) < TIMES, "all was taken: the client was never paused");
    let times: Vec<Duration> =
        (0..300).map(|_| timed(|| assert_eq!(other.ask("GET small").unwrap(), Reply::bulk("1"))).0).collect();
    let grown = proxy.rss().unwrap().saturating_sub(before);
    assert!(grown < 160 * MIB, "{} MiB", grown / MIB);
    assert!(p99(times.clone()) < Duration::from_millis(100), "another client waits {:?}", p99(times));
    for i in 0..TIMES {
        assert!(lazy.read_reply().unwrap() == Reply::bulk(&value), "reply {i}");
    }
    assert_eq!(writer.join().unwrap(), TIMES);
    assert_eq!(lazy.ask("PING").unwrap(), Reply::simple("PONG"));
}

/// Many of them at once, and then they are gone: so is what they cost.
#[test]
fn many_clients_that_never_read_are_bounded_and_forgotten() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut other = proxy.client().unwrap();
    other.call(&[b"SET".as_slice(), b"value", &[b'x'; 1024]]).unwrap();
    let before = proxy.rss().unwrap();
    let lazy: Vec<Client> = (0..20).map(|_| proxy.client().unwrap()).collect();
    let writers: Vec<_> = lazy.iter().map(|client| ask_without_reading(client, 200_000)).collect();
    let mut last = Some(0);
    let mut same = 0;
    wait::until_true("the proxy stops reading them", Duration::from_secs(30), || {
        let now = proxy.stat("redis.redis_stats.downstream_rq_total")?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        Ok(same > 20)
    })
    .unwrap();
    let grown = proxy.rss().unwrap().saturating_sub(before);
    // 1 MiB of output is kept for a client before it is read no more, and 4,096 requests may be under way then; buffers
    // that grow are up to twice as large as what is in them.
    assert!(grown < 20 * 12 * MIB, "{} MiB", grown / MIB);
    assert_eq!(other.ask("STRLEN value").unwrap(), Reply::Int(1024));
    for client in &lazy {
        client.stream().shutdown(std::net::Shutdown::Both).unwrap();
    }
    drop(lazy);
    for writer in writers {
        writer.join().unwrap();
    }
    wait::until_true("they are gone", SOON, || {
        Ok(proxy.stat("redis.redis_stats.downstream_cx_active")? == Some(1)
            && proxy.stat("redis.redis_stats.downstream_rq_active")? == Some(0))
    })
    .unwrap();
    assert_eq!(other.ask("STRLEN value").unwrap(), Reply::Int(1024));
}
