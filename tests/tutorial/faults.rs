//! Injected faults, and the latencies that show them.

use super::*;

fn fault(kind: &str, more: &str) -> String {
    let enabled = "fault_enabled: {default_value: {numerator: 100, denominator: HUNDRED}}";
    format!("faults: [{{fault_type: {kind}, {enabled}, {more}}}]")
}

#[test]
fn an_error_is_injected_into_the_commands_named() {
    let proxy = slotmesh(&before_the_cluster().filter(&fault("ERROR", "commands: [GET]")));
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("SET fault:e 1").unwrap(), Reply::ok());
    assert_eq!(client.ask("GET fault:e").unwrap(), Reply::Error("Fault Injected: Error".into()));
    assert_eq!(client.ask("STRLEN fault:e").unwrap(), Reply::Int(1));
    assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG"));
    let of = |name: &str| counter(&proxy, &format!("redis.redis_stats.command.get.{name}"));
    assert_eq!((of("total"), of("error"), of("error_fault"), of("success")), (1, 1, 1, 0));
}

#[test]
fn a_delay_holds_back_its_reply_and_those_behind_it() {
    let proxy = slotmesh(
        &before_the_cluster().filter(&fault("DELAY", "delay: 0.3s, commands: [set]")).filter("latency_in_micros: true"),
    );
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("GET fault:d").unwrap(), Reply::NilBulk);
    let begin = Instant::now();
    let replies = client.pipeline(&[vec!["SET", "fault:d", "1"], vec!["GET", "fault:d"], vec!["PING"]]).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
    assert_eq!(replies, [Reply::ok(), Reply::bulk("1"), Reply::simple("PONG")]);
    let begin = Instant::now();
    let mut other = proxy.client().unwrap();
    client.send(&["SET", "fault:d", "2"]).unwrap();
    assert_eq!(other.ask("PING").unwrap(), Reply::simple("PONG"));
    assert!(begin.elapsed() < Duration::from_millis(250), "another client waits {:?}", begin.elapsed());
    assert_eq!(client.read_reply().unwrap(), Reply::ok());
    let of = |name: &str| counter(&proxy, &format!("redis.redis_stats.command.set.{name}"));
    assert_eq!((of("total"), of("success"), of("delay_fault")), (2, 2, 2));
    let page = proxy.get("/stats/prometheus").unwrap().body;
    let sum = |command: &str| -> f64 {
        let name = format!("envoy_redis_command_{command}_latency_sum{{envoy_redis_prefix=\"redis_stats\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name}: {page}")).parse().unwrap()
    };
    assert!(sum("set") > 550_000.0, "two delays of 300,000 µs: {}", sum("set"));
    assert!(sum("get") < sum("set"), "the reply of GET was ready long before it could go out");
}

#[test]
fn latency_is_in_milliseconds_unless_asked_otherwise() {
    let proxy = slotmesh(&before_the_cluster().filter(&fault("DELAY", "delay: 0.3s, commands: [set]")));
    proxy.client().unwrap().ask("SET fault:ms 1").unwrap();
    let page = proxy.get("/stats/prometheus?filter=command.set.latency").unwrap().body;
    let line = page.lines().find(|line| line.starts_with("envoy_redis_command_set_latency_sum"));
    let sum: f64 = line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap();
    assert!((290.0..3000.0).contains(&sum), "{page}");
}
