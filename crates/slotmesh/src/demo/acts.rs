//! The tutorial, step by step: what the client does, and what the servers say that they saw.

use super::findings::Findings;
use super::redis_cli;
use super::say;
use super::scene::{Scene, Shard};
use super::stage::Stage;
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::{Monitor, wait};

/// The keys of the tutorial; each is set to its own name.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// How long a copy may take: to a replica by replication, to the mirror by the proxy.
const COPY: Duration = Duration::from_secs(10);
/// How long to wait before something that must not happen is said not to have happened.
const AFTER: Duration = Duration::from_millis(300);

/// Plays all acts.
pub fn play(stage: &mut Stage, findings: &mut Findings) -> anyhow::Result<()> {
    say("\nThe cluster")?;
    cluster_is_whole(stage, findings)?;
    say("\nData sharding: keys a to h, set through one plain address")?;
    sharding(stage, findings)?;
    say("\nRead policy REPLICA: reads from replicas, writes to primaries")?;
    read_policy(stage, findings)?;
    say("\nTraffic mirroring: the proxy is restarted with the mirror in its configuration")?;
    stage.turn_mirror_on()?;
    mirroring(stage, findings)
}

pub fn cluster_is_whole(stage: &dyn Scene, findings: &mut Findings) -> anyhow::Result<()> {
    let node = stage.cluster().node(0);
    let field = |name| node.field("CLUSTER INFO", name);
    let (state, slots, nodes) = (field("cluster_state")?, field("cluster_slots_ok")?, field("cluster_known_nodes")?);
    let saw = format!("{state}, {slots} slots, {nodes} nodes");
    let expected = "ok, 16384 slots, 6 nodes";
    say(&findings.add("cluster info", expected.into(), saw.clone(), saw == expected))
}

pub fn sharding(stage: &dyn Scene, findings: &mut Findings) -> anyhow::Result<()> {
    let set = |key: &str| stage.ask(&["set", key, key]);
    let replies = KEYS.iter().map(|key| set(key)).collect::<anyhow::Result<Vec<_>>>()?;
    let all_ok = replies.iter().all(|reply| reply == "OK");
    say(&findings.add("set a a … set h h", "OK, 8 times".into(), tally(&replies), all_ok))?;
    let homes = homes(stage)?;
    for shard in stage.shards()? {
        let keys = homes.get(&shard.primary).cloned().unwrap_or_default();
        say(&on_its_shard(stage, &shard, &keys, findings)?)?;
    }
    Ok(())
}

/// Where the cluster itself says that the keys belong: the number of the primary, and its keys.
fn homes(stage: &dyn Scene) -> anyhow::Result<BTreeMap<usize, Vec<String>>> {
    let mut homes = BTreeMap::<usize, Vec<String>>::new();
    for key in KEYS {
        let owner = stage.cluster().owner_of(key)?;
        homes.entry(owner).or_default().push(key.to_owned());
    }
    Ok(homes)
}

/// `--scan` on both nodes of a shard; the replica is given the time that replication takes.
fn on_its_shard(stage: &dyn Scene, shard: &Shard, keys: &[String], findings: &mut Findings) -> anyhow::Result<String> {
    let node = |index: usize| stage.cluster().node(index).address();
    let mut on_replica = Vec::new();
    let copied = wait::until_true("the replica has the keys", COPY, || {
        on_replica = redis_cli::scan(node(shard.replica)).map_err(|error| testkit::Error::Failed(error.to_string()))?;
        Ok(on_replica == keys)
    });
    let on_primary = redis_cli::scan(node(shard.primary))?;
    let fits = on_primary == keys && copied.is_ok();
    let (primary, replica) = (stage.name(shard.primary), stage.name(shard.replica));
    let expected = format!("{} on primary {primary} and replica {replica}", keys.join(" "));
    let saw = format!("primary: {}; replica: {}", on_primary.join(" "), on_replica.join(" "));
    Ok(findings.add(&format!("--scan, slots {}", shard.slots), expected, saw, fits))
}

pub fn read_policy(stage: &dyn Scene, findings: &mut Findings) -> anyhow::Result<()> {
    let shard = shard_of(stage, "b")?;
    let (primary, replica) = watch(stage, &shard)?;
    let replies = get(stage, 3)?;
    let counts = (primary.count("get b")?, replica.count("get b")?);
    let expected = "b, b, b; on the primary 0, on the replica 3".to_owned();
    let saw = format!("{}; on the primary {}, on the replica {}", replies.join(", "), counts.0, counts.1);
    say(&findings.add("get b, 3 times", expected.clone(), saw.clone(), saw == expected))?;

    let reply = stage.ask(&["set", "b", "bb"])?;
    let written = primary.count("set b bb")?;
    let saw = format!("{reply}; on the primary {written}");
    say(&findings.add("set b bb", "OK; on the primary 1".into(), saw.clone(), saw == "OK; on the primary 1"))?;
    say(&read_back(stage, &replica, "bb", findings)?)
}

