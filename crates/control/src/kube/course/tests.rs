//! The decisions one by one, and many thousands of them at random against a small world of one kind.

use super::super::kinds::{KINDS, Kind};
use super::super::shelf::Shelf;
use super::super::wire::{self, Event, Page, Reading, Status};
use super::{Ask, Course, Heard, LIMITS, LONGEST_PAUSE, LOOK_AGAIN, Next, Standing};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

fn course(name: &str) -> (Course, Shelf) {
    (Course::new(kind(name)), Shelf::default())
}

fn refused(code: u16) -> Heard {
    Heard::Refused(Status { code, ..Status::default() }, None)
}

fn first_page(limit: u32) -> Ask {
    Ask::Page { token: String::new(), limit }
}

#[test]
fn a_server_without_streaming_lists_is_asked_for_pages_at_once() {
    let (mut course, mut shelf) = course("Pod");
    assert_eq!(course.next(&mut shelf), (Duration::ZERO, Ask::Stream));
    assert_eq!(course.hear(refused(422), &mut shelf), (Next::Ask, false));
    assert_eq!(course.next(&mut shelf), (Duration::ZERO, first_page(500)));
    assert_eq!(course.errors, 0);
}

#[test]
fn streaming_lists_that_break_twice_are_given_up() {
    let (mut course, mut shelf) = course("Pod");
    for _ in 0..2 {
        assert_eq!(course.next(&mut shelf).1, Ask::Stream);
        course.hear(Heard::Opened, &mut shelf);
        course.hear(Heard::Broken("cut".to_owned()), &mut shelf);
    }
    assert_eq!(course.next(&mut shelf).1, first_page(500));
}

#[test]
fn tokens_that_are_too_old_make_larger_pages() {
    let (mut course, mut shelf) = course("Pod");
    course.streams = false;
    for limit in LIMITS {
        assert_eq!(course.next(&mut shelf).1, first_page(limit));
        course.hear(Heard::Page(Page { token: "t".to_owned(), ..Page::default() }), &mut shelf);
        assert_eq!(course.next(&mut shelf).1, Ask::Page { token: "t".to_owned(), limit });
        course.hear(refused(410), &mut shelf);
    }
}

#[test]
fn all_versions_of_a_kind_are_tried_before_it_is_absent() {
    let (mut course, mut shelf) = course("Sidecar");
    for version in ["v1", "v1beta1", "v1alpha3"] {
        assert_eq!((course.next(&mut shelf).0, course.version()), (Duration::ZERO, version));
        assert!(!course.is_complete);
        course.hear(refused(404), &mut shelf);
    }
    assert_eq!((&course.standing, course.is_complete), (&Standing::Absent, true));
    assert_eq!((course.next(&mut shelf).0, course.version()), (LOOK_AGAIN, "v1"));
}

#[test]
fn a_kind_of_kubernetes_itself_is_never_absent() {
    let (mut course, mut shelf) = course("Service");
    course.next(&mut shelf);
    course.hear(refused(404), &mut shelf);
    assert!(matches!(course.standing, Standing::Refused(_)) && !course.is_complete);
}

#[test]
fn one_404_of_a_kind_that_was_there_is_not_believed() {
    let mut world = Small::new(1);
    world.put("a");
    let (mut course, mut shelf) = course("EnvoyFilter");
    world.settle(&mut course, &mut shelf);
    course.next(&mut shelf);
    assert_eq!(course.hear(refused(404), &mut shelf), (Next::Ask, false));
    assert_eq!(shelf.len(), 1);
    assert!(matches!(course.next(&mut shelf), (pause, Ask::Watch { .. }) if pause >= Duration::from_secs(1)));
    course.hear(refused(404), &mut shelf);
    course.next(&mut shelf);
    assert_eq!(course.hear(refused(404), &mut shelf), (Next::Ask, true));
    assert_eq!((shelf.len(), &course.standing), (0, &Standing::Absent));
}

#[test]
fn pauses_grow_to_a_bound_and_a_wish_is_heeded() {
    let (mut course, mut shelf) = course("Pod");
    let mut last = Duration::ZERO;
    for _ in 0..20 {
        course.hear(refused(500), &mut shelf);
        let pause = course.next(&mut shelf).0;
        assert!(pause >= last && pause <= LONGEST_PAUSE);
        last = pause;
    }
    assert_eq!(last, LONGEST_PAUSE);
    course.hear(Heard::Refused(Status { code: 429, ..Status::default() }, Some(Duration::from_secs(30))), &mut shelf);
    assert_eq!(course.next(&mut shelf).0, Duration::from_secs(30));
    course.hear(refused(403), &mut shelf);
    assert_eq!(course.next(&mut shelf).0, LOOK_AGAIN);
}

/// Namespaces with a label each, and how they came to be.
struct Small {
    seed: u64,
    version: u64,
    floor: u64,
    /// Version, name, and the object unless it went.
    log: Vec<(u64, String, Option<Value>)>,
}

impl Small {
    fn new(seed: u64) -> Self {
        Self { seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, version: 10, floor: 0, log: Vec::new() }
    }

