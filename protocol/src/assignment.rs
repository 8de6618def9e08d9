//! The assignment: the data item by which a scheduler binds a message to its place. Written here, and read here.

use std::str::FromStr;

use ans104::{Draft, Item, SignError, Signer, Tag};

use crate::ids::{AssignmentId, HashChain, MessageId, Nonce, ProcessId, Timestamp};
use crate::{tags, values};

/// Everything that an assignment says.
#[derive(Clone, Debug)]
pub struct Assignment<'a> {
    /// The process that it is of.
    pub process: ProcessId,
    /// The place; none for a process that is spawned without an assignment, whose record has neither nonce nor
    /// chain.
    pub place: Option<(Nonce, HashChain)>,
    /// The height of the chain.
    pub height: u64,
    /// When it was scheduled.
    pub timestamp: Timestamp,
    /// What was scheduled; none when it is the process itself.
    pub message: Option<MessageId>,
    /// What the compute unit shall leave out of the message.
    pub exclude: &'a [String],
}

impl Assignment<'_> {
    /// Signs it, which is the one expensive step of scheduling. Two assignments of one content differ by their anchor,
    /// which the protocol wants to be random.
    ///
    /// # Errors
    /// When the signer cannot sign.
    pub fn sign(&self, anchor: &[u8; 32], signer: &dyn Signer) -> Result<(Vec<u8>, AssignmentId), SignError> {
        let texts = self.texts();
        let mut tags: Vec<Tag<'_>> = texts.iter().map(|(name, value)| Tag { name, value }).collect();
        tags.extend(self.exclude.iter().map(|value| Tag { name: tags::EXCLUDE, value }));
        let bytes = Draft { target: None, anchor: Some(anchor), tags: &tags, data: &[] }.sign(signer)?;
        let item = Item::split(&bytes).map_err(|_| SignError::Key(signer.signature_type()))?;
        let id = item.id().into();
        Ok((bytes, id))
    }

    /// Names and values in the order of the protocol.
    fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = vec![(tags::PROCESS, self.process.to_string())];
        if let Some((nonce, chain)) = self.place {
            texts.push((tags::EPOCH, values::EPOCH_0.to_owned()));
            texts.push((tags::NONCE, nonce.to_string()));
            texts.push((tags::HASH_CHAIN, chain.to_string()));
        }
        let kind = if self.place.is_some() { values::ASSIGNMENT } else { values::PROCESS_RECORD };
        texts.push((tags::BLOCK_HEIGHT, format!("{:012}", self.height)));
        texts.push((tags::TIMESTAMP, self.timestamp.to_string()));
        texts.push((tags::DATA_PROTOCOL, values::AO.to_owned()));
        texts.push((tags::TYPE, kind.to_owned()));
        texts.push((tags::VARIANT, values::AO_TN_1.to_owned()));
        texts.extend(self.message.map(|message| (tags::MESSAGE, message.to_string())));
        texts
    }
}

/// What the tags of an assignment say, read in one walk. Of several tags of one name the first counts.
///
/// An assignment that was taken over from another scheduler may lack any tag or have nonsense in it, so each getter
/// says for itself whether there is something that it can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssignmentTags<'a> {
    process: Option<&'a str>,
    epoch: Option<&'a str>,
    nonce: Option<&'a str>,
    chain: Option<&'a str>,
    height: Option<&'a str>,
    timestamp: Option<&'a str>,
    message: Option<&'a str>,
}

impl<'a> AssignmentTags<'a> {
    /// What this item says, as far as its tags can be read.
    pub fn of(assignment: &Item<'a>) -> Self {
        assignment.tags().map_while(Result::ok).collect()
    }

    /// Takes the next tag in, for one who walks along the tags anyway.
    pub fn note(&mut self, tag: &Tag<'a>) {
        let place = match tag.name {
            tags::PROCESS => &mut self.process,
            tags::EPOCH => &mut self.epoch,
            tags::NONCE => &mut self.nonce,
            tags::HASH_CHAIN => &mut self.chain,
            tags::BLOCK_HEIGHT => &mut self.height,
            tags::TIMESTAMP => &mut self.timestamp,
            tags::MESSAGE => &mut self.message,
            _ => return,
        };
        place.get_or_insert(tag.value);
    }

    /// The process.
    pub fn process(&self) -> Option<ProcessId> {
        parse(self.process)
    }

    /// The epoch.
    pub fn epoch(&self) -> Option<u64> {
        parse(self.epoch)
    }

    /// The place within the process.
    pub fn nonce(&self) -> Option<Nonce> {
        parse(self.nonce).map(Nonce::new)
    }

    /// What binds it to all before it.
    pub fn hash_chain(&self) -> Option<HashChain> {
        parse(self.chain)
    }

    /// The height of the chain.
    pub fn height(&self) -> Option<u64> {
        parse(self.height)
    }

    /// The height as it is written, which may be no number.
    pub fn height_text(&self) -> Option<&'a str> {
        self.height
    }

    /// When it was scheduled.
    pub fn timestamp(&self) -> Option<Timestamp> {
        parse(self.timestamp).map(Timestamp::new)
    }

    /// The time as it is written, which may be no number.
    pub fn timestamp_text(&self) -> Option<&'a str> {
        self.timestamp
    }

    /// What was scheduled. A process's own assignment does not name it.
    pub fn message(&self) -> Option<MessageId> {
        parse(self.message)
    }

    /// What was scheduled as it is written, which may be no id.
    pub fn message_text(&self) -> Option<&'a str> {
        self.message
    }
}

impl<'a> FromIterator<Tag<'a>> for AssignmentTags<'a> {
    fn from_iter<T: IntoIterator<Item = Tag<'a>>>(tags: T) -> Self {
        let mut read = Self::default();
        for tag in tags {
            read.note(&tag);
        }
        read
    }
}

/// What the compute unit shall leave out of the message that is assigned.
pub fn excludes<'a>(assignment: &Item<'a>) -> impl Iterator<Item = &'a str> {
    let tags = assignment.tags().map_while(Result::ok);
    tags.filter(|tag| tag.name == tags::EXCLUDE).map(|tag| tag.value)
}

fn parse<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests;
