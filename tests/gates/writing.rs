//! Who writes to a gate without pause while its engine comes and goes, and what is asked of every engine then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gate::{Durability, Gate, GateContents, GateError, GatePlace, PublishError};
use log::BodyRef;
use quipu_tests::until;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::AwayEngine;
use crate::suite::{all, batch, claimed, node, settled};

/// Puts one event after the other.
pub(crate) struct Writing {
    heard: watch::Receiver<u64>,
    writer: JoinHandle<Vec<(GatePlace, String)>>,
    gate: Arc<dyn Gate>,
}

impl Writing {
    pub(crate) fn start(gate: &Arc<dyn Gate>) -> Self {
        let (told, heard) = watch::channel(0_u64);
        let writing = gate.clone();
        let writer = tokio::spawn(async move {
            let (mut one, mut taken) = (claimed(&writing, node(1)).await, Vec::new());
            while !told.is_closed() {
                let text = format!("event {}", one.end().events);
                one.offer(batch(one.end(), &[&text])).unwrap();
                taken.push((settled(&mut one).await, text));
                told.send_replace(one.end().events);
            }
            taken
        });
        Self { heard, writer, gate: gate.clone() }
    }

    /// Waits until so many more were taken.
    pub(crate) async fn more(&mut self, events: u64) {
        let goal = *self.heard.borrow() + events;
        self.heard.wait_for(|events| *events > goal).await.unwrap();
    }

    /// Ends it: each that was taken is there once, at its place, and nothing else.
    pub(crate) async fn audit(self) -> GateContents {
        drop(self.heard);
        let taken = self.writer.await.unwrap();
        let contents = until("it answers", async || {
            let contents = self.gate.contents().await.ok()??;
            (contents.end == taken.last()?.0).then_some(contents)
        })
        .await;
        let there = all(&self.gate).await;
        assert_eq!(there.len(), taken.len() + 1, "each is there once");
        for (record, (end, text)) in there[1..].iter().zip(taken) {
            let events = record.batch().unwrap().events(&record.before).unwrap();
            let [event] = events[..] else { panic!("one event was put") };
            assert!(matches!(event.body, BodyRef::Fact(there) if there == text.as_bytes()));
            assert_eq!(record.after(), end);
        }
        contents
    }
}

/// An engine that is away says so in time, whatever it is asked for, and what was put meanwhile is there once. The gate
/// waits for so long.
pub(crate) async fn is_away_and_guesses_nothing<E: AwayEngine>(
    engine: &mut E,
    gate: &Arc<dyn Gate>,
    within: Duration,
) {
    let mut one = claimed(gate, node(1)).await;
    for way in 0..E::WAYS {
        let before = one.end().events;
        one.offer(batch(one.end(), &[&format!("{way}")])).unwrap();
        engine.leave(way);
        let asked = Instant::now();
        let said = one.settle().await;
        assert!(
            matches!(said, Err(PublishError::Gate(GateError::Away(_) | GateError::Unknown(_)))),
            "{said:?}"
        );
        assert!(gate.contents().await.is_err() && gate.read(0, 1).await.is_err());
        assert!(asked.elapsed() < within * 8, "it was waited for for {:?}", asked.elapsed());
        engine.come_back(way);
        settled(&mut one).await;
        assert_eq!(one.end().events, before + 1);
    }
    assert_eq!(all(gate).await.len(), E::WAYS + 1);
}

/// An engine that may lose what it took takes it from those alone who have accepted that, and shows it to all.
pub(crate) async fn takes_from_who_accepts_alone(strict: &Arc<dyn Gate>, accepting: &Arc<dyn Gate>) {
    let mut one = claimed(accepting, node(1)).await;
    one.offer(batch(one.end(), &["a"])).unwrap();
    settled(&mut one).await;
    let contents = until("it answers", async || accepting.contents().await.ok()?).await;
    assert_eq!(contents.durability, Durability::SingleCopy);
    let mut page = until("it can be read", async || strict.read(0, 1).await.ok()).await;
    let record = page.remove(0);
    let said = until("it is refused", async || match strict.put(&record).await {
        Err(GateError::Away(_)) => None,
        said => Some(said),
    })
    .await;
    assert!(matches!(said, Err(GateError::Unfit(_))), "{said:?}");
}
