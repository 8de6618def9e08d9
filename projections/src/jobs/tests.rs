#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use log::{Seq, StoreId};
use protocol::ProcessId;
use tempfile::TempDir;

use super::file::FORMAT;
use super::{JobError, JobState, Jobs, KEPT, ReplayJob};
use crate::projection::ProjectionError;
use crate::replay::{Progress, Replay, ReplayScope};

const STORE: StoreId = StoreId(uuid::Uuid::from_u128(1));

/// A projection that replays as it is told: it does an event per `Some`, fails at a `None`.
struct Told {
    steps: Mutex<Receiver<Option<u64>>>,
    scopes: Mutex<Vec<ReplayScope>>,
}

impl Replay for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn replay(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        self.scopes.lock().unwrap().push(*scope);
        let steps = self.steps.lock().unwrap();
        loop {
            progress.go_on()?;
            match steps.recv_timeout(Duration::from_millis(2)) {
                Ok(Some(u64::MAX)) => return Ok(()),
                Ok(Some(seq)) => {
                    progress.reached(Seq::new(seq));
                    progress.tell(seq, 100);
                }
                Ok(None) => {
                    return Err(ProjectionError::store("told", "no disk"));
                }
                Err(_) => {}
            }
        }
    }
}

struct World {
    folder: TempDir,
    told: Arc<Told>,
    jobs: Jobs,
    tell: SyncSender<Option<u64>>,
}

impl World {
    fn new() -> Self {
        let (tell, steps) = sync_channel(100);
        let folder = TempDir::new().unwrap();
        let told = Arc::new(Told { steps: Mutex::new(steps), scopes: Mutex::default() });
        let jobs = Jobs::open(folder.path(), STORE, vec![told.clone()]);
        Self { folder, told, jobs, tell }
    }

    fn until(&self, id: u64, is_so: impl Fn(&ReplayJob) -> bool) -> ReplayJob {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let job = self.jobs.get(id).unwrap();
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "never: {job:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

const PART: ReplayScope = ReplayScope { from: Some(Seq::new(3)), process: None };

#[test]
fn a_job_runs_alone_and_is_done() {
    let world = World::new();
    let job = world.jobs.start("told", ReplayScope::default()).unwrap();
    assert_eq!((job.id, job.state), (1, JobState::Running));
    let busy = world.jobs.start("told", PART).unwrap_err();
    assert!(matches!(busy, JobError::Busy { job: 1, .. }), "{busy}");
    let unknown = world.jobs.start("nothing", PART).unwrap_err().to_string();
    assert!(unknown.contains("expected one of: told"), "{unknown}");
    let nobody = ReplayScope { from: None, process: Some(ProcessId::NODE) };
    assert!(matches!(world.jobs.start("told", nobody), Err(JobError::Scope(_))));
    assert_eq!(world.jobs.under_way("told").unwrap().id, 1);
    world.tell.send(Some(40)).unwrap();
    assert_eq!(world.until(1, |job| job.done == 40).total, 100);
    world.tell.send(Some(u64::MAX)).unwrap();
    world.until(1, |job| job.state == JobState::Done);
    assert!(world.jobs.under_way("told").is_none());
    assert!(matches!(world.jobs.cancel(1), Err(JobError::NotRunning { .. })));
    assert!(matches!(world.jobs.resume(1), Err(JobError::NotResumable { .. })));
    assert!(matches!(world.jobs.get(2), Err(JobError::NotFound(2))));
}

#[test]
fn what_ended_early_goes_on_behind_what_was_done() {
    let world = World::new();
    world.jobs.start("told", PART).unwrap();
    world.tell.send(Some(9)).unwrap();
    world.until(1, |job| job.last == Some(Seq::new(9)));
    world.jobs.cancel(1).unwrap();
    world.until(1, |job| job.state == JobState::Cancelled);
    world.jobs.resume(1).unwrap();
    world.tell.send(None).unwrap();
    let failed = world.until(1, |job| job.state == JobState::Failed);
    assert!(failed.reason.unwrap().contains("no disk"));
    world.jobs.resume(1).unwrap();
    world.tell.send(Some(u64::MAX)).unwrap();
    let done = world.until(1, |job| job.state == JobState::Done);
    assert_eq!((done.scope, done.reason), (PART, None), "the job is still what was asked for");
    let from: Vec<_> = world.told.scopes.lock().unwrap().iter().map(|scope| scope.from).collect();
    assert_eq!(from, [3, 10, 10].map(|seq| Some(Seq::new(seq))));
}

#[test]
fn a_restart_interrupts_and_remembers() {
    let mut world = World::new();
    world.jobs.start("told", PART).unwrap();
    world.tell.send(Some(5)).unwrap();
    world.until(1, |job| job.last == Some(Seq::new(5)));
    world.jobs.note();
    // What a kill leaves is the file as it is now.
    let killed = std::fs::read(world.folder.path().join("jobs.json")).unwrap();
    world.jobs.close();
    assert!(matches!(world.jobs.start("told", PART), Err(JobError::Closing)));
    for how in ["stopped", "killed"] {
        if how == "killed" {
            std::fs::write(world.folder.path().join("jobs.json"), &killed).unwrap();
        }
        world.jobs = Jobs::open(world.folder.path(), STORE, vec![world.told.clone()]);
        let job = world.jobs.get(1).unwrap();
        assert_eq!((job.state, job.last), (JobState::Interrupted, Some(Seq::new(5))), "{how}");
    }
    world.jobs.resume(1).unwrap();
    world.tell.send(Some(u64::MAX)).unwrap();
    world.until(1, |job| job.state == JobState::Done);
    assert_eq!(world.told.scopes.lock().unwrap().last().unwrap().from, Some(Seq::new(6)));
    assert_eq!(world.jobs.start("told", PART).unwrap().id, 2, "numbers are given once");
    world.jobs.close();
}

#[test]
fn only_the_last_are_kept_and_what_is_not_ours_is_left() {
    let world = World::new();
    for id in 1..=(KEPT as u64 + 3) {
        world.jobs.start("told", PART).unwrap();
        world.tell.send(Some(u64::MAX)).unwrap();
        world.until(id, |job| job.state == JobState::Done);
    }
    let ids: Vec<_> = world.jobs.list().iter().map(|job| job.id).collect();
    assert_eq!((ids.len(), ids[0], ids[KEPT - 1]), (KEPT, KEPT as u64 + 3, 4));
    let path = world.folder.path().join("jobs.json");
    let kept = std::fs::read_to_string(&path).unwrap();
    let unmarked = r#"{"next": 7, "jobs": []}"#;
    let others = kept.replace(&STORE.to_string(), "00000000-0000-0000-0000-000000000002");
    for foreign in ["{", "[]", r#"{"jobs": ["mine"]}"#, r#"{"next": 7, "jobs": [], "mine": 1}"#, &others] {
        std::fs::write(&path, foreign).unwrap();
        let jobs = Jobs::open(world.folder.path(), STORE, vec![world.told.clone()]);
        assert!(jobs.list().is_empty(), "{foreign}");
        jobs.start("told", PART).unwrap();
        world.tell.send(Some(u64::MAX)).unwrap();
        jobs.close();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), *foreign, "it is somebody else's");
    }
    // As an earlier version wrote it.
    std::fs::write(&path, unmarked).unwrap();
    let jobs = Jobs::open(world.folder.path(), STORE, vec![world.told.clone()]);
    assert_eq!(jobs.start("told", PART).unwrap().id, 7);
    jobs.close();
    assert!(std::fs::read_to_string(&path).unwrap().contains(FORMAT));
}
