//! A folder of YAML and JSON files as users write them, watched.
//!
//! Every `.yaml`, `.yml` and `.json` file of the folder and of the folders in it counts; names that begin with a dot do
//! not (so that the links which Kubernetes makes in a mounted ConfigMap are seen once). The folder is looked at again at
//! each [`Files::refresh`]: that works on every file system, and a file that is replaced by a rename is one change.
//!
//! A file with a fault keeps what it held before, as long as it stays faulty; the others go on changing.

use crate::kube::Content;
use crate::object::{Key, Object, Objection};
use crate::registry::State;
use crate::written::mesh::Mesh;
use crate::written::{self};
use config::Problem;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A file that was written to less than this ago may still be written to.
const SETTLED: Duration = Duration::from_millis(60);

/// Some editors take a file away before they write it anew: if it comes back faulty within this time, what it held counts.
const RETURNING: Duration = Duration::from_secs(2);

/// Larger than any such file.
const MOST_BYTES: u64 = 64 << 20;

/// Deeper than any such folder: a guard against links in a circle.
const DEEPEST: usize = 16;

/// A folder of files, and the file of the mesh settings.
#[derive(Debug)]
pub struct Files {
    folder: Option<PathBuf>,
    mesh_file: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    /// What was known of files that have just gone, and when they went.
    gone: BTreeMap<PathBuf, (Instant, Known)>,
    mesh: Arc<Mesh>,
    state: Option<Arc<State>>,
    /// The objects that count in it.
    counted: Vec<Arc<Object>>,
    /// What another source has, and whether it has not been looked at yet.
    beside: Content,
    is_beside_new: bool,
}

/// What is known of one file.
#[derive(Debug)]
struct Known {
    mark: Mark,
    objects: Vec<Arc<Object>>,
    /// What keeps its present content from being used.
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    length: u64,
    /// Changes when another file takes the name.
    inode: u64,
}

/// What a look at a file found.
enum Look {
    Same,
    Read,
    /// It has just been written to.
    Unsettled,
}

/// What a look at the folder found.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The state by now; the same `Arc` as before if nothing has changed its meaning.
    pub state: Arc<State>,
    /// Whether anything was read anew, so that the lists below may be others than before.
    pub is_new: bool,
    /// Whether some file has just been written to and was left alone, because it may still be written to: look again soon.
    pub waits: bool,
    /// Files that cannot be used, all of them, by file and line; what they held before still counts.
    pub problems: Vec<Problem>,
    /// What is understood but has no effect, or not the one that its user may expect.
    pub notes: Vec<Problem>,
    /// Why newest versions of objects do not count.
    pub(crate) objections: Vec<Objection>,
}

impl Files {
    /// The files in `folder`, and the mesh settings in `mesh_file`. Nothing is read yet.
    #[must_use]
    pub fn new(folder: &Path, mesh_file: Option<&Path>) -> Self {
        Self { folder: Some(folder.to_owned()), ..Self::without_folder(mesh_file) }
    }

    /// The mesh settings in `mesh_file` alone, for objects that come from elsewhere.
    #[must_use]
    pub fn without_folder(mesh_file: Option<&Path>) -> Self {
        Self {
            folder: None,
            mesh_file: mesh_file.map(Path::to_owned),
            known: BTreeMap::new(),
            gone: BTreeMap::new(),
            mesh: Arc::new(Mesh::default()),
            state: None,
            counted: Vec::new(),
            beside: Content::default(),
            is_beside_new: false,
        }
    }

    /// What another source has by now. An object that a file declares too is the file's.
    pub(crate) fn set_beside(&mut self, content: Content) {
        (self.beside, self.is_beside_new) = (content, true);
    }

