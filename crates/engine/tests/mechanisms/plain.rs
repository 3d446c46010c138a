//! Requests that find everything in order.

use crate::world::World;
use crate::world::setup::Setup;

#[test]
fn a_request_goes_to_the_owner_of_its_slot_and_the_reply_comes_back() {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    assert_eq!(world.ask(client, "GET foo"), "bar");
    // foo is in slot 12182, the last third.
    assert_eq!(world.seen(2), ["SET foo bar", "GET foo"]);
    assert_eq!((world.seen(0), world.seen(1)), (vec![], vec![]));
    world.assert_idle();
}
