//! A slot changes hands while requests for it are under way: one client's requests for it stay in order.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::pipe::End;
use crate::world::setup::Setup;

const FOO: usize = 12_182;

/// The old owner takes 5 ms for a request, so that there is time to change the map.
fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    world.ask(client, "SET foo 0");
    world.weather.work = 5 * MS..=5 * MS;
    (world, client)
}

#[test]
fn overlord_5_moved_lets_no_request_of_a_client_overtake_an_older_one() {
    let (mut world, client) = world();
    let other = world.connect();
    world.happen(Happening::GiveSlot { slot: FOO, shard: 0 });
    world.send(client, "INCR foo");
    world.run(2 * MS);
    world.send(client, "INCR foo");
    // The first MOVED comes at 5 ms and mends the map; the second is still under way.
    world.run(4 * MS);
    world.send(client, "INCR foo\nPING");
    world.send(other, "INCR foo");
    world.run(MS);
    assert_eq!(world.engine.usage().parked, 1, "who has nothing under way need not wait");
    world.run(50 * MS);
    let (mine, theirs) = (world.heard(client), world.heard(other));
    assert_eq!((mine.len(), mine[3].as_str()), (4, "+PONG"));
    let replies = [&mine[0], &mine[1], &mine[2], &theirs[0]];
    let numbers: Vec<i64> = replies.iter().map(|text| text[1..].parse().unwrap()).collect();
    assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2], "{numbers:?}");
    assert_eq!(numbers.iter().sum::<i64>(), 10);
    world.assert_idle();
}

#[test]
fn nor_does_a_view() {
    let (mut world, client) = world();
    world.send(client, "INCR foo\nINCR foo");
    world.run(2 * MS);
    world.happen(Happening::GiveSlot { slot: FOO, shard: 0 });
    // These were carried out before; the next two are turned away.
    world.send(client, "INCR foo\nINCR foo");
    world.run(MS);
    world.happens(1, Happening::View(0));
    world.run(MS);
    world.send(client, "INCR foo\nMGET foo b c\nINCR foo");
    world.run(100 * MS);
    assert_eq!(world.heard(client), [":1", ":2", ":3", ":4", ":5", "[5, nil, nil]", ":6"]);
    world.assert_idle();
}

#[test]
fn an_old_owner_that_says_nothing_keeps_requests_from_the_new_one_for_a_moment_only() {
    let (mut world, client) = world();
    world.happen(Happening::Freeze { cluster: 0, node: 2, micros: 10_000 * MS });
    world.send(client, "GET foo");
    world.run(2 * MS);
    world.happen(Happening::GiveSlot { slot: FOO, shard: 0 });
    world.happens(1, Happening::View(0));
    world.run(MS);
    world.send(client, "SET foo 1");
    world.run(15 * MS);
    assert_eq!(world.seen(0), Vec::<String>::new());
    world.run(10 * MS);
    assert_eq!(world.seen(0), ["SET foo 1"]);
    world.run(20_000 * MS);
    world.assert_idle();
}

#[test]
fn a_connection_that_ends_lets_go_who_waited_for_it_and_a_client_takes_its_requests_along() {
    for leaves in [false, true] {
        let (mut world, client) = world();
        world.happen(Happening::Freeze { cluster: 0, node: 2, micros: 100 * MS });
        world.send(client, "GET foo");
        world.run(2 * MS);
        world.happen(Happening::GiveSlot { slot: FOO, shard: 0 });
        world.happens(1, Happening::View(0));
        world.run(MS);
        world.send(client, "SET foo 1\nSET foo 2");
        world.run(MS);
        assert_eq!(world.engine.usage().parked, 2);
        if leaves {
            world.leave(client, End::Reset);
            world.run(MS);
        }
        world.happen(Happening::Cut { cluster: 0, node: 2, end: End::Reset });
        world.run(MS);
        assert_eq!(world.engine.usage().parked, 0);
        world.run(50 * MS);
        let expected: &[&str] = if leaves { &[] } else { &["0", "+OK", "+OK"] };
        assert_eq!(world.heard(client), expected);
        world.run(1000 * MS);
        world.assert_idle();
    }
}
