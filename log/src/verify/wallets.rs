//! Whose assignments these must be: the wallet that was in force when each was signed.

use ans104::Address;

use crate::event::EventRef;
use crate::fact::Fact;
use crate::ids::Seq;

/// The wallets of a log, in their order, each from where on it is in force. Before the first one nothing is known: the
/// log is from before wallets were remembered.
#[derive(Default)]
pub(crate) struct Wallets(Vec<(Seq, Address)>);

impl Wallets {
    /// Takes note of a fact. The stream of facts comes before every process.
    pub(crate) fn note(&mut self, event: &EventRef<'_>) {
        if let Some(Fact::Wallet(address)) = Fact::of(event) {
            self.0.push((event.seq, address));
        }
    }

    /// What is wrong with the signer of the event's assignment, if anything is. What was imported was signed elsewhere.
    pub(crate) fn difference(&self, event: &EventRef<'_>) -> Option<String> {
        let assignment = event.assignment().filter(|_| !event.imported)?;
        let (_, expected) = self.0.iter().rev().find(|(since, _)| *since < event.seq)?;
        let found = assignment.address();
        (found != *expected)
            .then(|| format!("the assignment is signed by the wallet {found}, and {expected} is in force"))
    }
}