    /// Looks at the folder again, and reads what has changed.
    ///
    /// # Errors
    /// A folder that cannot be listed; what was known stays.
    pub fn refresh(&mut self) -> io::Result<Refreshed> {
        let mut present = Vec::new();
        if let Some(folder) = &self.folder {
            list(folder, &mut present, DEEPEST)?;
        }
        let wanted: BTreeSet<PathBuf> = present.into_iter().chain(self.mesh_file.clone()).collect();
        let is_beside_new = std::mem::take(&mut self.is_beside_new);
        let mut is_new = self.let_go(&wanted) || self.state.is_none() || is_beside_new;
        let mut waits = false;
        for path in wanted {
            match self.look(path) {
                Look::Same => {}
                Look::Read => is_new = true,
                Look::Unsettled => waits = true,
            }
        }
        let state = match &self.state {
            Some(state) if !is_new => Arc::clone(state),
            _ => self.meaning(),
        };
        self.state = Some(Arc::clone(&state));
        let problems = self.known.values().flat_map(|known| known.problems.iter()).chain(&state.refused).cloned();
        let notes =
            self.known.values().flat_map(|known| known.notes.iter().cloned()).chain(state.notes.iter().cloned());
        let problems = problems.chain(self.twice()).chain(self.beside.problems.iter().cloned());
        let (problems, notes) = (problems.collect(), notes.chain(self.beside.notes.iter().cloned()).collect());
        let objections = self.objections(&state);
        Ok(Refreshed { state, is_new, waits, problems, notes, objections })
    }

    /// Why newest versions of objects do not count: all in a file with a fault, what is refused, what is declared twice.
    fn objections(&self, state: &State) -> Vec<Objection> {
        let in_files: HashSet<Key> =
            self.known.values().flat_map(|known| &known.objects).map(|object| object.key()).collect();
        let faulty = self.known.values().filter_map(|known| Some((known, known.problems.first()?)));
        let faulty = faulty.flat_map(|(known, problem)| {
            known.objects.iter().map(move |object| Objection::to(object, format!("the file cannot be used: {problem}")))
        });
        let beside = self.beside.objections.iter().filter(|one| !in_files.contains(&one.key)).cloned();
        let mut all: Vec<Objection> = faulty.chain(beside).collect();
        let known: HashSet<Key> = all.iter().map(|one| one.key.clone()).collect();
        all.extend(state.typed.objections.iter().filter(|one| !known.contains(&one.key)).cloned());
        all.extend(self.hidden());
        all
    }

    /// Objects of the other source that a file declares too.
    fn hidden(&self) -> impl Iterator<Item = Objection> {
        let files = self.known.values().flat_map(|known| &known.objects);
        files.filter_map(|object| {
            let beside = self.beside.objects.get(&object.key())?;
            let text = format!("it is declared by the file {}:{} too, which counts", object.file, object.line);
            Some(Objection { is_conflict: true, is_kept: false, ..Objection::to(beside, text) })
        })
    }

    /// Forgets files that are no more. Returns whether there were any.
    fn let_go(&mut self, wanted: &BTreeSet<PathBuf>) -> bool {
        self.gone.retain(|_, (at, _)| at.elapsed() < RETURNING);
        let gone: Vec<PathBuf> = self.known.keys().filter(|path| !wanted.contains(*path)).cloned().collect();
        for path in &gone {
            let known = self.known.remove(path).map(|known| (Instant::now(), known));
            self.gone.extend(known.map(|known| (path.clone(), known)));
        }
        !gone.is_empty()
    }

    /// Reads a file if it has changed. What is there at the first look of all is read at once.
    fn look(&mut self, path: PathBuf) -> Look {
        let mark = mark(&path);
        if self.known.get(&path).is_some_and(|known| known.mark == mark) {
            return Look::Same;
        }
        if self.state.is_some() && !is_settled(mark) {
            return Look::Unsettled;
        }
        let former = self.known.remove(&path).or_else(|| self.gone.remove(&path).map(|(_, known)| known));
        let known = self.read(&path, mark, former);
        self.known.insert(path, known);
        Look::Read
    }