pub fn mirroring(stage: &dyn Scene, findings: &mut Findings) -> anyhow::Result<()> {
    let shard = shard_of(stage, "b")?;
    let (primary, replica) = watch(stage, &shard)?;
    let mirror = Monitor::start(stage.mirror())?;
    let replies = get(stage, 3)?;
    std::thread::sleep(AFTER);
    let counts = (primary.count("get b")?, replica.count("get b")?, mirror.commands()?.len());
    let expected = "bb, bb, bb; on the replica 3, primary 0, mirror 0".to_owned();
    let saw = format!("{}; on the replica {}, primary {}, mirror {}", replies.join(", "), counts.1, counts.0, counts.2);
    say(&findings.add("with the mirror: get b, 3 times", expected.clone(), saw.clone(), saw == expected))?;
    for value in ["bb", "bbb"] {
        say(&mirrored_write(stage, (&primary, &mirror), value, findings)?)?;
        say(&read_back(stage, &replica, value, findings)?)?;
    }
    std::thread::sleep(AFTER);
    let all = mirror.commands()?;
    let saw = all.iter().map(testkit::Seen::text).collect::<Vec<_>>().join(", ");
    let fits = saw.eq_ignore_ascii_case("set b bb, set b bbb");
    say(&findings.add("all that the mirror saw", "set b bb, set b bbb".into(), saw, fits))?;
    let reads = primary.count("get b")?;
    say(&findings.add("gets on the primary all this time", "0".into(), reads.to_string(), reads == 0))?;
    let value = redis_cli::run(stage.mirror().address(), &["get", "b"])?;
    say(&findings.add("get b, asked from the mirror", "bbb".into(), value.clone(), value == "bbb"))
}

/// A write is seen once on the primary and, a moment later, once on the mirror.
fn mirrored_write(
    stage: &dyn Scene,
    (primary, mirror): (&Monitor, &Monitor),
    value: &str,
    findings: &mut Findings,
) -> anyhow::Result<String> {
    let command = format!("set b {value}");
    let reply = stage.ask(&["set", "b", value])?;
    // If it does not come, the count says so.
    let _ = mirror.wait_for_count(&command, 1, COPY);
    let saw = format!("{reply}; on the primary {}, mirror {}", primary.count(&command)?, mirror.count(&command)?);
    let expected = "OK; on the primary 1, mirror 1";
    Ok(findings.add(&command, expected.into(), saw.clone(), saw == expected))
}

/// The new value, read through the proxy once replication has brought it to the replica.
fn read_back(stage: &dyn Scene, replica: &Monitor, value: &str, findings: &mut Findings) -> anyhow::Result<String> {
    // If it does not come, the value read says so.
    let _ = replica.wait_for_count(&format!("set b {value}"), 1, COPY);
    let before = replica.count("get b")?;
    let read = get(stage, 1)?.join(", ");
    let saw = format!("{read}; on the replica {}", replica.count("get b")? - before);
    let expected = format!("{value}; on the replica 1");
    Ok(findings.add("get b", expected.clone(), saw.clone(), saw == expected))
}

fn get(stage: &dyn Scene, times: usize) -> anyhow::Result<Vec<String>> {
    (0..times).map(|_| stage.ask(&["get", "b"])).collect()
}

/// MONITOR on the primary and on the replica of a shard.
fn watch(stage: &dyn Scene, shard: &Shard) -> anyhow::Result<(Monitor, Monitor)> {
    let (primary, replica) = (stage.name(shard.primary), stage.name(shard.replica));
    say(&format!("  MONITOR on primary {primary} and replica {replica}"))?;
    let node = |index: usize| stage.cluster().node(index);
    Ok((Monitor::start(node(shard.primary))?, Monitor::start(node(shard.replica))?))
}

fn shard_of(stage: &dyn Scene, key: &str) -> anyhow::Result<Shard> {
    let owner = stage.cluster().owner_of(key)?;
    let shard = stage.shards()?.into_iter().find(|shard| shard.primary == owner);
    shard.ok_or_else(|| anyhow::anyhow!("no shard has the primary {}", stage.name(owner)))
}

/// `OK, 8 times`, or all replies where they differ.
fn tally(replies: &[String]) -> String {
    match replies {
        [first, rest @ ..] if rest.iter().all(|reply| reply == first) => format!("{first}, {} times", replies.len()),
        _ => replies.join(", "),
    }
}
