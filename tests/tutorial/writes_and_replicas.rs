//! No write ever reaches a replica. Peers sent some there because the commands were missing from a list (GETSET, GETEX,
//! XADD, PUBLISH …); here every write of the command table is sent, and the servers' own books are read.

use super::*;
use command::{Effect, Split, TABLE};
use std::collections::BTreeSet;

/// Every write of the table, in an order in which most of them find something to do.
const WRITES: &str = "
    set {w}a 1; append {w}a 2; setex {w}b 100 v; psetex {w}b 100000 v; setnx {w}b v; setrange {w}b 1 x;
    setbit {w}bits 7 1; bitfield {w}bits SET u8 0 5; bitop AND {w}bits2 {w}bits {w}a; mset {w}m1 1 {w}m2 2;
    msetnx {w}n1 1 {w}n2 2; incr {w}i; incrby {w}i 2; incrbyfloat {w}f 1.5; decr {w}i; decrby {w}i 2; getset {w}a 3;
    getex {w}a EX 100; getdel {w}n1; expire {w}a 100; pexpire {w}a 100000; expireat {w}a 4000000000;
    pexpireat {w}a 4000000000000; persist {w}a; touch {w}a {w}b; copy {w}a {w}copy; rename {w}copy {w}copy2;
    renamenx {w}copy2 {w}copy3; restore {w}r 0 nonsense; del {w}copy3; unlink {w}m2;
    hset {w}h f 1 g 2; hmset {w}h k 3; hsetnx {w}h z 1; hincrby {w}h f 1; hincrbyfloat {w}h f 1.5; hdel {w}h g;
    hexpire {w}h 100 FIELDS 1 f; hpexpire {w}h 100000 FIELDS 1 f; hexpireat {w}h 4000000000 FIELDS 1 f;
    hpexpireat {w}h 4000000000000 FIELDS 1 f; hpersist {w}h FIELDS 1 f;
    lpush {w}l 1 2 3; rpush {w}l 4; lpushx {w}l 5; rpushx {w}l 6; linsert {w}l BEFORE 1 9; lset {w}l 0 7;
    lrem {w}l 1 9; ltrim {w}l 0 5; lmove {w}l {w}l2 LEFT RIGHT; rpoplpush {w}l {w}l2; lpop {w}l; rpop {w}l;
    sort {w}l2 STORE {w}sorted; sadd {w}s 1 2 3; sadd {w}t 2; srem {w}s 1; smove {w}s {w}t 3; spop {w}t;
    sinterstore {w}d {w}s {w}t; sunionstore {w}d {w}s {w}t; sdiffstore {w}d {w}s {w}t;
    zadd {w}z 1 a 2 b 3 c 4 d 5 e 6 f 7 g; zincrby {w}z 1 a; zrem {w}z b; zpopmax {w}z; zpopmin {w}z;
    zremrangebyrank {w}z 0 0; zremrangebyscore {w}z 4 4; zremrangebylex {w}z [x [y; zrangestore {w}zd {w}z 0 -1;
    zunionstore {w}zd 2 {w}z {w}z; zinterstore {w}zd 2 {w}z {w}z; zdiffstore {w}zd 2 {w}z {w}z;
    geoadd {w}g 13.4 52.5 x 13.5 52.4 y; georadius {w}g 13 52 200 km STORE {w}gd;
    georadiusbymember {w}g x 200 km STORE {w}gd; geosearchstore {w}gd {w}g FROMMEMBER x BYRADIUS 200 km;
    pfadd {w}p a b; pfmerge {w}p2 {w}p; xadd {w}x 1-1 f v; xadd {w}x 2-1 f v; xtrim {w}x MAXLEN 5;
    xack {w}x group 1-1; xclaim {w}x group me 0 1-1; xautoclaim {w}x group me 0 0; xdel {w}x 1-1;
    eval return(redis.call('set',KEYS[1],ARGV[1])) 1 {w}e v; eval return(1) 0;
    evalsha ffffffffffffffffffffffffffffffffffffffff 1 {w}e; script load return(2); publish channel hello;
    bf.add {w}bf a; bf.madd {w}bf a b; bf.insert {w}bf ITEMS a; bf.reserve {w}bf2 0.01 100; bf.loadchunk {w}bf3 1 x;
    config set maxmemory-samples 6; slowlog reset; flushdb; flushall";

/// `cmdstat_NAME` of INFO commandstats: calls and rejected calls, subcommands added to their command.
fn statistics(server: &Server, name: &str) -> (u64, u64) {
    let text = server.ask("INFO commandstats").unwrap().text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
    let own = lines.filter(|(command, _)| command.split('|').next() == Some(name));
    own.fold((0, 0), |(calls, rejected), (_, fields)| {
        (calls + field(fields, "calls="), rejected + field(fields, "rejected_calls="))
    })
}

fn field(fields: &str, name: &str) -> u64 {
    fields.trim().split(',').find_map(|field| field.strip_prefix(name)?.parse().ok()).unwrap_or(0)
}

fn driven() -> BTreeSet<&'static str> {
    WRITES.split(';').filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn every_write_of_the_table_is_driven_below() {
    let offered = TABLE.iter().filter(|row| !matches!(row.split, Split::Never | Split::Here));
    let writes = offered.filter(|row| row.effect == Effect::Write).map(|row| row.name);
    let missing: Vec<&str> = writes.filter(|name| !driven().contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_write_ever_reaches_a_replica() {
    let cluster = Cluster::start(1, 2).unwrap();
    let config = Bootstrap::new().redis_cluster("redis", &cluster.addresses()).setting("read_policy: REPLICA");
    let proxy = slotmesh(&config);
    let (primary, replicas) = (&cluster.nodes()[0], &cluster.nodes()[1..]);
    let monitors: Vec<Monitor> = replicas.iter().map(|replica| Monitor::start(replica).unwrap()).collect();
    let before: Vec<_> = driven().iter().map(|name| statistics(primary, name)).collect();
    let mut client = proxy.client().unwrap();
    for command in WRITES.split(';').map(str::trim) {
        let reply = client.ask(command).unwrap();
        assert!(
            !["upstream", "no upstream", "MOVED"].iter().any(|prefix| reply.is_error(prefix)),
            "{command}: {reply:?}"
        );
    }
    assert_eq!(client.ask("GET {w}read").unwrap(), Reply::NilBulk, "reads do reach replicas");
    for (name, before) in driven().into_iter().zip(before) {
        let known = primary.ask(&format!("COMMAND INFO {name}")).unwrap().items()[0].items().len() > 1;
        let now = statistics(primary, name);
        assert!(!known || now.0 + now.1 > before.0 + before.1, "{name} did not reach the primary");
    }
    let mut reads = 0;
    for (replica, monitor) in replicas.iter().zip(&monitors) {
        for name in driven() {
            assert_eq!(statistics(replica, name).1, 0, "a replica was sent {name} and refused it");
        }
        // A write that a replica refuses is not shown by MONITOR; one that it carries out is.
        let link = primary.address().to_string();
        for seen in monitor.commands().unwrap().iter().filter(|seen| seen.source != link) {
            assert!(!driven().contains(seen.name().as_str()), "a replica was sent {seen:?}");
            reads += usize::from(seen.name() == "get");
        }
    }
    assert_eq!(reads, 1);
}
