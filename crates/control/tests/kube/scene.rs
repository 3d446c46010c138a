//! A control plane that listens to an API server.

use super::api::Api;
use super::recording::{history, version};
use control::Schema;
use control::files::Files;
use control::kube::{Access, Manners, Mirror, Patience, follow, write};
use control::plane::Plane;
use control::registry::State;
use control::status::{self, Board};
use control::watch::Watcher;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use xds::server::{Server, Settings};

/// A control plane.
pub struct Control {
    pub mirror: Arc<Mirror>,
    pub plane: Arc<Plane>,
    pub board: Arc<Board>,
    pub server: Server,
    ended: Option<Sender<()>>,
    watching: Option<JoinHandle<()>>,
    pub runtime: Runtime,
    folder: TempDir,
}

/// Long enough for anything here.
pub const SOON: Duration = Duration::from_secs(60);

pub fn patience() -> Patience {
    let of = Duration::from_secs;
    Patience { answer: of(3), watch: of(3), lasting: of(2) }
}

fn schema() -> Arc<Schema> {
    static SCHEMA: OnceLock<Arc<Schema>> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| Arc::new(Schema::load_mesh().unwrap())))
}

impl Control {
    /// One for the API server, beside `files` if there are any.
    pub fn of(api: &Api, namespaces: &[&str], files: Option<&Path>) -> Self {
        let folder = TempDir::new().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, api.kubeconfig()).unwrap();
        Self::start(Access { kubeconfig: Some(kubeconfig), context: None }, namespaces, files, patience(), folder)
    }

    /// One that writes what became of resources.
    pub fn writing(api: &Api, files: Option<&Path>, manners: Manners) -> Self {
        let control = Self::of(api, &[], files);
        control.write(Access { kubeconfig: Some(control.folder.path().join("kubeconfig")), context: None }, manners);
        control
    }

    /// Begins to write.
    pub fn write(&self, access: Access, manners: Manners) {
        let client = self.runtime.block_on(access.client()).unwrap();
        self.runtime.spawn(write(client, Arc::clone(&self.mirror), Arc::clone(&self.board), manners));
    }

    /// The verdict on a resource.
    pub fn verdict(&self, kind: &str, name: &str) -> Value {
        let all = self.board.json();
        let found = all.as_array().unwrap().iter().find(|one| one["kind"] == kind && one["name"] == name);
        found.cloned().unwrap_or_default()
    }

    /// A condition of it: status, reason, message.
    pub fn condition(&self, kind: &str, name: &str, which: &str) -> (String, String, String) {
        condition(&self.verdict(kind, name)["conditions"], which)
    }

    pub fn start(
        access: Access,
        namespaces: &[&str],
        files: Option<&Path>,
        patience: Patience,
        folder: TempDir,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let namespaces: Vec<String> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        let mirror = Arc::new(Mirror::new(&namespaces, true));
        let client = runtime.block_on(access.client()).unwrap();
        runtime.spawn(follow(client, Arc::clone(&mirror), patience));
        let plane = Arc::new(Plane::new(schema()));
        let files = files.map_or_else(|| Files::without_folder(None), |folder| Files::new(folder, None));
        let mut watcher = Watcher::new(files, Arc::clone(&plane)).beside(Arc::clone(&mirror));
        watcher.first().unwrap();
        let (sender, ended) = channel();
        let watching = Some(std::thread::spawn(move || watcher.run(&ended)));
        let server = {
            let _here = runtime.enter();
            Server::start(Arc::clone(&plane) as _, Settings::default())
        };
        let board = Arc::new(Board::default());
        runtime.spawn(status::keep(Arc::clone(&board), Arc::clone(&plane), server.clone()));
        Self { mirror, plane, board, server, ended: Some(sender), watching, runtime, folder }
    }

    /// What is published.
    pub fn state(&self) -> Option<Arc<State>> {
        self.plane.published().0
    }

    /// Waits for something to be so.
    pub fn wait(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !so(self) {
            let (trouble, numbers) = (self.mirror.trouble(), self.mirror.prometheus());
            let board = || format!("{:#}", self.board.json()).chars().take(4000).collect::<String>();
            assert!(began.elapsed() < SOON, "{what}: not so after {SOON:?}; {trouble:?}\n{numbers}\n{}", board());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until what is published is what a control plane publishes that is started afresh.
    pub fn is_as_fresh(&self, api: &Api) {
        let fresh = Control::of(api, &[], None);
        fresh.wait("a fresh start", |fresh| fresh.state().is_some());
        let expected = meaning(&fresh.state().unwrap());
        self.wait("the same as from a fresh start", |control| {
            control.state().is_some_and(|state| meaning(&state) == expected)
        });
    }

    /// The value of a metric of a kind.
    pub fn number(&self, metric: &str, kind: &str) -> u64 {
        let numbers = self.mirror.prometheus();
        let row = format!("{metric}{{kind=\"{kind}\"}} ");
        let found = numbers.lines().find_map(|line| line.strip_prefix(&row));
        found.unwrap_or_else(|| panic!("no {row} in {numbers}")).parse().unwrap()
    }

    pub fn hosts(&self) -> Vec<String> {
        self.state()
            .map(|state| state.services.iter().map(|service| service.host.clone()).collect())
            .unwrap_or_default()
    }

    pub fn filters(&self) -> Vec<String> {
        let state = self.state();
        let mut names: Vec<String> =
            state.iter().flat_map(|state| &state.envoy_filters).map(|filter| filter.meta.name.clone()).collect();
        names.sort();
        names
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.ended.take());
        let _ = self.watching.take().unwrap().join();
    }
}

/// Status, reason and message of one of `conditions`.
pub fn condition(conditions: &Value, which: &str) -> (String, String, String) {
    let found = conditions.as_array().into_iter().flatten().find(|one| one["type"] == which);
    let text = |key: &str| found.and_then(|one| one[key].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

/// Everything that a state says, comparable.
pub fn meaning(state: &State) -> Vec<String> {
    let services = state.services.iter().map(|service| format!("{service:?}"));
    let mut filters: Vec<String> = state.envoy_filters.iter().map(|filter| format!("{filter:?}")).collect();
    filters.sort();
    services.chain(filters).chain(state.notes.iter().map(ToString::to_string)).collect()
}

/// Lets happen what was recorded, up to a version. Returns the version of the next event, if there is one.
pub fn play(api: &Api, to: u64) -> Option<u64> {
    let from = api.world().version;
    for (kind, event, object) in history() {
        let at = version(&object);
        if at > to {
            return Some(at);
        }
        if at > from || from == 1 {
            api.world().happen(kind, &event, object);
        }
    }
    None
}

/// Lets all of it happen, `step` versions at a time.
pub fn play_all(api: &Api, step: u64, mut between: impl FnMut(u64)) {
    let mut next = Some(api.world().version);
    while let Some(at) = next {
        next = play(api, at + step);
        between(at);
    }
}
