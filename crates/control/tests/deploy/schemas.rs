//! The published schemas, by `scripts/manifests.sh`.

use std::path::Path;
use std::process::Command;

#[test]
fn every_manifest_is_as_the_published_schemas_want_it_and_bad_resources_are_refused() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = here.join("../../scripts/manifests.sh");
    let said = Command::new(script).arg("crates/control/tests/deploy/refused.yaml").output().unwrap();
    let (told, faults) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{told}{faults}");
    println!("{told}");
    let count = |what: &str| -> usize {
        let (before, _) = told.split_once(&format!(" {what}")).unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(count("Kubernetes") >= 30 && count("ours") >= 6 && count("refused") >= 10, "{told}");
}
