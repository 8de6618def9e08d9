//! Moves of processes from one store to another, as both logs record them.
//!
//! ```text
//! store that it comes to     moving-in, its history as it was scheduled there, moved-in, and on with the next nonce
//! store that it comes from   moved-out, and nothing after that
//! store that it does not come to after all     moving-in, some of its history, moving-off
//! ```
//!
//! Should the store be lost that it goes to, before it has taken it in, the one that it comes from goes on with it: behind
//! *moved-back*, which says on whose word.
//!
//! *moved-out* and *moved-in* say where the history ends at which both hold the process, so that each log shows by itself
//! that nothing is between them. Facts of moves are few and made by hand: all of a log are in memory.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use protocol::{HashChain, Nonce, ProcessId, Timestamp};
use tracing::warn;

use crate::engine::Engine;
use crate::error::ReadError;
use crate::fact::Fact;
use crate::head::{ChainLink, Head};
use crate::identity::StoreId;
use crate::ids::Seq;
use crate::reader::LogReader;

/// A step of the move of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessMove {
    /// The process.
    pub process: ProcessId,
    /// How often it will have moved with that; of two that say where it is the higher one is right.
    pub version: u64,
    /// The store that it comes from or goes to.
    pub other: StoreId,
    /// Which step it is.
    pub step: MoveStep,
}

/// A step of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveStep {
    /// From here on its history comes in as it was scheduled elsewhere, and nothing is scheduled to it. It was begun then;
    /// logs of before do not say when.
    Arriving(Option<Timestamp>),
    /// It does not come after all: it is in the other store, whose node is at this URL, by as many moves as the version says.
    /// What has come stays as it came.
    Off(String),
    /// All of it is here: this store goes on with it.
    In(MoveEnd),
    /// Nothing comes after this: another store goes on with it, whose node is at this URL.
    Out(MoveEnd, String),
    /// This store goes on with it after all: the other one is lost and never had it, on this person's word.
    Back(MoveEnd, String),
}

/// Where the history of a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveEnd {
    /// The nonce that comes next.
    pub next: Nonce,
    /// The hash chain that comes next, which all that was assigned is in.
    pub chain: HashChain,
}

impl MoveEnd {
    /// The end of a process of which this is the newest.
    pub fn of(process: ProcessId, last: Option<ChainLink>) -> Self {
        let next = last.map_or(Nonce::ZERO, |link| link.nonce.next());
        Self { next, chain: ChainLink::next_chain(last, process) }
    }

    fn read(words: &mut std::str::SplitN<'_, char>) -> Option<Self> {
        let mut next = |name: &str| (words.next()? == name).then(|| words.next()).flatten();
        Some(Self { next: Nonce::new(next("next")?.parse().ok()?), chain: next("chain")?.parse().ok()? })
    }
}

impl fmt::Display for MoveEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "next {} chain {}", self.next, self.chain)
    }
}

pub(crate) const MOVING_IN: &str = "moving-in";
pub(crate) const MOVING_OFF: &str = "moving-off";
pub(crate) const MOVED_IN: &str = "moved-in";
pub(crate) const MOVED_OUT: &str = "moved-out";
pub(crate) const MOVED_BACK: &str = "moved-back";

impl ProcessMove {
    /// Where it is, if it has moved out, or has not come after all.
    pub fn url(&self) -> Option<&str> {
        if let MoveStep::Out(_, url) | MoveStep::Off(url) = &self.step { Some(url) } else { None }
    }

    /// Whether it is on its way here.
    pub fn is_arriving(&self) -> bool {
        matches!(self.step, MoveStep::Arriving(_))
    }

    /// Reads what a fact about this says.
    pub(crate) fn read(about: &str, says: &str) -> Option<Self> {
        let words = &mut says.splitn(12, ' ');
        let process = words.next()?.parse().ok()?;
        let version = if words.next()? == "version" { words.next()?.parse().ok()? } else { return None };
        let direction = if [MOVED_OUT, MOVING_OFF].contains(&about) { "to" } else { "from" };
        let other = if words.next()? == direction { words.next()?.parse().ok()? } else { return None };
        let step = match about {
            MOVING_IN => match words.next() {
                None => MoveStep::Arriving(None),
                Some("at") => MoveStep::Arriving(Some(Timestamp::new(words.next()?.parse().ok()?))),
                Some(_) => return None,
            },
            MOVING_OFF => MoveStep::Off(read_url(words)?),
            MOVED_IN => MoveStep::In(MoveEnd::read(words)?),
            MOVED_OUT => {
                let end = MoveEnd::read(words)?;
                MoveStep::Out(end, read_url(words)?)
            }
            MOVED_BACK => {
                let end = MoveEnd::read(words)?;
                // Whoever said so may be called anything.
                let says = says.splitn(10, ' ').nth(9)?;
                let who = says.strip_prefix("by ").filter(|who| !who.is_empty())?;
                let step = MoveStep::Back(end, who.to_owned());
                return Some(Self { process, version, other: StoreId(other), step });
            }
            _ => return None,
        };
        words.next().is_none().then_some(Self { process, version, other: StoreId(other), step })
    }

