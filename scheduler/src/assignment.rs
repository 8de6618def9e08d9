//! The assignment: the data item by which the scheduler binds a message to its place.

use ans104::{Draft, Id, Item, SignError, Signer, Tag};
use aws_lc_rs::rand;
use protocol::{AssignmentId, HashChain, Nonce, ProcessId, Timestamp};

/// Everything that an assignment says.
pub(crate) struct Assignment<'a> {
    pub(crate) process: ProcessId,
    /// The place; none for a process that is spawned without an assignment, whose record has neither nonce nor
    /// chain.
    pub(crate) place: Option<(Nonce, HashChain)>,
    pub(crate) height: u64,
    pub(crate) timestamp: Timestamp,
    pub(crate) message: Option<Id>,
    pub(crate) exclude: &'a [String],
}

impl Assignment<'_> {
    /// Signs it: the one expensive step of scheduling.
    pub(crate) fn sign(&self, signer: &dyn Signer) -> Result<(Vec<u8>, AssignmentId), SignError> {
        let unusable = || SignError::Key(signer.signature_type());
        let mut anchor = [0; 32];
        rand::fill(&mut anchor).map_err(|_| unusable())?;
        let texts = self.texts();
        let mut tags: Vec<Tag<'_>> = texts.iter().map(|(name, value)| Tag { name, value }).collect();
        tags.extend(self.exclude.iter().map(|value| Tag { name: "Exclude", value }));
        let draft = Draft { target: None, anchor: Some(&anchor), tags: &tags, data: &[] };
        let bytes = draft.sign(signer)?;
        let id = Item::split(&bytes).map_err(|_| unusable())?.id();
        Ok((bytes, id.into()))
    }

    /// Names and values in the order of the protocol.
    fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = vec![("Process", self.process.to_string())];
        if let Some((nonce, chain)) = self.place {
            texts.push(("Epoch", "0".to_owned()));
            texts.push(("Nonce", nonce.to_string()));
            texts.push(("Hash-Chain", chain.to_string()));
        }
        texts.push(("Block-Height", format!("{:012}", self.height)));
        texts.push(("Timestamp", self.timestamp.to_string()));
        texts.push(("Data-Protocol", "ao".to_owned()));
        texts.push(("Type", if self.place.is_some() { "Assignment" } else { "Process-Record" }.to_owned()));
        texts.push(("Variant", "ao.TN.1".to_owned()));
        if let Some(message) = self.message {
            texts.push(("Message", message.to_string()));
        }
        texts
    }
}
