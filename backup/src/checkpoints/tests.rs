#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use log::{Append, StoreMemory};
use tempfile::TempDir;
use testing::SampleProcess;

use super::*;

struct Scene {
    root: TempDir,
    log: Arc<LocalLog<Rocks>>,
    process: SampleProcess,
}

impl Scene {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let engine = Rocks::open(root.path().join("log"), &StoreMemory::default()).unwrap();
        let scene = Self {
            log: Arc::new(LocalLog::open(engine, None).unwrap()),
            root,
            process: SampleProcess::new(1),
        };
        scene.append(vec![scene.process.spawn_unassigned()]);
        scene
    }

    fn append(&self, batch: Vec<Append>) {
        self.log.enqueue(self.log.identity().term, batch).unwrap().wait().unwrap();
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("checkpoints")
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::open(self.log.clone(), self.folder())
    }

    fn names(&self) -> usize {
        // Its mark is one of them.
        fs::read_dir(self.folder()).unwrap().count() - 1
    }
}

fn id() -> CheckpointId {
    CheckpointId(Uuid::new_v4())
}

fn always() -> bool {
    true
}

#[test]
fn two_are_kept_and_a_third_only_when_one_is_given_up() {
    let scene = Scene::new();
    let checkpoints = scene.checkpoints();
    let first = checkpoints.make(id(), &always).unwrap();
    assert!(Arc::ptr_eq(&first, &checkpoints.make(first.id, &always).unwrap()), "asked for again");
    let second = checkpoints.make(id(), &always).unwrap();
    assert!(matches!(checkpoints.make(id(), &always), Err(CheckpointsError::Busy(_))));
    assert_eq!((checkpoints.list().len(), scene.names()), (2, 2));
    let (mut file, _) = first.open("CURRENT").unwrap();
    checkpoints.remove(first.id).unwrap();
    assert!(matches!(checkpoints.remove(first.id), Err(CheckpointsError::Missing(_))));
    let mut text = String::new();
    io::Read::read_to_string(&mut file, &mut text).unwrap();
    assert!(text.starts_with("MANIFEST-"), "who reads may go on");
    assert!(matches!(first.open("CURRENT"), Err(CheckpointsError::Io { .. })));
    checkpoints.make(id(), &always).unwrap();
    assert!(matches!(second.open("QUIPU.old"), Err(CheckpointsError::NoFile(_))));
    checkpoints.remove_all();
    assert_eq!((checkpoints.list().len(), scene.names()), (0, 0));
}

#[test]
fn what_it_says_of_its_files_is_so_and_each_is_read_once() {
    let mut scene = Scene::new();
    scene.process.data_len = 20 << 10;
    let messages = scene.process.messages(4);
    scene.append(messages);
    let checkpoints = scene.checkpoints();
    let first = checkpoints.make(id(), &always).unwrap();
    assert!(first.files.iter().any(|file| file.name.ends_with(".blob")), "{:?}", first.files);
    for file in &first.files {
        assert!(Rocks::is_file_of_store(&file.name), "{}", file.name);
        let bytes = fs::read(first.folder().join(&file.name)).unwrap();
        assert_eq!((bytes.len() as u64, protocol::sha256(&[&bytes])), (file.size, file.sha256.0));
    }
    let asked = std::cell::Cell::new(0);
    let second = checkpoints.make(id(), &|| asked.replace(asked.get() + 1) < 1_000).unwrap();
    let changing =
        second.files.iter().filter(|file| !file.name.contains(".sst") && !file.name.contains(".blob"));
    // A piece and the end of each.
    assert!(asked.get() <= 2 * changing.count(), "{} looks", asked.get());
}

#[test]
fn what_is_read_is_not_too_old() {
    let scene = Scene::new();
    let checkpoints = scene.checkpoints();
    let made = checkpoints.make(id(), &always).unwrap();
    let hour = Duration::from_secs(3600);
    let left = |kept_for, unused_for| {
        checkpoints.0.expire(kept_for, unused_for);
        checkpoints.0.kept().len()
    };
    assert_eq!(left(Duration::ZERO, Duration::ZERO), 1, "it is being read");
    drop(made);
    assert_eq!((left(Duration::ZERO, hour), left(hour, Duration::ZERO)), (1, 1), "it was read, it is young");
    assert_eq!(left(Duration::ZERO, Duration::ZERO), 0);
}

#[test]
fn what_nobody_wants_or_a_kill_left_is_removed() {
    let scene = Scene::new();
    let checkpoints = scene.checkpoints();
    let cancelled = checkpoints.make(id(), &|| false);
    assert!(matches!(cancelled, Err(CheckpointsError::Hash(HashError::Cancelled))));
    assert_eq!(scene.names(), 0);
    checkpoints.make(id(), &always).unwrap();
    let unfinished = scene.folder().join(format!("{}.making.tmp", id().0));
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("000007.sst"), "half").unwrap();
    fs::create_dir(scene.folder().join("mine")).unwrap();
    fs::write(scene.folder().join("mine/000007.sst"), "mine").unwrap();
    assert_eq!(scene.names(), 3);
    assert!(scene.checkpoints().list().is_empty(), "as after a kill");
    assert!(scene.names() == 1 && scene.folder().join("mine/000007.sst").exists());
}

#[test]
fn a_folder_of_others_is_left_alone() {
    let scene = Scene::new();
    let theirs = scene.folder().join(id().0.to_string());
    fs::create_dir_all(&theirs).unwrap();
    fs::write(theirs.join("000007.sst"), "theirs").unwrap();
    let checkpoints = scene.checkpoints();
    assert!(matches!(checkpoints.make(id(), &always), Err(CheckpointsError::NotOurs { .. })));
    assert!(theirs.join("000007.sst").exists());
}
