//! The tutorial through both halves: what is applied, what the client does, and what the servers say that they saw.

use super::folder::Wording;
use super::load::{CLIENTS, Tally};
use super::stage::Stage;
use crate::demo::acts::{cluster_is_whole, mirroring, read_policy, sharding};
use crate::demo::findings::Findings;
use crate::demo::say;
use crate::demo::scene::Scene;
use std::time::{Duration, Instant};
use testkit::{Monitor, wait};

/// How long something that was applied may take to be seen.
const SEEN: Duration = Duration::from_secs(20);
/// What the first mirrored write may take.
const SOON: Duration = Duration::from_secs(1);
/// And where old connections live on for a while.
const LATER: Duration = Duration::from_secs(10);
/// How long the clients go on before and after a change.
const WHILE: Duration = Duration::from_millis(1500);
/// Keys of three shards.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Where the Service moves in the end.
const ELSEWHERE: &str = "10.96.0.11";

/// Plays all acts; `cuts` is whether the sidecar is known to cut clients when a filter changes.
pub fn play(stage: &Stage, cuts: bool, findings: &mut Findings) -> anyhow::Result<()> {
    say("\nThe cluster")?;
    cluster_is_whole(stage, findings)?;
    say("\nBefore anything is applied: connections pass as they are, to any server")?;
    plain(stage, findings)?;
    let wording = stage.folder.wording();
    say(&format!("\nApplied: {}", wording.of_cluster()))?;
    stage.folder.apply_cluster()?;
    all_keys_are_taken(stage)?;
    say("\nData sharding: keys a to h, set through one plain address")?;
    sharding(stage, findings)?;
    say("\nRead policy REPLICA: reads from replicas, writes to primaries")?;
    read_policy(stage, findings)?;
    say(&format!("\nApplied while {CLIENTS} clients write and one is idle: {}", wording.of_mirror()))?;
    stage.folder.apply_mirror()?;
    mirror_on(stage, cuts, findings)?;
    say("\nTraffic mirroring")?;
    mirroring(stage, findings)?;
    say("\nWithdrawn while clients write: the mirror")?;
    mirror_off(stage, cuts, findings)?;
    if stage.ground.is_captured() {
        say(&format!("\nThe Service is made anew, at {ELSEWHERE}"))?;
        stage.folder.move_service(ELSEWHERE)?;
        match wording {
            Wording::Filters => filter_is_left_behind(stage, findings)?,
            Wording::Typed => service_is_followed(stage, findings)?,
        }
    }
    Ok(())
}

/// A client that is not a cluster client gets to know that it should be one.
fn plain(stage: &Stage, findings: &mut Findings) -> anyhow::Result<()> {
    let replies = KEYS.iter().map(|key| stage.ask(&["set", key, "passed"])).collect::<anyhow::Result<Vec<_>>>()?;
    let moved = replies.iter().filter(|reply| reply.starts_with("MOVED ")).count();
    let others = replies.iter().filter(|reply| !reply.starts_with("MOVED ") && *reply != "OK").count();
    let saw = format!("MOVED {moved} times, OK {} times", replies.len() - moved - others);
    say(&findings.add("set a … h, as it is", "MOVED for some".into(), saw, moved > 0 && others == 0))
}

