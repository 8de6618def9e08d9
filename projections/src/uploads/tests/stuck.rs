//! An upload node that does not take something for now: others go on, and whoever looks is told.

use std::time::Duration;

use log::Seq;
use tokio::time::Instant;

use super::ANY;
use super::fake::Answer;
use super::scene::{History, Running, Scene};
use crate::position::Standing;
use crate::uploads::window::WindowLimits;

/// So little of the log in hand that a few stuck events fill it, by their number as by their reach.
const LITTLE: WindowLimits = WindowLimits { held: 64, bytes: 1 << 20, reach: 200, read: 16 };

/// How many events of a history wait for these processes, whose event of this place is stuck.
fn waiting(history: &History, stuck: &[protocol::ProcessId], place: u64) -> u64 {
    let of = |process: &protocol::ProcessId| {
        (0..history.len()).filter(|seq| history.is_of(*seq, *process)).count() as u64
    };
    stuck.iter().map(|process| of(process) - place).sum()
}

/// The place of the second event of a process.
fn second(history: &History, process: protocol::ProcessId) -> u64 {
    (0..history.len()).filter(|seq| history.is_of(*seq, process)).nth(1).unwrap()
}

async fn until_only_stuck_are_left(running: &Running, left: u64) {
    running.until(|handle| handle.backlog() == left).await;
}

#[tokio::test(start_paused = true)]
async fn the_cursor_passes_what_is_stuck_and_nothing_is_lost_or_sent_again() {
    let history = History::mixed(1, 60, 3_000).await;
    let scene = Scene::new();
    // Each from its second event on, more than there is room for, and the rest in the middle of an event.
    let stuck = &history.processes()[..20];
    for (number, process) in stuck.iter().enumerate() {
        let ids = history.ids_at(second(&history, *process));
        let id = ids[number % ids.len()];
        scene.node.answer(id, Answer::Status(402));
    }
    let left = waiting(&history, stuck, 1);
    let mut running = scene.open_within(&history, ANY, LITTLE).await;
    for kills in 0..3 {
        until_only_stuck_are_left(&running, left).await;
        for process in history.processes().split_off(20) {
            assert_eq!(
                scene.node.taken_of(&history.ids_of(process)),
                history.ids_of(process),
                "{kills} kills"
            );
        }
        let status = running.handle.position().status(Some(Seq::new(history.len() - 1)));
        assert_eq!(
            status.position,
            Seq::new(second(&history, stuck[0])).prev(),
            "it tells up to where all is settled"
        );
        assert_eq!((status.standing, status.lag_seconds > Some(0.0)), (Standing::Failing, true));
        assert!(!running.handle.is_uploaded(Seq::new(second(&history, stuck[0]))));
        assert!(running.handle.is_uploaded(history.last_of(history.processes()[20])));
        let before = scene.node.taken();
        running.kill().await;
        running = scene.open_within(&history, ANY, LITTLE).await;
        // Also when the room is larger again.
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(scene.node.taken(), before, "something was sent again");
    }
    scene.node.heal();
    running.finish().await;
    assert_eq!((running.handle.backlog(), scene.node.taken().len()), (0, history.ids().len()));
    for process in history.processes() {
        assert_eq!(scene.node.taken_of(&history.ids_of(process)), history.ids_of(process));
    }
    let status = running.handle.position().status(None);
    assert_eq!((status.standing, status.error), (Standing::Following, None));
    running.kill().await;
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    assert_eq!(scene.node.taken().len(), history.ids().len());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_comes_through_again_is_in_order_while_more_comes() {
    let mut history = History::mixed(1, 30, 900).await;
    let scene = Scene::new();
    let stuck = &history.processes()[..10];
    stuck.iter().for_each(|process| scene.node.answer(history.ids_of(*process)[0], Answer::Fail(12)));
    let running = scene.open_within(&history, ANY, LITTLE).await;
    for _ in 0..30 {
        history.more(20).await;
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    running.until(|handle| handle.backlog() == 0).await;
    assert_eq!(scene.node.taken().len(), history.ids().len());
    for process in history.processes() {
        assert_eq!(scene.node.taken_of(&history.ids_of(process)), history.ids_of(process));
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_is_not_put_aside_while_nothing_is_answered() {
    let history = History::mixed(1, 60, 3_000).await;
    let scene = Scene::new();
    history.ids().into_iter().for_each(|id| scene.node.answer(id, Answer::Fail(u32::MAX)));
    let running = scene.open_within(&history, ANY, LITTLE).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let aside = running.handle.stuck_count();
    assert!(aside > 0, "who is behind is never tried");
    assert!(aside <= 20 * LITTLE.held as u64, "{aside} of {}", history.len());
    scene.node.heal();
    running.finish().await;
    for process in history.processes() {
        assert_eq!(scene.node.taken_of(&history.ids_of(process)), history.ids_of(process));
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_must_mend_is_told_at_once() {
    for status in [401, 402, 403, 404, 409, 429, 500] {
        let history = History::mixed(1, 2, 20).await;
        let scene = Scene::new();
        scene.node.answer(history.ids()[2], Answer::Status(status));
        let began = Instant::now();
        let running = scene.open(&history, ANY).await;
        running.until(|handle| handle.position().status(None).standing == Standing::Failing).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{status}: {:?}", began.elapsed());
        let told = running.handle.position().error().unwrap();
        assert!(told.contains(&status.to_string()) && told.contains("no"), "{told}");
        assert_eq!(running.handle.dead_letter_count(), 0, "{status} says nothing about the item");
        scene.node.heal();
        running.finish().await;
        let told = running.handle.position().status(None);
        assert_eq!((told.standing, told.error), (Standing::Following, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_about_an_item_makes_it_a_dead_letter() {
    for status in [400, 413, 422] {
        let history = History::mixed(1, 2, 20).await;
        let scene = Scene::new();
        scene.node.answer(history.ids()[2], Answer::Status(status));
        let running = scene.open(&history, ANY).await;
        running.finish().await;
        let letters = running.handle.dead_letters(None, 10).unwrap();
        let told: Vec<_> = letters.iter().map(|letter| (letter.id, letter.status)).collect();
        assert_eq!(told, [(history.ids()[2], status)]);
        assert_eq!(running.handle.position().error(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_confirmed_of_another_history_is_not_taken_for_this_one() {
    // One history up to an event, behind which one process is stuck and the other goes on.
    let (first, other) = (History::mixed(1, 2, 100).await, History::forked(1, 2, 20, 60).await);
    let parts = 22;
    assert_eq!(first.ids_at(parts - 1), other.ids_at(parts - 1));
    assert_ne!(first.ids_at(parts), other.ids_at(parts));
    for limits in [WindowLimits::default(), WindowLimits { reach: 10, ..LITTLE }] {
        let scene = Scene::new();
        scene.node.answer(first.ids_at(parts)[0], Answer::Status(402));
        let running = scene.open_within(&first, ANY, limits).await;
        let free = first.processes().into_iter().find(|process| !first.is_of(parts, *process)).unwrap();
        running.until(|handle| handle.is_uploaded(first.last_of(free))).await;
        running.kill().await;
        scene.node.heal();
        let running = scene.open_within(&other, ANY, limits).await;
        running.finish().await;
        let taken = scene.node.taken();
        let lacking: Vec<_> =
            (0..other.len()).filter(|seq| !other.ids_at(*seq).iter().all(|id| taken.contains(id))).collect();
        assert_eq!(lacking, [0; 0], "what was confirmed at their places is of the first history");
        assert_eq!(running.handle.backlog(), 0);
        running.kill().await;
    }
}
