//! The same configuration files given to the real Envoy 1.40 and to slotmesh, the same commands asked of both, every
//! reply compared byte for byte. What differs is in the table of intended differences, or the test fails.

#![cfg(test)]

mod differences;
mod judge;
mod mirror;
mod places;
mod play;
mod script;
mod sweep;
mod talk;
mod world;

use differences::DIFFERENCES;
use judge::Verdict;
use play::{FAULTS, NOCASE, PASSWORD, PIPELINED, PLACES, PLAIN, Part, ROUTES, SINGLE, TAGGED, TUTORIAL, USER};
use world::World;

/// The scripts that need nothing but a Redis Cluster: for primaries alone, and with the tutorial's replicas and mirror.
const COMMANDS: [&str; 13] = [
    include_str!("commands/strings.txt"),
    include_str!("commands/keys.txt"),
    include_str!("commands/lists.txt"),
    include_str!("commands/sets.txt"),
    include_str!("commands/hashes.txt"),
    include_str!("commands/zsets.txt"),
    include_str!("commands/streams.txt"),
    include_str!("commands/scripting.txt"),
    include_str!("commands/many.txt"),
    include_str!("commands/everywhere.txt"),
    include_str!("commands/local.txt"),
    include_str!("commands/transactions.txt"),
    include_str!("commands/bytes.txt"),
];

/// The scripts that need nothing else, and are sent at once as well: no command depends on what another node has done.
const PIPELINES: [&str; 6] = [COMMANDS[0], COMMANDS[2], COMMANDS[3], COMMANDS[4], COMMANDS[5], COMMANDS[8]];

/// The scripts for one thing each.
const SPECIAL: [(Part, &str); 6] = [
    (PASSWORD, include_str!("commands/auth.txt")),
    (USER, include_str!("commands/auth.txt")),
    (FAULTS, include_str!("commands/faults.txt")),
    (ROUTES, include_str!("commands/routes.txt")),
    (NOCASE, include_str!("commands/nocase.txt")),
    (SINGLE, include_str!("commands/single.txt")),
];

#[test]
fn slotmesh_answers_as_envoy_does_except_where_intended() {
    let world = World::start(env!("CARGO_BIN_EXE_slotmesh"));
    let mut verdict = Verdict::default();
    let every_part = [PLAIN, TUTORIAL].into_iter().flat_map(|part| COMMANDS.map(|text| (part, text)));
    let at_once = PIPELINES.map(|text| (PIPELINED, text));
    for (part, text) in every_part.chain(SPECIAL).chain(at_once) {
        for chapter in script::read(text) {
            play::chapter(&world, &part, &chapter, &mut verdict);
        }
    }
    let names = sweep::names(&world);
    sweep::play(&world, &names, &mut verdict);
    let placed = places::compare(&world, &PLACES, &mut verdict) + places::compare(&world, &TAGGED, &mut verdict);
    // Last, as the cluster stays broken.
    for chapter in script::read(include_str!("commands/trouble.txt")) {
        play::chapter(&world, &PLAIN, &chapter, &mut verdict);
    }

    println!("{} compared, among them the places of {placed} keys: {} equal", verdict.compared(), verdict.equal);
    println!("different on purpose ({} times confirmed by Redis):", verdict.confirmed);
    for (what, times) in &verdict.intended {
        println!("{times:6}  {what}");
    }
    let wrong = verdict.wrong.len();
    assert!(wrong == 0, "{wrong} unintended differences:\n{}", verdict.wrong.join("\n"));
    assert_eq!(verdict.stale(), Vec::<&str>::new(), "intended differences that were not met");
    let carried_out = |name: &&String| verdict.valid.contains(*name) || !sweep::is_known(&world, name);
    let missing: Vec<&String> = names.iter().filter(|name| !carried_out(name)).collect();
    assert!(missing.is_empty(), "no script has a valid {missing:?}");
}

/// The page for users has a row for every intended difference, in the same words.
#[test]
fn the_page_for_users_is_the_table() {
    let page = include_str!("../../docs/differences-from-envoy.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let table: Vec<String> = DIFFERENCES
        .iter()
        .map(|row| format!("| {} | {} | {} | {} |", row.what, row.envoy, row.ours, row.why))
        .collect();
    assert_eq!(rows, table, "the rows should be:\n{}", table.join("\n"));
}