/// Waits until what was applied has come to the sidecar: no key is refused any more.
fn all_keys_are_taken(stage: &Stage) -> anyhow::Result<()> {
    let mut refusal = String::new();
    let mut taken = || -> anyhow::Result<bool> {
        for key in KEYS {
            refusal = stage.ask(&["set", key, "-"])?;
            if refusal != "OK" {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let failed = |error: anyhow::Error| testkit::Error::Failed(error.to_string());
    wait::until_true("what was applied is in force", SEEN, || taken().map_err(failed))
        .map_err(|error| anyhow::anyhow!("{error}; the last reply: {refusal}\n{}", stage.logs()))
}

/// What clients notice of a change, and how long after it something is so.
struct Change {
    after: Option<Duration>,
    requests: u64,
    wrong: u64,
    cut: u64,
}

fn while_clients_work(
    stage: &Stage,
    change: impl FnOnce() -> anyhow::Result<()>,
    so: impl Fn() -> anyhow::Result<bool>,
) -> anyhow::Result<Change> {
    let tally = Tally::default();
    let after = std::thread::scope(|scope| {
        tally.start(scope, &stage.ground);
        std::thread::sleep(WHILE);
        let outcome = change().map(|()| {
            let start = Instant::now();
            let failed = |error: anyhow::Error| testkit::Error::Failed(error.to_string());
            let seen = wait::until_true("what was changed is seen", SEEN, || so().map_err(failed));
            let after = seen.is_ok().then(|| start.elapsed());
            std::thread::sleep(WHILE);
            after
        });
        tally.stop();
        outcome
    })?;
    let (requests, wrong, cut) = tally.counts();
    Ok(Change { after, requests, wrong, cut })
}

fn told(change: &Change, what: &str, cuts: bool, findings: &mut Findings) -> anyhow::Result<()> {
    let after = change.after.map_or("never".to_owned(), |after| format!("{:.2} s", after.as_secs_f64()));
    let bound = if cuts { LATER } else { SOON };
    let in_time = change.after.is_some_and(|after| after < bound);
    say(&findings.add(what, format!("within {} s", bound.as_secs()), after, in_time))?;
    let saw = format!("{} requests, {} wrong replies, {} clients cut", change.requests, change.wrong, change.cut);
    let expected = if cuts { "no wrong reply (this proxy cuts clients)" } else { "no wrong reply, no client cut" };
    let fits = change.requests > 0 && change.wrong == 0 && (cuts || change.cut == 0);
    say(&findings.add("meanwhile", expected.into(), saw, fits))
}

fn mirror_on(stage: &Stage, cuts: bool, findings: &mut Findings) -> anyhow::Result<()> {
    let mirror = Monitor::start(stage.mirror())?;
    let change = while_clients_work(stage, || stage.folder.mirror_on(), || Ok(!mirror.commands()?.is_empty()))?;
    told(&change, "first mirrored write", cuts, findings)
}

fn mirror_off(stage: &Stage, cuts: bool, findings: &mut Findings) -> anyhow::Result<()> {
    let mirror = Monitor::start(stage.mirror())?;
    let quiet = || {
        let before = mirror.commands()?.len();
        std::thread::sleep(Duration::from_millis(100));
        Ok(mirror.commands()?.len() == before)
    };
    let change = while_clients_work(stage, || stage.folder.mirror_off(), quiet)?;
    told(&change, "last mirrored write", cuts, findings)
}

/// The EnvoyFilter names the listener by the old address: Istio says nothing about that.
fn filter_is_left_behind(stage: &Stage, findings: &mut Findings) -> anyhow::Result<()> {
    let expected = format!("is now at {ELSEWHERE}");
    let mut page = String::new();
    let seen = wait::until_true("the control plane tells", SEEN, || {
        page = stage.control_page("/debug/envoyfilters").map_err(|error| testkit::Error::Failed(error.to_string()))?;
        Ok(page.contains(&expected))
    });
    let line = page.lines().find(|line| line.contains(&expected)).and_then(|line| line.split_once(": "));
    let line = line.map_or("nothing", |(_, text)| text.trim_matches(['"', ',', ' '])).to_owned();
    say(&findings.add("what the control plane says", expected, line, seen.is_ok()))
}

/// A RedisService names its host: the new address is as good as the old one was, and nobody has to do anything.
fn service_is_followed(stage: &Stage, findings: &mut Findings) -> anyhow::Result<()> {
    let mut replies = Vec::new();
    let mut all_taken = || -> anyhow::Result<bool> {
        replies =
            KEYS.iter().map(|key| stage.ground.ask_at(ELSEWHERE, &["set", key, "-"])).collect::<Result<_, _>>()?;
        Ok(replies.iter().all(|reply| reply == "OK"))
    };
    let failed = |error: anyhow::Error| testkit::Error::Failed(error.to_string());
    let seen = wait::until_true("the new address is taken", SEEN, || all_taken().map_err(failed));
    let taken = replies.iter().filter(|reply| *reply == "OK").count();
    let (expected, saw) = (format!("OK {} times", KEYS.len()), format!("OK {taken} times"));
    say(&findings.add(&format!("set a … h at {ELSEWHERE}"), expected, saw, seen.is_ok()))
}
