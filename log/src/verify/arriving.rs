//! What comes in of a process that moves here, before it is appended: held against what verification of a log asks for.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use ans104::Address;
use protocol::ProcessId;

use crate::contract::Import;
use crate::event::{Event, EventRef};
use crate::head::Head;
use crate::ids::Seq;
use crate::keys::EventKey;
use crate::moves::MoveEnd;

use super::fault::{Fault, FaultPlace};
use super::process_check::ProcessCheck;
use super::signatures::first_wrong_signature;

/// Checks the events of a process as another store has them: each goes on where the one before it ended, its assignment is
/// signed by a wallet of that store, and its signatures are right. What was imported there has whatever flaws it had.
pub struct ArrivingCheck {
    process: ProcessCheck,
    signers: BTreeSet<Address>,
    threads: NonZeroUsize,
}

impl ArrivingCheck {
    /// Checks what comes next in a process that stands here, on so many threads. These wallets may have signed it.
    pub fn new(
        process: ProcessId,
        head: Option<Head>,
        signers: BTreeSet<Address>,
        threads: NonZeroUsize,
    ) -> Self {
        // The numbers of the other store say nothing here.
        let head = head.map(|head| Head { seq: Seq::ZERO, ..head });
        Self { process: ProcessCheck::behind(process, head), signers, threads }
    }

    /// Checks events, which come behind all that were checked before; as what they are to be appended.
    ///
    /// # Errors
    /// With the first that is wrong.
    pub fn check(&mut self, events: &[EventRef<'_>]) -> Result<Vec<Import>, Fault> {
        let mut imports = Vec::with_capacity(events.len());
        for event in events {
            let before = self.process.head().and_then(|head| head.last);
            if let Some(what) = self.wrong(event) {
                let key = EventKey { process: event.process, nonce: event.nonce };
                return Err(Fault { place: FaultPlace::Event { key, seq: None }, what, inherited: false });
            }
            let link = event.link(before);
            let Event { process, envelope, body, .. } = event.to_owned();
            imports.push(Import { process, body, link, envelope });
        }
        first_wrong_signature(events, self.threads).map_or(Ok(imports), Err)
    }

    /// Where the history ends up to here.
    pub fn end(&self) -> MoveEnd {
        MoveEnd::of(self.process.id, self.process.head().and_then(|head| head.last))
    }

    fn wrong(&mut self, event: &EventRef<'_>) -> Option<String> {
        let id = self.process.id;
        if event.process != id {
            return Some(format!("it is of another process than {id}"));
        }
        let mut wrong = None;
        self.process.follow(event, &mut |what| {
            wrong.get_or_insert(what);
        });
        if event.imported {
            return None;
        }
        let signer = event.assignment().map(|assignment| assignment.address());
        let stranger = signer.filter(|signer| !self.signers.contains(signer));
        wrong.or_else(|| {
            stranger.map(|signer| format!("the wallet {signer} is none of the store that it comes from"))
        })
    }
}