    /// One in `of`.
    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn below(&mut self, of: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) % of
    }

    fn put(&mut self, name: &str) {
        self.version += 1;
        let meta = json!({"name": name, "resourceVersion": self.version.to_string(), "labels": {"at": self.version.to_string()}});
        self.log.push((self.version, name.to_owned(), Some(json!({"metadata": meta}))));
    }

    fn happen(&mut self) {
        for _ in 0..self.below(4) {
            let name = format!("n{}", self.below(9));
            if self.one_in(3) {
                self.version += 1;
                self.log.push((self.version, name, None));
            } else {
                self.put(&name);
            }
        }
        if self.one_in(9) {
            self.floor = self.version;
        }
    }

    fn at(&self, version: u64) -> Vec<Value> {
        let mut found = BTreeMap::new();
        for (_, name, object) in self.log.iter().filter(|(at, ..)| *at <= version) {
            match object {
                Some(object) => drop(found.insert(name, object.clone())),
                None => drop(found.remove(name)),
            }
        }
        found.into_values().collect()
    }

    fn said(event: &str, object: &Value) -> Heard {
        let reading = Reading { kind: kind("Namespace"), version: "v1" };
        let line = json!({"type": event, "object": object}).to_string();
        Heard::Event(wire::event(reading, line.as_bytes()).unwrap().unwrap())
    }

    fn bookmark(&self, is_end: bool) -> Heard {
        Heard::Event(Event::Bookmark(self.version.to_string(), is_end))
    }

    /// What is heard after `from`.
    fn since(&self, from: u64) -> Vec<Heard> {
        let event = |(at, name, object): &(u64, String, Option<Value>)| match object {
            Some(object) => Self::said("MODIFIED", object),
            None => Self::said("DELETED", &json!({"metadata": {"name": name, "resourceVersion": at.to_string()}})),
        };
        self.log.iter().filter(|(at, ..)| *at > from).map(event).collect()
    }

    /// All that is heard upon a question, if nothing goes wrong on the way.
    fn answer(&mut self, ask: &Ask) -> Vec<Heard> {
        match ask {
            Ask::Stream => {
                let objects = self.at(self.version);
                let all = objects.iter().map(|object| Self::said("ADDED", object));
                std::iter::once(Heard::Opened).chain(all).chain([self.bookmark(true), Heard::Ended]).collect()
            }
            Ask::Watch { from } => {
                let from: u64 = from.parse().unwrap();
                if from < self.floor {
                    let status = Status { code: 410, ..Status::default() };
                    return vec![Heard::Opened, Heard::Event(Event::Status(status))];
                }
                let mut all = vec![Heard::Opened];
                all.extend(self.since(from));
                all.extend([self.bookmark(false), Heard::Ended]);
                all
            }
            Ask::Page { token, .. } => {
                let (version, offset): (u64, usize) = match token.split_once(':') {
                    Some((version, offset)) => (version.parse().unwrap(), offset.parse().unwrap()),
                    None => (self.version, 0),
                };
                if version < self.floor {
                    return vec![refused(410)];
                }
                let all = self.at(version);
                let items: Vec<&Value> = all.iter().skip(offset).take(3).collect();
                let token = if offset + 3 < all.len() { format!("{version}:{}", offset + 3) } else { String::new() };
                let body =
                    json!({"metadata": {"resourceVersion": version.to_string(), "continue": token}, "items": items});
                let reading = Reading { kind: kind("Namespace"), version: "v1" };
                vec![Heard::Page(wire::page(reading, body.to_string().as_bytes()).unwrap())]
            }
        }
    }

    /// The same, with what may go wrong.
    fn faulty_answer(&mut self, ask: &Ask) -> Vec<Heard> {
        if self.one_in(6) {
            let code = [500, 503, 403, 401, 429, 422][usize::try_from(self.below(6)).unwrap()];
            return vec![refused(code)];
        }
        let mut all = self.answer(ask);
        if self.one_in(3) {
            let left = usize::try_from(self.below(all.len() as u64)).unwrap();
            all.truncate(left);
            all.push(Heard::Broken("cut".to_owned()));
        }
        all
    }

    fn say(&mut self, all: Vec<Heard>, course: &mut Course, shelf: &mut Shelf) {
        for heard in all {
            if course.hear(heard, shelf).0 == Next::Ask {
                return;
            }
        }
        panic!("the last that is heard ends it");
    }

    /// Lets the course come to rest in a world in which nothing goes wrong.
    fn settle(&mut self, course: &mut Course, shelf: &mut Shelf) {
        for _ in 0..40 {
            let (_, ask) = course.next(shelf);
            let all = self.answer(&ask);
            self.say(all, course, shelf);
        }
    }
}

#[test]
fn whatever_goes_wrong_the_end_is_what_there_is() {
    let (mut lists, mut errors, mut restarts) = (0, 0, 0);
    for seed in 0..3_000 {
        let mut world = Small::new(seed);
        let (mut course, mut shelf) = course("Namespace");
        let mut complete = false;
        for _ in 0..30 {
            world.happen();
            let (_, ask) = course.next(&mut shelf);
            let all = world.faulty_answer(&ask);
            world.say(all, &mut course, &mut shelf);
            complete |= course.is_complete;
            assert_eq!(complete, course.is_complete, "once complete, always so");
        }
        world.settle(&mut course, &mut shelf);
        let known: Vec<String> = shelf.objects().map(|object| object.meta.labels["at"].clone()).collect();
        let is: Vec<String> = world
            .at(world.version)
            .iter()
            .map(|object| object["metadata"]["labels"]["at"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(known, is, "seed {seed}");
        assert_eq!(course.standing, Standing::Current, "seed {seed}");
        (lists, errors, restarts) = (lists + course.lists, errors + course.errors, restarts + course.restarts);
    }
    assert!(lists > 6_000 && errors > 6_000 && restarts > 6_000, "{lists} lists, {errors} errors, {restarts} restarts");
}