    /// Why nothing, or no such event, may come next in the process behind this.
    pub(crate) fn refusal(&self, imported: bool) -> Option<&'static str> {
        match self.step {
            MoveStep::Arriving(_) if imported => None,
            MoveStep::Arriving(_) => {
                Some("it is on its way here from another store, and not all of it is here yet")
            }
            MoveStep::In(_) | MoveStep::Back(..) => None,
            MoveStep::Out(..) => Some("it has moved to another store"),
            MoveStep::Off(_) => Some("it was on its way here and did not come: it is in another store"),
        }
    }

    /// Refuses a step that does not come next, given the one before and where the process stands.
    pub(crate) fn check(&self, before: Option<&Self>, head: Option<Head>) -> Result<(), &'static str> {
        let here = || MoveEnd::of(self.process, head.and_then(|head| head.last));
        match (&self.step, before.map(|before| &before.step)) {
            (MoveStep::Arriving(_), None) if head.is_none() => Ok(()),
            // It was taken back meanwhile and comes again, or went elsewhere and comes from there: what came before is the
            // beginning of it all the same.
            (MoveStep::Arriving(_), Some(MoveStep::Arriving(_) | MoveStep::Off(_)))
                if before.is_some_and(|before| before.version < self.version) =>
            {
                Ok(())
            }
            (MoveStep::Arriving(_), _) => Err("it is here, or was"),
            // It stays where it was before it began to come, or went elsewhere.
            (MoveStep::Off(_), Some(MoveStep::Arriving(_)))
                if before.is_some_and(|before| before.version <= self.version.saturating_add(1)) =>
            {
                Ok(())
            }
            (MoveStep::Off(_), _) => Err("it is not on its way here"),
            (MoveStep::In(end), Some(MoveStep::Arriving(_))) => {
                let is_same =
                    before.is_some_and(|begun| (begun.version, begun.other) == (self.version, self.other));
                if !is_same {
                    Err("another move of it has begun")
                } else if head.is_none() || *end != here() {
                    Err("its history is not all here, or is another one")
                } else {
                    Ok(())
                }
            }
            (MoveStep::In(_), _) => Err("no move of it has begun"),
            (MoveStep::Out(..), Some(MoveStep::Arriving(_) | MoveStep::Out(..) | MoveStep::Off(_))) => {
                Err("it is not here")
            }
            (MoveStep::Back(end, _), Some(MoveStep::Out(..))) => {
                if before.is_none_or(|before| before.other != self.other) {
                    Err("it has moved to another store")
                } else if before.is_none_or(|before| self.version <= before.version) {
                    Err("it has moved out with as high a version")
                } else if *end != here() {
                    Err("its history does not end there")
                } else {
                    Ok(())
                }
            }
            (MoveStep::Back(..), _) => Err("it has not moved from here"),
            (MoveStep::Out(end, _), None | Some(MoveStep::In(_) | MoveStep::Back(..))) => {
                if head.is_none() || *end != here() {
                    Err("its history is not here, or does not end there")
                } else if self.version <= before.map_or(0, |before| before.version) {
                    Err("it has moved in with as high a version")
                } else {
                    Ok(())
                }
            }
        }
    }
}

fn read_url(words: &mut std::str::SplitN<'_, char>) -> Option<String> {
    (words.next()? == "url").then(|| words.next().map(str::to_owned)).flatten()
}

/// As it is recorded.
impl fmt::Display for ProcessMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, version, other, step } = self;
        match step {
            MoveStep::Arriving(at) => {
                write!(f, "{MOVING_IN} {process} version {version} from {other}")?;
                at.iter().try_for_each(|at| write!(f, " at {at}"))
            }
            MoveStep::Off(url) => write!(f, "{MOVING_OFF} {process} version {version} to {other} url {url}"),
            MoveStep::In(end) => write!(f, "{MOVED_IN} {process} version {version} from {other} {end}"),
            MoveStep::Out(end, url) => {
                write!(f, "{MOVED_OUT} {process} version {version} to {other} {end} url {url}")
            }
            MoveStep::Back(end, who) => {
                write!(f, "{MOVED_BACK} {process} version {version} from {other} {end} by {who}")
            }
        }
    }
}

/// All steps of moves that a log has, those that are not released yet included.
#[derive(Default)]
pub(crate) struct Moves(RwLock<Steps>);

#[derive(Default)]
struct Steps {
    all: Vec<(Seq, Arc<ProcessMove>)>,
    by_process: HashMap<ProcessId, Vec<usize>>,
    /// Whose last step is that it is on its way here.
    arriving: BTreeSet<ProcessId>,
}

