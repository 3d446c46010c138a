//! Writes the CustomResourceDefinitions to `deploy/crds`, where a test keeps them equal to the types.

use config::text::to_yaml;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for (name, crd) in control::typed::crds() {
        std::fs::write(folder.join(name), to_yaml(&crd))?;
    }
    Ok(())
}
