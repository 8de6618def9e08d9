//! An engine with a leader, which has some records alone until others have them, and loses these when it is lost itself.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::contract::{Durability, Gate, GateError, Put};
use crate::place::GateContents;
use crate::record::GateRecord;
use crate::rule::{PutVerdict, judge};

use super::Broken;

pub(super) struct Engine(Mutex<State>);

struct State {
    random: StdRng,
    broken: Option<Broken>,
    is_calm: bool,
    records: Vec<GateRecord>,
    /// So many of them are in other copies too.
    copied: usize,
    on_their_way: Vec<GateRecord>,
}

impl State {
    fn contents(&self) -> Option<GateContents> {
        let last = self.records.last()?;
        let GateRecord { store, claim, .. } = *last;
        Some(GateContents { store, end: last.after(), claim, durability: Durability::Replicated })
    }

    fn happens(&mut self, percent: u32) -> bool {
        !self.is_calm && self.random.random_ratio(percent, 100)
    }

    /// A write that is waited for: it is in other copies, with all before it. False when that is not known.
    fn copy(&mut self) -> bool {
        let is_copied = !self.happens(30);
        if is_copied || self.happens(40) {
            self.copied = self.records.len();
        }
        is_copied
    }

    /// Judges a record: its verdict, without a word on other copies.
    fn judge(&mut self, record: &GateRecord) -> Result<Option<PutVerdict>, GateError> {
        let mut contents = self.contents();
        let mut record = record.clone();
        if let (Some(Broken::AnyClaim), Some(there)) = (self.broken, &mut contents) {
            record.before.records = there.end.records;
            there.claim = record.claim;
        }
        let number = usize::try_from(record.number()).unwrap();
        match judge(contents.as_ref(), &record)? {
            PutVerdict::Next => {
                self.records.push(record);
                Ok(Some(PutVerdict::Next))
            }
            PutVerdict::Earlier if self.records[number] == record => Ok(Some(PutVerdict::Earlier)),
            PutVerdict::Earlier | PutVerdict::Refused => Ok(None),
        }
    }

    fn put(&mut self, record: &GateRecord) -> Result<Put, GateError> {
        let Some(verdict) = self.judge(record)? else {
            return Ok(Put::Refused(self.contents().unwrap()));
        };
        let is_seen = match self.broken {
            Some(Broken::ReadBack) => verdict == PutVerdict::Earlier,
            Some(Broken::OneCopy) => true,
            _ => false,
        };
        let is_copied = is_seen || self.copy();
        let unknown = || Err(GateError::unknown("no other copy has said that it has it"));
        if is_copied { Ok(Put::Taken) } else { unknown() }
    }
}

impl Engine {
    pub(super) fn new(seed: u64, broken: Option<Broken>) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let (records, on_their_way) = (Vec::new(), Vec::new());
        Self(Mutex::new(State { random, broken, is_calm: false, records, copied: 0, on_their_way }))
    }

    /// Its leader is lost, with what that had alone: how many records.
    pub(super) fn fail_over(&self) -> usize {
        let mut state = self.state();
        let copied = state.copied;
        let lost = state.records.len() - copied;
        state.records.truncate(copied);
        lost
    }

    /// One of the records that are still on their way comes.
    pub(super) fn deliver(&self) {
        let mut state = self.state();
        if !state.on_their_way.is_empty() {
            let count = state.on_their_way.len();
            let one = state.random.random_range(0..count);
            let record = state.on_their_way.swap_remove(one);
            // Nobody hears of what comes of it, and it may be lost on the way for all that.
            let _ = state.put(&record);
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm(&self) {
        self.state().is_calm = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Gate for Engine {
    fn kind(&self) -> &'static str {
        "simulated"
    }

    async fn contents(&self) -> Result<Option<GateContents>, GateError> {
        let mut state = self.state();
        if state.happens(10) {
            return Err(GateError::away("it is away"));
        }
        let is_copied = state.broken == Some(Broken::ContentsSeen) || state.copy();
        if is_copied { Ok(state.contents()) } else { Err(GateError::away("no other copy answers")) }
    }

    async fn put(&self, record: &GateRecord) -> Result<Put, GateError> {
        let mut state = self.state();
        if state.happens(5) {
            return Err(GateError::away("it is away"));
        }
        if state.happens(10) {
            state.on_their_way.push(record.clone());
            return Err(GateError::unknown("it is on its way"));
        }
        let answer = state.put(record);
        if state.happens(10) { Err(GateError::unknown("the answer was lost")) } else { answer }
    }

    async fn read(&self, from: u64, bytes: usize) -> Result<Vec<GateRecord>, GateError> {
        let state = self.state();
        let from = usize::try_from(from).unwrap().min(state.records.len());
        Ok(state.records[from..].iter().take(bytes.clamp(1, 3)).cloned().collect())
    }
}
