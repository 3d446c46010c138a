//! Plays a script to one proxy after the other, with the servers emptied in between.

use crate::judge::{Case, Verdict};
use crate::mirror::Recorder;
use crate::script::{Act, Chapter, Compare, Step};
use crate::talk::{Heard, Talk};
use crate::world::{Side, World};
use std::net::SocketAddr;

/// A listener, and what is special about it.
#[derive(Clone, Copy)]
pub struct Part {
    pub name: &'static str,
    listener: Listener,
    /// A plain Redis answers the same, with the same data.
    referee: bool,
    /// The beginning of the keys that are copied to the mirror, if there is one.
    mirrored: Option<&'static str>,
    /// All commands of a chapter are sent at once.
    pipelined: bool,
}

#[derive(Clone, Copy)]
enum Listener {
    /// The tutorial's: reads go to replicas, which catch up after each step.
    Tutorial,
    /// One of the variants'.
    Variant(usize),
}

pub const PLAIN: Part = Part { referee: true, ..variant("plain", 0) };
pub const PIPELINED: Part = Part { pipelined: true, ..variant("pipelined", 0) };
pub const PASSWORD: Part = variant("password", 1);
pub const USER: Part = variant("user", 2);
pub const FAULTS: Part = variant("faults", 3);
pub const ROUTES: Part = Part { mirrored: Some("copied:"), ..variant("routes", 4) };
pub const NOCASE: Part = variant("nocase", 5);
pub const PLACES: Part = variant("places", 6);
pub const TAGGED: Part = variant("tagged", 7);
pub const SINGLE: Part = variant("single", 8);
pub const TUTORIAL: Part =
    Part { name: "tutorial", listener: Listener::Tutorial, referee: false, mirrored: Some(""), pipelined: false };

const fn variant(name: &'static str, index: usize) -> Part {
    Part { name, listener: Listener::Variant(index), referee: false, mirrored: None, pipelined: false }
}

impl Part {
    pub fn address(&self, world: &World, side: Side) -> SocketAddr {
        match (side, &self.listener) {
            (Side::Redis, _) => world.redis.address(),
            (_, Listener::Tutorial) => world.tutorial(side).address(),
            (_, Listener::Variant(index)) => world.variants(side).listener(*index),
        }
    }

    fn reads_from_replicas(&self) -> bool {
        matches!(self.listener, Listener::Tutorial)
    }
}

/// What one side made of a chapter.
struct Played {
    heard: Vec<Heard>,
    /// What each step brought to the mirror.
    mirrored: Vec<Heard>,
    data: Heard,
}

/// A chapter, played to both, and judged.
pub fn chapter(world: &World, part: &Part, chapter: &Chapter, verdict: &mut Verdict) {
    let envoy = one_side(world, part, chapter, Side::Envoy);
    let ours = one_side(world, part, chapter, Side::Ours);
    let redis = (part.referee && chapter.referee).then(|| one_side(world, part, chapter, Side::Redis));
    for (i, step) in chapter.steps.iter().enumerate() {
        if matches!(step.act, Act::Fresh) {
            continue;
        }
        let mut case = Case {
            part: part.name,
            text: step.text.clone(),
            words: step.words().to_vec(),
            compare: step.compare,
            envoy: envoy.heard[i].clone(),
            ours: ours.heard[i].clone(),
            redis: redis.as_ref().map(|played| played.heard[i].clone()),
        };
        verdict.judge(&case);
        if let (Some(theirs), Some(ours)) = (envoy.mirrored.get(i), ours.mirrored.get(i)) {
            case = Case { part: "mirror", compare: Compare::Exact, redis: None, ..case };
            (case.envoy, case.ours) = (theirs.clone(), ours.clone());
            verdict.judge(&case);
        }
    }
    let text = format!("{} after {:?}", part.name, chapter.title);
    let (words, compare) = (Vec::new(), Compare::Exact);
    verdict.judge(&Case { part: "data", text, words, compare, envoy: envoy.data, ours: ours.data, redis: None });
}

fn one_side(world: &World, part: &Part, chapter: &Chapter, side: Side) -> Played {
    world.clear();
    world.get_into(chapter.trouble);
    let address = part.address(world, side);
    let mut talk = Talk::with(address);
    if part.pipelined {
        let commands: Vec<&[Vec<u8>]> = chapter.steps.iter().map(Step::words).collect();
        return Played { heard: talk.pipeline(&commands), mirrored: Vec::new(), data: Heard::lines(&world.data()) };
    }
    let mut heard = Vec::new();
    let mut recorder = part.mirrored.map(|prefix| Recorder::start(&world.mirror, address, prefix));
    for step in &chapter.steps {
        heard.push(match &step.act {
            Act::Command(words) => talk.say(words),
            Act::Raw(bytes, quiet) => talk.raw(bytes, *quiet),
            Act::Fresh => {
                talk.hang_up();
                Heard::lines(&[])
            }
        });
        if let Some(recorder) = &mut recorder {
            recorder.end_of_step();
        }
        if part.reads_from_replicas() {
            world.catch_up();
        }
    }
    talk.hang_up();
    world.get_out_of(chapter.trouble);
    let mirrored = recorder.map_or(Vec::new(), Recorder::finish);
    Played { heard, mirrored, data: Heard::lines(&world.data()) }
}