impl Moves {
    /// Those of a log whose stream of facts stands there. A damaged fact keeps no log from being opened: if it is of a move,
    /// that is not known here, and the log says so.
    pub(crate) fn of<E: Engine>(reader: &LogReader<E>, facts: Option<Head>) -> Result<Self, ReadError> {
        let (moves, mut from, mut damage) = (Self::default(), Nonce::ZERO, None);
        let Some((head, newest)) = facts.and_then(|head| Some((head, head.last?.nonce))) else {
            return Ok(moves);
        };
        while from <= newest {
            let mut next = from;
            let read = reader.range(ProcessId::NODE, head, false, from..=Nonce::MAX, &mut |event| {
                next = event.nonce.map_or(next, Nonce::next);
                if let Some(Fact::Move(step)) = Fact::of(&event) {
                    moves.add([(event.seq, Arc::new(step))]);
                }
                ControlFlow::Continue(())
            });
            match read {
                Ok(()) => break,
                Err(error @ ReadError::Corrupt { .. }) => {
                    damage.get_or_insert(error);
                    from = next.next();
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = damage {
            warn!(%error, "a fact cannot be read: should it say that a process moved, this node does not know it");
        }
        Ok(moves)
    }

    pub(crate) fn add(&self, steps: impl IntoIterator<Item = (Seq, Arc<ProcessMove>)>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (seq, step) in steps {
            let place = kept.all.len();
            kept.by_process.entry(step.process).or_default().push(place);
            match step.is_arriving() {
                true => kept.arriving.insert(step.process),
                false => kept.arriving.remove(&step.process),
            };
            kept.all.push((seq, step));
        }
    }

    /// The last step of a process.
    pub(crate) fn newest(&self, process: ProcessId) -> Option<Arc<ProcessMove>> {
        self.last(process, Some(Seq::MAX))
    }

    /// The last step of a process up to an event.
    pub(crate) fn last(&self, process: ProcessId, upto: Option<Seq>) -> Option<Arc<ProcessMove>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut steps = kept.by_process.get(&process)?.iter().rev().filter_map(|place| kept.all.get(*place));
        steps.find(|(seq, _)| Some(*seq) <= upto).map(|(_, step)| step.clone())
    }

    /// The steps by which processes are on their way here, begun up to an event.
    pub(crate) fn arriving(&self, upto: Option<Seq>) -> Vec<Arc<ProcessMove>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let last = kept.arriving.iter().filter_map(|process| kept.by_process.get(process)?.last());
        let steps = last.filter_map(|place| kept.all.get(*place));
        steps.filter(|(seq, _)| Some(*seq) <= upto).map(|(_, step)| step.clone()).collect()
    }

    /// All steps up to an event, but for so many, and not more than so many.
    pub(crate) fn list(&self, from: usize, most: usize, upto: Option<Seq>) -> Vec<Arc<ProcessMove>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let steps = kept.all.iter().skip(from).take(most);
        steps.take_while(|(seq, _)| Some(*seq) <= upto).map(|(_, step)| step.clone()).collect()
    }

    /// How many steps there are up to an event.
    pub(crate) fn count(&self, upto: Option<Seq>) -> usize {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.all.partition_point(|(seq, _)| Some(*seq) <= upto)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::event::Body;

    fn recorded(step: &ProcessMove) -> Vec<u8> {
        let Body::Fact(bytes) = Fact::Move(step.clone()).append().body else { panic!("it is a fact") };
        bytes
    }

    proptest! {
        #[test]
        fn steps_are_read_as_they_were_recorded(
            process: [u8; 32], version: u64, other: u128, next: u64, chain: [u8; 32], url in "https?://[a-z:1-9]{1,20}",
            by in "[a-z][a-z ]{0,20}", at: u64,
        ) {
            let process = ProcessId::from(Id::from_bytes(process));
            // A hash chain is made of ids alone.
            let chain = HashChain::seed(Id::from_bytes(chain).into());
            let end = MoveEnd { next: Nonce::new(next), chain };
            for step in [
                MoveStep::Arriving(None), MoveStep::Arriving(Some(Timestamp::new(at))), MoveStep::Off(url.clone()),
                MoveStep::In(end), MoveStep::Out(end, url), MoveStep::Back(end, by),
            ] {
                let is_free = matches!(step, MoveStep::Back(..));
                let step = ProcessMove { process, version, other: StoreId(Uuid::from_u128(other)), step };
                let bytes = recorded(&step);
                prop_assert_eq!(Fact::read(&bytes), Some(Fact::Move(step)));
                let text = String::from_utf8(bytes).unwrap();
                let more = if is_free { String::new() } else { format!("{text} more") };
                for wrong in [more, text.replace(" version ", "version "), text.replace("moved-", "moves-")] {
                    prop_assert!(wrong == text || Fact::read(wrong.as_bytes()).is_none(), "{}", wrong);
                }
            }
        }
    }
}
