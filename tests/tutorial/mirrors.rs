//! Copies of requests: to whom, of what, how many.

use super::*;

fn with_mirrors(policy: &str, mirrors: &[(&str, &Server)]) -> Proxy {
    let routes = format!("{{catch_all_route: {{cluster: redis, request_mirror_policy: [{policy}]}}}}");
    let config = before_the_cluster().routes(&routes);
    let add = |config: Bootstrap, (name, server): &(&str, &Server)| config.static_cluster(name, &address(server), "");
    slotmesh(&mirrors.iter().fold(config, add))
}

#[test]
fn everything_is_copied() {
    let mirror = Server::start().unwrap();
    let monitor = Monitor::start(&mirror).unwrap();
    let proxy = with_mirrors("{cluster: mirror}", &[("mirror", &mirror)]);
    let mut client = proxy.client().unwrap();
    client.ask("SET mirror:all bb").unwrap();
    assert_eq!(client.ask("GET mirror:all").unwrap(), Reply::bulk("bb"));
    monitor.wait_for_count("set mirror:all bb", 1, SOON).unwrap();
    monitor.wait_for_count("get mirror:all", 1, SOON).unwrap();
    assert_eq!(mirror.ask("GET mirror:all").unwrap(), Reply::bulk("bb"));
}

#[test]
fn reads_are_not_copied_where_they_are_excluded() {
    let mirror = Server::start().unwrap();
    let monitor = Monitor::start(&mirror).unwrap();
    let proxy = with_mirrors("{cluster: mirror, exclude_read_commands: true}", &[("mirror", &mirror)]);
    let mut client = proxy.client().unwrap();
    let reads = ["GET mirror:w", "STRLEN mirror:w", "MGET mirror:w mirror:other", "TTL mirror:w", "EXISTS mirror:w"];
    let writes = ["SET mirror:w bb", "GETSET mirror:w b", "GETEX mirror:w", "APPEND mirror:w c", "XADD mirror:x * f v"];
    for command in reads.iter().chain(&writes).chain(&reads).chain(&["SET mirror:last x"]) {
        let reply = client.ask(command).unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
    }
    // All copies travel on one connection, in order: what comes before the last write has come or never will.
    monitor.wait_for_count("set mirror:last x", 1, SOON).unwrap();
    let seen: Vec<String> = monitor.commands().unwrap().iter().map(|seen| seen.name()).collect();
    assert_eq!(seen, ["set", "getset", "getex", "append", "xadd", "set"]);
}

#[test]
fn several_mirrors_get_a_copy_each() {
    let mirrors = servers(3);
    let monitors: Vec<_> = mirrors.iter().map(|mirror| Monitor::start(mirror).unwrap()).collect();
    let proxy = with_mirrors(
        "{cluster: m0}, {cluster: m1, exclude_read_commands: true}, {cluster: m2}",
        &[("m0", &mirrors[0]), ("m1", &mirrors[1]), ("m2", &mirrors[2])],
    );
    let mut client = proxy.client().unwrap();
    client.ask("GET several:a").unwrap();
    client.ask("SET several:a 1").unwrap();
    for monitor in &monitors {
        monitor.wait_for_count("set several:a 1", 1, SOON).unwrap();
    }
    assert_eq!(counts(&monitors, "get several:a"), [1, 0, 1]);
    assert_eq!(counts(&monitors, "set several:a 1"), [1, 1, 1]);
}

/// Of 400 fair throws fewer than 130 or more than 270 happen once in a million million runs.
#[test]
fn runtime_fraction_says_how_much_is_copied() {
    let mirrors = servers(3);
    let monitors: Vec<_> = mirrors.iter().map(|mirror| Monitor::start(mirror).unwrap()).collect();
    let some = |name: &str, percent: u32| {
        let value = format!("{{numerator: {percent}, denominator: HUNDRED}}");
        format!("{{cluster: {name}, runtime_fraction: {{default_value: {value}}}}}")
    };
    let policies = [some("none", 0), some("half", 50), some("all", 100)].join(", ");
    let proxy = with_mirrors(&policies, &[("none", &mirrors[0]), ("half", &mirrors[1]), ("all", &mirrors[2])]);
    let mut client = proxy.client().unwrap();
    let commands: Vec<Vec<String>> =
        (0..400).map(|i| vec!["SET".into(), format!("fraction:{i}"), "x".into()]).collect();
    assert!(client.pipeline(&commands).unwrap().iter().all(|reply| *reply == Reply::ok()));
    monitors[2].wait_for_count("set fraction:399 x", 1, SOON).unwrap();
    let sets = |monitor: &Monitor| monitor.commands().unwrap().iter().filter(|seen| seen.name() == "set").count();
    assert_eq!(sets(&monitors[2]), 400);
    assert_eq!(sets(&monitors[0]), 0);
    let half = sets(&monitors[1]);
    assert!((130..=270).contains(&half), "{half}");
}

#[test]
fn parts_of_a_request_are_copied_as_they_were_cut() {
    let mirror = Server::start().unwrap();
    let proxy = with_mirrors("{cluster: mirror}", &[("mirror", &mirror)]);
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("MSET parts:a 1 parts:b 2 parts:c 3").unwrap(), Reply::ok());
    testkit::wait::until_true("all parts are on the mirror", SOON, || {
        Ok(mirror.ask("MGET parts:a parts:b parts:c")? == Reply::bulks(&["1", "2", "3"]))
    })
    .unwrap();
}
