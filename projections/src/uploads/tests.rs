#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod asked;
mod fake;
mod folders;
mod scene;
mod stuck;

use std::sync::Arc;
use std::time::Duration;

use log::Seq;

use self::fake::{Answer, Fake};
use self::scene::{History, Scene};
use super::store::CHECKPOINT_EVERY;
use super::{RetryReport, UploadPart, UploadTargets};
use crate::position::Standing;
use crate::projection::ProjectionError;
use crate::replay::{Progress, ReplayScope};

const ANY: u64 = u64::MAX;

#[tokio::test(start_paused = true)]
async fn all_goes_out_once_and_in_the_order_of_each_process() {
    let history = History::mixed(1, 5, 300).await;
    let scene = Scene::new();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    for process in history.processes() {
        assert_eq!(scene.node.taken_of(&history.ids_of(process)), history.ids_of(process));
    }
    assert_eq!(scene.node.taken().len(), history.ids().len());
    assert!((0..history.len()).all(|seq| running.handle.is_uploaded(Seq::new(seq))));
    assert!(!running.handle.is_uploaded(Seq::new(history.len())));
    assert_eq!(running.handle.backlog(), 0);
    // Nothing is left to do for the next run.
    running.kill().await;
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    assert_eq!(scene.node.taken().len(), history.ids().len());
}

