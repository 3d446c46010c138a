//! The tutorial through both halves: a control plane on a folder of YAML files, and a sidecar that it drives.

mod network;
mod folder;
mod ground;
mod stage;
mod load;
mod acts;

pub use acts::play;
pub use folder::Wording;
pub use stage::Stage;