    fn read(&mut self, path: &Path, mark: Mark, former: Option<Known>) -> Known {
        let name = path.display().to_string();
        let text = if mark.length > MOST_BYTES {
            Err(format!("is larger than {MOST_BYTES} bytes"))
        } else {
            std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
        };
        let (objects, problems, notes) = match text {
            Err(text) => (Vec::new(), vec![whole(&name, text)], Vec::new()),
            Ok(text) if Some(path) == self.mesh_file.as_deref() => {
                let read = written::mesh(&text, &name);
                if read.problems.is_empty() {
                    self.mesh = Arc::new(read.found);
                }
                (Vec::new(), read.problems, read.notes)
            }
            Ok(text) => {
                let read = written::objects(&text, &name);
                (read.found.into_iter().map(Arc::new).collect(), read.problems, read.notes)
            }
        };
        let kept = former.map(|former| former.objects).unwrap_or_default();
        let objects = if problems.is_empty() { keep(objects, &kept) } else { kept };
        Known { mark, objects, problems, notes }
    }

    /// The state of all objects that count; the former one if they are the same, as with a file that has become faulty.
    fn meaning(&mut self) -> Arc<State> {
        let mut first: BTreeMap<Key, &Arc<Object>> = BTreeMap::new();
        for object in self.known.values().flat_map(|known| &known.objects) {
            first.entry(object.key()).or_insert(object);
        }
        let beside = self.beside.objects.iter().filter(|(key, _)| !first.contains_key(key)).map(|(_, object)| object);
        let counted: Vec<Arc<Object>> = first.values().copied().chain(beside).cloned().collect();
        let is_same = counted.len() == self.counted.len()
            && counted.iter().zip(&self.counted).all(|(object, former)| Arc::ptr_eq(object, former));
        if let Some(former) = self.state.as_ref().filter(|former| is_same && Arc::ptr_eq(&former.mesh, &self.mesh)) {
            return Arc::clone(former);
        }
        let state = State::new(&counted, Arc::clone(&self.mesh), self.state.as_deref());
        self.counted = counted;
        Arc::new(state)
    }

    /// Objects that another file, or another source, has already declared.
    fn twice(&self) -> Vec<Problem> {
        let mut first: HashMap<Key, &Object> = HashMap::new();
        let mut problems = Vec::new();
        for object in self.known.values().flat_map(|known| &known.objects) {
            let key = object.key();
            if let Some(other) = first.get(&key) {
                problems.push(second(object, other));
                continue;
            }
            problems.extend(self.beside.objects.get(&key).map(|beside| second(beside, object)));
            first.insert(key, object);
        }
        problems
    }
}

/// That `object` is declared by `other` too, which counts.
fn second(object: &Object, other: &Object) -> Problem {
    let Key { kind, namespace, name } = object.key();
    let text = format!("the {kind} {namespace}/{name} is declared twice: that of {}:{} counts", other.file, other.line);
    Problem { file: object.file.to_string(), line: object.line, path: String::new(), text }
}

/// `new`, in the `Arc`s of `old` where they are equal.
fn keep(new: Vec<Arc<Object>>, old: &[Arc<Object>]) -> Vec<Arc<Object>> {
    let old: HashMap<Key, &Arc<Object>> = old.iter().map(|object| (object.key(), object)).collect();
    let kept = |object: Arc<Object>| {
        old.get(&object.key()).filter(|old| ***old == object).map_or(object.clone(), |old| Arc::clone(old))
    };
    new.into_iter().map(kept).collect()
}

fn whole(file: &str, text: String) -> Problem {
    Problem { file: file.to_owned(), line: 0, path: String::new(), text }
}

fn list(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() || (kind.is_symlink() && path.is_dir()) {
            if depth > 0 {
                list(&path, found, depth - 1)?;
            }
        } else if path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known)) {
            found.push(path);
        }
    }
    Ok(())
}

fn mark(path: &Path) -> Mark {
    let Ok(metadata) = std::fs::metadata(path) else { return Mark { modified: None, length: 0, inode: 0 } };
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Mark { modified: metadata.modified().ok(), length: metadata.len(), inode }
}

fn is_settled(mark: Mark) -> bool {
    let age = mark.modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_none_or(|age| age >= SETTLED)
}
