//! Servers that misbehave exactly as told.

use std::time::{Duration, Instant};
use testkit::{Act, Client, Error, Fake, Reply};

#[test]
fn a_fake_does_what_it_is_told_and_remembers_what_it_was_asked() {
    let fake = Fake::start(|request| match request.name().as_str() {
        "LATE" => Act::SendAfter(Duration::from_millis(50), b"+late\r\n".to_vec()),
        "HALF" => Act::SendAndClose(b"$10\r\nabc".to_vec()),
        "DEAF" => Act::StopReading,
        "HUSH" => Act::Ignore,
        _ => Act::bulk(&request.number.to_string()),
    })
    .unwrap();
    let mut client = Client::connect(fake.address()).unwrap();
    assert_eq!(client.ask("GET a").unwrap(), Reply::bulk("0"));
    let begin = Instant::now();
    assert_eq!(client.ask("LATE").unwrap(), Reply::simple("late"));
    assert!(begin.elapsed() >= Duration::from_millis(50));
    client.send(&["HUSH"]).unwrap();
    assert!(client.silent_for(Duration::from_millis(50)).unwrap());
    assert!(matches!(client.ask("HALF"), Err(Error::Closed(_))));

    let mut second = Client::connect(fake.address()).unwrap();
    second.send(&["DEAF"]).unwrap();
    second.send(&["PING"]).unwrap();
    assert!(second.silent_for(Duration::from_millis(50)).unwrap());
    let names: Vec<String> = fake.requests().iter().map(testkit::Request::name).collect();
    assert_eq!(names, ["GET", "LATE", "HUSH", "HALF", "DEAF"]);
    assert_eq!((fake.connections(), fake.requests()[4].connection), (2, 1));
    fake.close_all();
    assert!(second.read_to_close().unwrap().is_empty());
}

#[test]
fn a_cluster_of_one_describes_itself() {
    let fake = Fake::cluster_of_one(|request| (request.name() == "GET").then(|| Act::bulk("v"))).unwrap();
    let mut client = Client::connect(fake.address()).unwrap();
    let slots = client.ask("CLUSTER SLOTS").unwrap();
    assert_eq!(slots.items()[0].items()[2].items()[1], Reply::Int(fake.address().port().into()));
    assert_eq!(client.ask("READONLY").unwrap(), Reply::ok());
    assert_eq!(client.ask("GET a").unwrap(), Reply::bulk("v"));
    fake.wait_for(Duration::from_secs(1), |request| request.text() == "GET a").unwrap();
}
