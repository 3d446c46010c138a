//! What is offered is what Envoy 1.40 supports outside of transactions: nothing less, and nothing by accident.

use command::{Split, State, TABLE};
use std::collections::BTreeSet;

/// The names for which Envoy 1.40 has statistics (`redis.<prefix>.command.<name>.*`), less those below.
const FORWARDED: &str = "
append bf.add bf.card bf.exists bf.info bf.insert bf.loadchunk bf.madd bf.mexists bf.reserve bf.scandump
bitcount bitfield bitfield_ro bitop bitpos config copy decr decrby del dump eval evalsha exists expire expireat
flushall flushdb geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro
geosearch geosearchstore get getbit getdel getex getrange getset hdel hexists hexpire hexpireat hexpiretime hget
hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield
hscan hset hsetnx hstrlen httl hvals incr incrby incrbyfloat info info.shard keys lindex linsert llen lmove lpop
lpos lpush lpushx lrange lrem lset ltrim mget mset msetnx object persist pexpire pexpireat pfadd pfcount pfmerge
psetex pttl publish randomkey rename renamenx restore role rpop rpoplpush rpush rpushx sadd scan scard script
sdiff sdiffstore set setbit setex setnx setrange sinter sinterstore sismember slowlog smembers smismember smove
sort sort_ro spop srandmember srem sscan strlen substr sunion sunionstore touch ttl type unlink xack xadd
xautoclaim xclaim xdel xlen xpending xrange xrevrange xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter
zinterstore zlexcount zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank
zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan
zscore zunion zunionstore
";

/// Answered by the proxy itself.
const HERE: &str = "auth client cluster echo hello ping quit select time";

/// Not offered yet, though Envoy does.
const TRANSACTION: &str = "discard exec multi unwatch watch";

fn names(list: &'static str) -> BTreeSet<&'static str> {
    list.split_whitespace().collect()
}

fn rows(of: impl Fn(Split, State) -> bool) -> BTreeSet<&'static str> {
    TABLE.iter().filter(|row| of(row.split, row.state)).map(|row| row.name).collect()
}

#[test]
fn exactly_what_envoy_forwards_is_forwarded() {
    assert_eq!(rows(|split, _| !matches!(split, Split::Here | Split::Never)), names(FORWARDED));
}

#[test]
fn exactly_these_are_answered_here() {
    assert_eq!(rows(|split, _| split == Split::Here), names(HERE));
}

#[test]
fn transactions_are_known_and_not_offered() {
    assert_eq!(rows(|_, state| state == State::Transaction), names(TRANSACTION));
    assert!(rows(|split, _| split == Split::Never).is_superset(&names(TRANSACTION)));
}

#[test]
fn what_is_cut_by_key_has_keys_and_what_goes_everywhere_has_none() {
    for row in TABLE {
        let keyed = row.keys != command::Keys::None;
        match row.split {
            Split::PerKey | Split::PerPair => assert!(keyed, "{}", row.name),
            Split::EveryShard | Split::AnyShard | Split::NamedShard | Split::Cursor => assert!(!keyed, "{}", row.name),
            Split::Whole | Split::Here | Split::Never => {}
        }
        assert!(row.split != Split::Whole || keyed, "{} is sent whole and has no key", row.name);
    }
}
