//! What another node sent, before it is appended: held against what verification of a log asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use protocol::{Nonce, ProcessId};
use thiserror::Error;

use crate::engine::Engine;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::head::Head;
use crate::ids::Seq;
use crate::keys::EventKey;
use crate::local::LocalLog;

use super::Verification;
use super::fault::{Fault, FaultPlace, Notice};
use super::moves::SeenMoves;
use super::process_check::ProcessCheck;
use super::signatures::first_wrong_signature;
use super::wallets::Wallets;

/// Checks the events that come next in a log: each goes on where its process stands, is signed by whom it has to be, and
/// has signatures that are right. What was imported has whatever flaws it had.
pub struct ReceivedCheck {
    threads: NonZeroUsize,
    wallets: Wallets,
    moves: SeenMoves,
    /// Where processes will stand when what was checked is on disk.
    ahead: HashMap<ProcessId, Head>,
}

/// Why events are not to be appended.
#[derive(Debug, Error)]
pub enum ReceivedError {
    /// Something is wrong with one of them.
    #[error("{0}")]
    Fault(Fault),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl<E: Engine> LocalLog<E> {
    /// Verifies all that is on disk when the call begins, released or not, as [`LocalLog::verify`] does, with signatures on
    /// so many threads: the first fault, and how many signatures there were. Imported histories may have faults. Ends early
    /// when `go_on` says so, or with a fault.
    pub fn verify_synced(&self, threads: NonZeroUsize, go_on: &dyn Fn() -> bool) -> (Option<Fault>, u64) {
        let Some(last) = self.synced().last() else { return (None, 0) };
        let first = RefCell::new(None);
        let is_wanted = || first.borrow().is_none() && go_on();
        let mut notice = |notice| match notice {
            Notice::Fault(fault) if !fault.inherited => _ = first.borrow_mut().get_or_insert(fault),
            _ => {}
        };
        let mut verification = Verification::new(self.reader(), Some(last), &mut notice);
        verification.go_on = &is_wanted;
        // Heads move on meanwhile, so what is expected of them is looked up first.
        verification.find_heads(self.is_held());
        let signatures = verification.run(Some(threads)).signatures;
        (first.into_inner(), signatures)
    }
}

impl ReceivedCheck {
    /// Checks what comes next in this log, on so many threads.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn new<E: Engine>(log: &LocalLog<E>, threads: NonZeroUsize) -> Result<Self, ReadError> {
        let (mut wallets, mut moves) = (Wallets::default(), SeenMoves::default());
        if let Some(head) = log.newest_head(ProcessId::NODE)? {
            log.reader().range(ProcessId::NODE, head, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
                wallets.note(&event);
                moves.note(&event);
                ControlFlow::Continue(())
            })?;
        }
        Ok(Self { threads, wallets, moves, ahead: HashMap::new() })
    }

    /// Checks events, which come behind all that were checked before.
    ///
    /// # Errors
    /// With the first that is wrong.
    pub fn check<E: Engine>(
        &mut self,
        log: &LocalLog<E>,
        events: &[EventRef<'_>],
    ) -> Result<(), ReceivedError> {
        self.check_places(log, events)?;
        self.check_signatures(events)
    }

    /// Checks all of them but that their signatures are right.
    ///
    /// # Errors
    /// With the first that is wrong.
    pub fn check_places<E: Engine>(
        &mut self,
        log: &LocalLog<E>,
        events: &[EventRef<'_>],
    ) -> Result<(), ReceivedError> {
        events.iter().try_for_each(|event| self.check_place(log, event))
    }

    /// Checks that the signatures of these are right.
    ///
    /// # Errors
    /// With the first that is wrong.
    pub fn check_signatures(&self, events: &[EventRef<'_>]) -> Result<(), ReceivedError> {
        first_wrong_signature(events, self.threads).map_or(Ok(()), |fault| Err(ReceivedError::Fault(fault)))
    }

    /// All up to here are on disk now.
    pub fn on_disk(&mut self, upto: Seq) {
        self.ahead.retain(|_, head| head.seq > upto);
    }

    fn check_place<E: Engine>(
        &mut self,
        log: &LocalLog<E>,
        event: &EventRef<'_>,
    ) -> Result<(), ReceivedError> {
        let known = self.ahead.get(&event.process).copied();
        let before = known.map_or_else(|| log.newest_head(event.process), |head| Ok(Some(head)))?;
        let mut process = ProcessCheck::behind(event.process, before);
        let mut wrong = None;
        process.follow(event, &mut |what| {
            wrong.get_or_insert(what);
        });
        self.wallets.note(event);
        self.moves.note(event);
        let wrong = wrong.filter(|_| !event.imported).or_else(|| self.wallets.difference(event));
        let wrong = wrong.or_else(|| self.moves.difference(event));
        if let Some(what) = wrong {
            let key = EventKey { process: event.process, nonce: event.nonce };
            let place = FaultPlace::Event { key, seq: Some(event.seq) };
            return Err(ReceivedError::Fault(Fault { place, what, inherited: false }));
        }
        if let Some(head) = process.head() {
            self.ahead.insert(event.process, head);
        }
        Ok(())
    }
}
