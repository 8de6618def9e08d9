//! A node as far as a gate is concerned: its log, of which events are told apart by their text, and what it does with it.

use std::sync::Arc;

use log::{BodyRef, Term};

use crate::batch::BatchDraft;
use crate::contract::{Gate, GateError};
use crate::place::GateContents;
use crate::publisher::{GatePublisher, PublishError};
use crate::reader::GateReader;
use crate::suite;

use super::Broken;
use super::engine::Engine;

pub(super) struct Node {
    number: u128,
    gate: Arc<dyn Gate>,
    broken: Option<Broken>,
    /// What is on its disk.
    log: Vec<String>,
    term: Term,
    /// What is lost in a crash.
    writes: Option<Writer>,
    /// How much of its log has left it.
    pub(super) released: usize,
}

struct Writer {
    publisher: GatePublisher,
    /// Its claim is taken, and all before that is in its log.
    leads: bool,
}

/// What came of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Leads,
    Deposed,
    Unknown,
}

impl Node {
    pub(super) fn new(number: u128, gate: Arc<Engine>, broken: Option<Broken>) -> Self {
        Self { number, gate, broken, log: Vec::new(), term: Term(1), writes: None, released: 0 }
    }

    /// The events that have left it.
    pub(super) fn shown(&self) -> &[String] {
        &self.log[..self.released]
    }

    pub(super) fn leads(&self) -> bool {
        self.writes.as_ref().is_some_and(|writer| writer.leads)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.writes.as_ref().is_some_and(|writer| !writer.publisher.is_pending())
            && self.released == self.log.len()
    }

    pub(super) fn crash(&mut self) {
        self.writes = None;
    }

    /// Its disk is gone, too.
    pub(super) fn wipe(&mut self) {
        (self.writes, self.released, self.term) = (None, 0, Term(1));
        self.log.clear();
    }

    /// Writes one event more to its own disk, if it leads.
    pub(super) fn append(&mut self, text: String) {
        if self.leads() {
            self.log.push(text);
            if self.broken == Some(Broken::BeforeTheGate) {
                self.released = self.log.len();
            }
        }
    }

    /// Begins a claim behind what the gate holds.
    pub(super) async fn stand(&mut self) -> Result<Step, String> {
        self.writes = None;
        let Ok(contents) = self.gate.contents().await else { return Ok(Step::Nothing) };
        let claim = GatePublisher::claim(
            self.gate.clone(),
            contents.as_ref(),
            suite::store(1),
            suite::node(self.number),
            self.term,
        );
        let publisher = claim.map_err(|error| error.to_string())?;
        self.writes = Some(Writer { publisher, leads: false });
        Ok(Step::Nothing)
    }

    /// Does what comes next with the gate: settles what is pending, adopts, or publishes.
    pub(super) async fn turn(&mut self) -> Result<Step, String> {
        let Some(writer) = &mut self.writes else { return Ok(Step::Nothing) };
        if !writer.publisher.is_pending() && writer.leads {
            let mut draft = BatchDraft::at(writer.publisher.end());
            let from = usize::try_from(draft.before().events).unwrap();
            let texts: Vec<_> = self.log[from..].iter().take(3).map(String::as_str).collect();
            draft = suite::batch(draft.before(), &texts);
            writer.publisher.offer(draft).map_err(|error| error.to_string())?;
        }
        let offered = writer.publisher.end().events + 3;
        let settled = writer.publisher.settle().await;
        let is_unknown = matches!(settled, Err(PublishError::Gate(GateError::Unknown(_))));
        if is_unknown && writer.leads && self.broken == Some(Broken::UnknownIsTaken) {
            self.released = self.log.len().min(usize::try_from(offered).unwrap());
        }
        match settled {
            Ok(end) => {
                let (leads, held) = (writer.leads, writer.publisher.held());
                if leads {
                    self.released = self.released.max(usize::try_from(end.events).unwrap());
                    return Ok(Step::Nothing);
                }
                self.term = held.term;
                let durability = crate::contract::Durability::Replicated;
                self.adopt(GateContents { store: suite::store(1), end, claim: held, durability }).await?;
                self.writes.as_mut().unwrap().leads = true;
                Ok(Step::Leads)
            }
            Err(PublishError::Gate(GateError::Unknown(_))) => Ok(Step::Unknown),
            Err(PublishError::Gate(error)) if error.may_pass() => Ok(Step::Nothing),
            Err(PublishError::Deposed(_)) => {
                self.writes = None;
                Ok(Step::Deposed)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Takes what the gate has: all of that may leave it. What its own log has beside that is set aside.
    async fn adopt(&mut self, contents: GateContents) -> Result<(), String> {
        let mut reader = GateReader::new(self.gate.clone(), contents);
        let mut there = Vec::new();
        loop {
            let page = reader.next().await.map_err(|error| format!("what the gate holds: {error}"))?;
            if page.is_empty() {
                break;
            }
            for record in &page {
                let Some(batch) = record.batch() else { continue };
                for event in batch.events(&record.before).map_err(|error| error.to_string())? {
                    let BodyRef::Fact(text) = event.body else { return Err("no text".to_owned()) };
                    there.push(String::from_utf8_lossy(text).into_owned());
                }
            }
        }
        if there.len() < self.released || there[..self.released] != self.log[..self.released] {
            return Err("the gate has lost what left this node".to_owned());
        }
        let follows = self.log.len() > there.len() && self.log[..there.len()] == there[..];
        self.released = there.len();
        if !follows {
            self.log = there;
        }
        if self.broken == Some(Broken::OwnBeyond) {
            self.released = self.log.len();
        }
        Ok(())
    }
}
