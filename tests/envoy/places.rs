//! Random keys through both proxies to three plain servers: every one of them has to land on the same server.

use crate::judge::Verdict;
use crate::play::Part;
use crate::talk::Talk;
use crate::world::{Side, World};
use std::collections::BTreeMap;
use testkit::Reply;

/// The prefixes that the configuration routes to clusters of the three servers, each placing keys in another way.
const PREFIXES: [&str; 7] =
    ["ring:", "large-ring:", "murmur-ring:", "weighted-ring:", "maglev:", "small-maglev:", "weighted-maglev:"];
/// Keys for each prefix.
const KEYS: usize = 500;

/// Random bytes; the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    /// Up to forty bytes of any value, and often with braces.
    fn key(&mut self, prefix: &str) -> Vec<u8> {
        let mut key = prefix.as_bytes().to_vec();
        for _ in 0..self.roll(40) {
            key.push(match self.roll(12) {
                0 => b'{',
                1 => b'}',
                _ => self.roll(256) as u8,
            });
        }
        key
    }
}

/// Returns how many keys were placed.
pub fn compare(world: &World, part: &Part, verdict: &mut Verdict) -> usize {
    let mut dice = Dice(1);
    let keys: Vec<Vec<u8>> =
        PREFIXES.iter().flat_map(|prefix| [*prefix; KEYS]).map(|prefix| dice.key(prefix)).collect();
    let envoy = placed(world, part, Side::Envoy, &keys);
    let ours = placed(world, part, Side::Ours, &keys);
    for prefix in PREFIXES {
        let of_prefix = |(key, _): &(&Vec<u8>, &usize)| key.starts_with(prefix.as_bytes());
        let servers: std::collections::BTreeSet<_> = envoy.iter().filter(of_prefix).map(|(_, server)| server).collect();
        assert!(servers.len() > 1, "Envoy sends all keys of {prefix} to one server");
    }
    for (key, server) in &envoy {
        match ours.get(key) {
            Some(other) if other == server => verdict.equal += 1,
            other => verdict.wrong.push(format!(
                "[{}] {} lies on server {server} with Envoy, with slotmesh on {other:?}",
                part.name,
                key.escape_ascii()
            )),
        }
    }
    assert_eq!(envoy.len(), ours.len(), "keys that arrived");
    envoy.len()
}

/// The server that each key was written to.
fn placed(world: &World, part: &Part, side: Side, keys: &[Vec<u8>]) -> BTreeMap<Vec<u8>, usize> {
    world.clear();
    let commands: Vec<_> = keys.iter().map(|key| vec![b"SET".to_vec(), key.clone(), b"1".to_vec()]).collect();
    let mut talk = Talk::with(part.address(world, side));
    for chunk in commands.chunks(200) {
        assert!(talk.pipeline(chunk).iter().all(|heard| heard.reply() == Reply::ok()));
    }
    let mut places = BTreeMap::new();
    for (number, server) in world.servers.iter().enumerate() {
        for key in server.ask("KEYS *").unwrap().items() {
            let Reply::Bulk(key) = key else { panic!("{key:?} is no key") };
            assert_eq!(places.insert(key.clone(), number), None, "{} is on two servers", key.escape_ascii());
        }
    }
    places
}
