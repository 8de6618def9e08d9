//! What an operator asks of uploads: a part once more, what is missing.

use std::sync::Arc;

use log::Seq;
use protocol::Nonce;

use super::ANY;
use super::fake::Answer;
use super::scene::{History, Running, Scene};
use crate::projection::ProjectionError;
use crate::replay::{Progress, ReplayScope};
use crate::uploads::{Search, SearchOutcome, Searched};

#[tokio::test(start_paused = true)]
async fn a_replay_of_a_part_tells_behind_which_event_it_goes_on() {
    let history = History::mixed(1, 3, 2_000).await;
    let scene = Scene::new();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let process = history.processes()[1];
    // Two batches of the process, and of all, come before it.
    let stuck = (1_750..history.len()).find(|seq| history.is_of(*seq, process)).unwrap();
    scene.node.answer(history.ids_at(stuck)[0], Answer::Hang);
    for from in [1_000, 1_740] {
        for process in [None, Some(process)] {
            let progress = Arc::new(Progress::default());
            let scope = ReplayScope { from: Some(Seq::new(from)), process };
            let before = scene.node.taken().len();
            let cancelling = async {
                running.until(|_| scene.node.attempted(history.ids_at(stuck)[0])).await;
                progress.cancel();
            };
            scene.node.forget_attempts();
            let (replayed, ()) = tokio::join!(running.replay(scope, &progress), cancelling);
            assert!(matches!(replayed, Err(ProjectionError::Cancelled)), "{scope:?}: {replayed:?}");
            // All up to there were sent, and none of those that were not asked for counts.
            let sent = scene.node.taken().split_off(before);
            let last = progress.last();
            assert!(last.is_none_or(|last| (from..stuck).contains(&last.get())), "{scope:?}: {last:?}");
            assert_eq!(last.is_some(), from == 1_000, "{scope:?}: {last:?}");
            for seq in last.map_or(0..0, |last| from..last.get() + 1) {
                let asked = process.is_none_or(|process| history.is_of(seq, process));
                assert!(history.ids_at(seq).iter().all(|id| sent.contains(id) == asked), "{scope:?}: {seq}");
            }
        }
    }
}

/// Steps until nothing is left to look at.
async fn search(running: &Running, mut search: Search) -> Vec<Searched> {
    let mut steps = Vec::new();
    loop {
        let step = running.handle.search(search).await.unwrap();
        assert_eq!(step.ended, None);
        search.from = step.next;
        steps.push(step);
        if steps.last().unwrap().done {
            return steps;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_not_arrived_is_told_or_sent() {
    let history = History::mixed(1, 3, 900).await;
    let scene = Scene::new();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let process = history.processes()[1];
    let ids = history.ids_of(process);
    let lost: Vec<_> = [0, 1, 2, 100, 101, 300, ids.len() - 1].into_iter().map(|place| ids[place]).collect();
    scene.node.lose(&lost);
    let before = scene.node.taken();

    let told = Search { process, from: None, send: false };
    let sent = Search { send: true, ..told };
    for (search_for, outcome) in [(told, SearchOutcome::Told), (sent, SearchOutcome::Sent)] {
        let steps = search(&running, search_for).await;
        assert!(steps.len() > 1);
        assert_eq!(steps.iter().map(|step| step.events).sum::<u64>(), 301);
        let arrived = steps.iter().map(|step| step.arrived).sum::<u64>();
        assert_eq!(arrived as usize, ids.len() - lost.len());
        let missing: Vec<_> = steps.iter().flat_map(|step| &step.missing).collect();
        assert_eq!(missing.iter().map(|missing| missing.id).collect::<Vec<_>>(), lost);
        assert!(missing.iter().all(|missing| missing.outcome == outcome));
    }
    let taken = scene.node.taken();
    assert_eq!((&taken[..before.len()], &taken[before.len()..]), (&before[..], &lost[..]));

    // From a nonce on, and beyond the end.
    for (from, events) in [(299, 2), (301, 0)] {
        let steps = search(&running, Search { from: Some(Nonce::new(from)), ..sent }).await;
        let only = &steps[0];
        assert_eq!((steps.len(), only.events, only.missing.len(), only.done), (1, events, 0, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_that_cannot_go_on_tells_where_to() {
    let history = History::mixed(1, 1, 50).await;
    let scene = Scene::new();
    let running = scene.open(&history, ANY).await;
    running.finish().await;
    let ids = history.ids();
    let search = Search { process: history.processes()[0], from: None, send: true };
    scene.node.blind(true);
    let step = running.handle.search(search).await.unwrap();
    assert!(step.ended.is_some() && !step.done && step.next.is_none() && step.events == 0, "{step:?}");
    scene.node.blind(false);

    let (hung, refused) = (history.ids_at(20)[0], history.ids_at(10)[0]);
    scene.node.lose(&[ids[0], refused, hung]);
    scene.node.answer(hung, Answer::Hang);
    scene.node.answer(refused, Answer::Refuse);
    let step = running.handle.search(search).await.unwrap();
    assert!(step.ended.as_ref().is_some_and(|reason| reason.contains(&hung.to_string())), "{step:?}");
    assert_eq!((step.events, step.next, step.done), (20, Some(Nonce::new(20)), false));
    let outcomes: Vec<_> = step.missing.iter().map(|missing| missing.outcome.clone()).collect();
    let refusal = SearchOutcome::Refused { status: 400, reason: "no".into() };
    assert_eq!(outcomes, [SearchOutcome::Sent, refusal]);
    assert_eq!(running.handle.dead_letter_count(), 1);

    scene.node.heal();
    let step = running.handle.search(Search { from: step.next, ..search }).await.unwrap();
    assert_eq!((step.events, step.missing.len(), step.done), (31, 1, true));
    running.handle.search(search).await.unwrap();
    // What was refused before is none any more once it is taken.
    assert_eq!(running.handle.dead_letter_count(), 0);
    assert_eq!(scene.node.taken().len(), ids.len());
}
