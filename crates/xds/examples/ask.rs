//! What does a control plane give to a node? Prints every change as it comes, until interrupted.
//!
//! `cargo run -p xds --example ask -- HOST:PORT|unix:PATH delta|sotw NODE_ID [NAME_TO_REFUSE...]`
#![allow(clippy::print_stdout, reason = "it is a tool for people")]

use std::collections::BTreeSet;

use xds::client::{Address, Client, Refused, Settings, Update, Verdict, Want};
use xds::server::Dialect;
use xds::{Kind, Node};

fn address(text: &str) -> Option<Address> {
    match text.strip_prefix("unix:") {
        Some(path) => Some(Address::Unix(path.into())),
        None => text.rsplit_once(':').and_then(|(host, port)| Some(Address::Tcp(host.to_owned(), port.parse().ok()?))),
    }
}

fn show(update: &Update) {
    let changed: Vec<String> =
        update.changed.iter().map(|resource| format!("{} ({} B)", resource.name, resource.any.len())).collect();
    println!("{} {:?}: {} removed: {:?}", update.kind, update.origin, changed.join(", "), update.removed);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let (Some(address), Some(dialect), Some(id)) =
        (words.next().as_deref().and_then(address), words.next(), words.next())
    else {
        println!("HOST:PORT|unix:PATH delta|sotw NODE_ID [NAME_TO_REFUSE...]");
        return;
    };
    let refuse: Vec<String> = words.collect();
    let dialect = if dialect == "sotw" { Dialect::Sotw } else { Dialect::Delta };
    let node = Node { id, ..Node::default() };
    let (client, mut updates) = Client::start(Settings { dialect, ..Settings::new(node, vec![address]) });
    client.want(Kind::Cluster, Want::Everything);
    client.want(Kind::Listener, Want::Everything);
    let mut clusters: BTreeSet<String> = BTreeSet::new();
    let mut state = client.state();
    loop {
        tokio::select! {
            update = updates.recv() => {
                let Some(update) = update else { return };
                show(&update);
                if update.kind == Kind::Cluster {
                    clusters.extend(update.changed.iter().map(|cluster| cluster.name.to_string()));
                    clusters.retain(|name| !update.removed.iter().any(|removed| **removed == **name));
                    client.want(Kind::Endpoints, Want::named(clusters.iter().map(String::as_str)));
                }
                let names = update.changed.iter().map(|resource| &resource.name);
                let refused = names.filter(|name| refuse.iter().any(|refuse| **refuse == ***name));
                let refused = refused.map(|name| Refused { name: name.clone(), reason: "refused on request".to_owned() });
                let verdict = Verdict { refused: refused.collect() };
                update.answer(verdict);
            }
            _ = state.changed() => println!("{:?}", *state.borrow_and_update()),
        }
    }
}