#[tokio::test(start_paused = true)]
async fn others_go_on_while_one_process_hangs_and_a_kill_sends_nothing_again() {
    let history = History::mixed(1, 20, 900).await;
    let scene = Scene::new();
    // More processes hang than attempts may be under way, but for their time limit.
    let stuck: Vec<_> = history.processes().into_iter().take(18).collect();
    let stuck_ids: Vec<_> = stuck.iter().map(|process| history.ids_of(*process)[2]).collect();
    stuck_ids.iter().for_each(|id| scene.node.answer(*id, Answer::Fail(u32::MAX)));
    let hanging = history.processes()[18];
    scene.node.answer(history.ids_of(hanging)[0], Answer::Hang);

    let running = scene.open(&history, ANY).await;
    let free = history.processes()[19];
    running.until(|_| scene.node.taken_of(&history.ids_of(free)).len() == history.ids_of(free).len()).await;
    let last_free = history.last_of(free);
    running.until(|handle| handle.is_uploaded(last_free)).await;
    assert!(running.handle.backlog() > 0 && running.handle.position().last() < Some(last_free));
    let before = scene.node.taken();
    running.kill().await;
    assert_eq!(scene.node.taken(), before);

    scene.node.heal();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let taken = scene.node.taken();
    assert_eq!(taken.len(), history.ids().len(), "something was sent again");
    for process in history.processes() {
        assert_eq!(scene.node.taken_of(&history.ids_of(process)), history.ids_of(process));
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_stuck_takes_no_room_from_others() {
    // Far more than may be held.
    let history = History::uneven(1, 6_000, 50).await;
    let scene = Scene::new();
    let (stuck, free) = (history.processes()[0], history.processes()[1]);
    scene.node.answer(history.ids_of(stuck)[0], Answer::Fail(u32::MAX));
    let running = scene.open(&history, ANY).await;
    let last_free = history.last_of(free);
    running.until(|handle| handle.is_uploaded(last_free)).await;
    assert_eq!(scene.node.taken(), history.ids_of(free));
    let left = (0..history.len()).filter(|seq| history.is_of(*seq, stuck)).count() as u64;
    running.until(|handle| handle.backlog() == left).await;
    scene.node.heal();
    running.finish().await;
    assert_eq!(scene.node.taken_of(&history.ids_of(stuck)), history.ids_of(stuck));
    assert_eq!((running.handle.backlog(), scene.node.taken().len()), (0, history.ids().len()));
}

#[tokio::test(start_paused = true)]
async fn whenever_it_is_killed_nothing_confirmed_is_sent_again() {
    let history = History::mixed(3, 4, 120).await;
    let scene = Scene::new();
    for kill in [1, 2, 3, 7, 20, 21, 60, 100, 180] {
        scene.node.hang_after(kill);
        let running = scene.open(&history, ANY).await;
        running.until(|_| scene.node.taken().len() >= kill).await;
        running.kill().await;
    }
    scene.node.heal();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    assert_eq!(scene.node.taken().len(), history.ids().len());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_waited_out_longer_and_longer() {
    let history = History::mixed(1, 1, 1).await;
    let scene = Scene::new();
    scene.node.answer(history.ids()[0], Answer::Fail(10));
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let waits: Vec<_> = scene.node.waits().iter().map(Duration::as_millis).take(10).collect();
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 32000, 32000]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_upload_node_asks_for_is_kept() {
    for (asked, kept) in [(100, 100_000), (0, 250)] {
        let history = History::mixed(1, 1, 1).await;
        let scene = Scene::new();
        scene.node.answer(history.ids()[0], Answer::Busy(Duration::from_secs(asked)));
        let running = scene.open(&history, ANY).await;
        running.finish().await;
        assert_eq!(scene.node.waits()[0].as_millis(), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_becomes_a_dead_letter_until_it_is_taken() {
    let history = History::mixed(1, 2, 30).await;
    let scene = Scene::new();
    let process = history.processes()[1];
    let ids = history.ids_of(process);
    scene.node.answer(ids[0], Answer::Refuse);
    scene.node.answer(ids[3], Answer::Refuse);
    scene.open(&history, ANY).await.finish_and_kill().await;
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    assert_eq!(scene.node.taken().len(), history.ids().len() - 2, "the process did not go on");

    let handle = &running.handle;
    let letters = handle.dead_letters(None, 10).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.id).collect::<Vec<_>>(), [ids[0], ids[3]]);
    let (first, second) = (&letters[0], &letters[1]);
    assert_eq!((first.part, second.part), (UploadPart::Item, UploadPart::Assignment));
    assert_eq!((first.process, first.status, first.reason.as_str()), (process, 400, "no"));
    assert!(first.time.get() > 1_600_000_000_000);
    assert_eq!(handle.dead_letters(None, 1).unwrap(), std::slice::from_ref(first));
    assert_eq!(handle.dead_letters(Some(first.seq), 10).unwrap(), std::slice::from_ref(second));
    assert!(!handle.is_uploaded(first.seq));
    assert_eq!(handle.backlog(), 0);

    let refused = RetryReport { refused: 2, ..RetryReport::default() };
    assert_eq!(handle.retry_dead_letters(None).await.unwrap(), refused);
    scene.node.answer(ids[3], Answer::Fail(1));
    let ended = handle.retry_dead_letters(None).await.unwrap();
    assert!((ended.sent, ended.refused) == (0, 1) && ended.ended.is_some(), "{ended:?}");
    scene.node.heal();
    let (sent, none) = (|sent| RetryReport { sent, ..RetryReport::default() }, Some(second.seq));
    assert_eq!(handle.retry_dead_letters(none).await.unwrap(), sent(0));
    assert_eq!(handle.retry_dead_letters(None).await.unwrap(), sent(2));
    assert_eq!((handle.dead_letter_count(), handle.dead_letters(None, 10).unwrap()), (0, vec![]));
    assert!(handle.is_uploaded(first.seq) && handle.is_uploaded(second.seq));
}

#[tokio::test(start_paused = true)]
async fn another_history_is_followed_from_where_both_part() {
    let first = History::mixed(1, 3, 2_500).await;
    let other = History::forked(1, 3, 1_500, 1_200).await;
    let scene = Scene::new();
    // A dead letter in what both have, one in what only the first has.
    for seq in [500, 2_000] {
        scene.node.answer(first.ids_at(seq)[0], Answer::Refuse);
    }
    scene.open(&first, ANY).await.finish_and_kill().await;
    scene.node.heal();
    let before = scene.node.taken().len();

    let running = scene.open(&other, 100).await;
    running.until(|handle| handle.position().status(None).standing == Standing::NeedsRebuild).await;
    assert_eq!(scene.node.taken().len(), before);
    assert!(running.handle.position().error().unwrap().contains("quipu replay uploads"));
    running.kill().await;

    let running = scene.open(&other, ANY).await;
    running.finish().await;
    let again: Vec<_> = scene.node.taken().split_off(before);
    let mut expected: Vec<_> =
        (CHECKPOINT_EVERY + 1..other.len()).flat_map(|seq| other.ids_at(seq)).collect();
    let mut sent = again.clone();
    expected.sort();
    sent.sort();
    assert_eq!(sent, expected);
    let dead: Vec<_> =
        running.handle.dead_letters(None, 10).unwrap().iter().map(|dead| dead.seq.get()).collect();
    assert_eq!(dead, [500]);
    running.kill().await;

    // A restored copy of the same history is gone on with.
    let copy = History::forked(1, 3, 1_500, 1_200).await;
    let before = scene.node.taken().len();
    let running = scene.open(&copy, 0).await;
    running.finish().await;
    assert_eq!(scene.node.taken().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_all_begins_anew_what_stands_still() {
    let (first, other) = (History::mixed(1, 2, 50).await, History::mixed(2, 2, 20).await);
    let scene = Scene::new();
    scene.open(&first, ANY).await.finish_and_kill().await;
    let before = scene.node.taken().len();
    let running = scene.open(&other, 10).await;
    running.until(|handle| handle.position().status(None).standing == Standing::NeedsRebuild).await;
    let progress = Arc::new(Progress::default());
    running.replay(ReplayScope::default(), &progress).await.unwrap();
    assert_eq!(scene.node.taken().len() - before, other.ids().len());
    assert_eq!(progress.now().done, other.len());
    assert_eq!(running.handle.position().status(None).standing, Standing::Following);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_sent_again() {
    let history = History::mixed(1, 3, 700).await;
    let scene = Scene::new();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let process = history.processes()[1];
    let from = Some(Seq::new(400));
    let of_process =
        |from: u64| -> Vec<_> { (from..history.len()).filter(|seq| history.is_of(*seq, process)).collect() };
    for (scope, seqs) in [
        (ReplayScope::default(), (0..history.len()).collect::<Vec<_>>()),
        (ReplayScope { from, process: None }, (400..history.len()).collect()),
        (ReplayScope { from: None, process: Some(process) }, of_process(0)),
        (ReplayScope { from, process: Some(process) }, of_process(400)),
    ] {
        let before = scene.node.taken().len();
        let progress = Arc::new(Progress::default());
        running.replay(scope, &progress).await.unwrap();
        let mut sent = scene.node.taken().split_off(before);
        let mut expected: Vec<_> = seqs.iter().flat_map(|seq| history.ids_at(*seq)).collect();
        sent.sort();
        expected.sort();
        assert_eq!(sent, expected, "{scope:?}");
        let now = progress.now();
        assert!(now.done == now.total && now.done > 0, "{now:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_ends_early_when_asked_and_goes_on_later() {
    let history = History::mixed(1, 3, 600).await;
    let scene = Scene::new();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let before = scene.node.taken().len();
    // In the second batch.
    scene.node.answer(history.ids_at(300)[0], Answer::Hang);
    let progress = Arc::new(Progress::default());
    let replaying = running.replay(ReplayScope::default(), &progress);
    let cancelling = async {
        running.until(|_| progress.now().done > 0).await;
        progress.cancel();
    };
    let (replayed, ()) = tokio::join!(replaying, cancelling);
    assert!(matches!(replayed, Err(ProjectionError::Cancelled)), "{replayed:?}");
    let half = scene.node.taken().len() - before;
    assert!(half < history.ids().len());
    scene.node.heal();
    running.replay(ReplayScope::default(), &Arc::default()).await.unwrap();
    let rest = scene.node.taken().len() - before - half;
    assert!(rest < history.ids().len(), "it began at the beginning");
    // And is done: the next one is whole again.
    let before = scene.node.taken().len();
    running.replay(ReplayScope::default(), &Arc::default()).await.unwrap();
    assert_eq!(scene.node.taken().len() - before, history.ids().len());
}

#[tokio::test(start_paused = true)]
async fn the_cursor_file_of_earlier_versions_is_taken_over_once() {
    let history = History::mixed(1, 2, 40).await;
    for (store, position, expected) in [
        (history.store(), 29, 30),
        // Another log's file, and one beyond the log.
        (uuid::Uuid::nil(), 29, 0),
        (history.store(), 1_000, 0),
    ] {
        let scene = Scene::new();
        let file = scene.folder.path().join("uploads.json");
        std::fs::write(&file, format!(r#"{{"store":"{store}","position":{position}}}"#)).unwrap();
        scene.open(&history, ANY).await.finish_and_kill().await;
        assert!(!file.exists());
        let mut sent = scene.node.taken();
        let mut ids: Vec<_> = (expected..history.len()).flat_map(|seq| history.ids_at(seq)).collect();
        sent.sort();
        ids.sort();
        assert_eq!(sent, ids);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_keeps_in_the_folder_is_left_as_it_is() {
    let history = History::mixed(1, 1, 5).await;
    let scene = Scene::new();
    let list = scene.folder.path().join("uploads.json");
    std::fs::write(&list, "[\"cat.jpg\"]").unwrap();
    scene.open(&history, ANY).await.finish_and_kill().await;
    assert_eq!(std::fs::read(&list).unwrap(), b"[\"cat.jpg\"]");

    // One of ours of before folders were marked goes on.
    let folder = scene.folder.path().join("uploads");
    std::fs::remove_file(folder.join("QUIPU")).unwrap();
    let before = scene.node.taken().len();
    scene.open(&history, ANY).await.finish_and_kill().await;
    assert_eq!(scene.node.taken().len(), before);
    std::fs::remove_file(folder.join("QUIPU")).unwrap();
    rocksdb::DB::open_default(&folder).unwrap().put(b"theirs", b"").unwrap();
    let pictures = Scene::new();
    let picture = pictures.folder.path().join("uploads/cat.jpg");
    std::fs::create_dir(picture.parent().unwrap()).unwrap();
    std::fs::write(&picture, "a cat").unwrap();
    for scene in [scene, pictures] {
        let refused = scene.refusal(&history);
        assert!(refused.contains("SU_DATA_DIR"), "{refused}");
        assert!(!scene.folder.path().join("uploads/QUIPU").exists());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_gets_one_copy_whether_it_takes_it_or_not() {
    let history = History::mixed(1, 3, 100).await;
    let mut scene = Scene::new();
    let cache = Arc::new(Fake::default());
    cache.answer(history.ids()[3], Answer::Fail(u32::MAX));
    cache.answer(history.ids()[4], Answer::Hang);
    scene.targets = UploadTargets { cache: Some(cache.clone()), ..scene.targets };
    scene.node.answer(history.ids()[5], Answer::Fail(3));
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    running.until(|_| cache.attempts() == history.ids().len()).await;
    assert_eq!(cache.taken().len(), history.ids().len() - 2);
}
