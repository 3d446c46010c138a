//! Both halves: `slotmesh control` on the files of the examples drives `slotmesh proxy`.

use crate::driven;
use crate::place::{Place, mesh};
use crate::plane::Plane;
use crate::scripted::PATIENT;
use crate::traffic::Traffic;
use std::fs;
use std::time::{Duration, Instant};
use testkit::{Reply, wait};

fn play(dialect: &str) {
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    let mesh_file = folder.path().join("mesh.yaml");
    fs::write(&mesh_file, mesh()).unwrap();
    let plane = Plane::start_with(&place.files(), &["--mesh", mesh_file.to_str().unwrap()]);
    let proxy = driven::start(plane.address("xds"), dialect);
    driven::client(place.port, "first");
    let traffic = Traffic::start(place.port, "tutorial");
    let without = fs::read_to_string(plane.at("envoyfilter-redis-proxy.yaml")).unwrap();
    for name in ["pods-mirror.yaml", "redis-mirror.yaml", "envoyfilter-redis-proxy.yaml"] {
        plane.replace(name, &place.file(&format!("tutorial-mirror/{name}")));
    }
    let applied = Instant::now();
    wait::until_true("a write is mirrored", PATIENT, || Ok(place.mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
    let took = applied.elapsed();
    println!("slotmesh control and proxy, {dialect}: first mirrored write after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    traffic.go_on();
    // Withdrawn: nothing new comes to the mirror.
    plane.replace("envoyfilter-redis-proxy.yaml", &without);
    wait::until_true("the mirror is left", PATIENT, || {
        let writes = place.mirror.field("INFO commandstats", "cmdstat_set")?;
        traffic.go_on();
        Ok(place.mirror.field("INFO commandstats", "cmdstat_set")? == writes)
    })
    .unwrap();
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert!(traffic.end());
    let refused = plane.times("a proxy refused what it was sent");
    assert_eq!(refused, 0, "{}", plane.log());
    // The control plane ends; what it gave stays.
    let (status, log) = plane.end();
    assert!(status.success(), "{log}");
    assert_eq!(place.client().ask("SET a after").unwrap(), Reply::ok());
    assert!(proxy.get("/ready").unwrap().status == 200);
}

#[test]
fn both_halves_play_the_tutorial_incrementally() {
    play(driven::DIALECTS[0]);
}

#[test]
fn both_halves_play_the_tutorial_with_the_state_of_the_world() {
    play(driven::DIALECTS[1]);
}
