//! What is behind damage in a journal: entries that were written later, or the rest of the entry that is damaged.
//!
//! That rest is data, which clients choose: it may look like entries. Whoever knows the log tells them apart. What may be one
//! counts where all is well from it to the end of the file: the rest of an entry ends with what no client chooses, its
//! checksum, and where the log stands with it.

use super::{ABOUT_FILE, FIRST, HEADER_LEN, Header, LAST, MIDDLE, WHOLE, starts_record};

/// What looks like an entry is this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// Data, or an entry that proves nothing.
    Nothing,
    /// An entry that was written later, or data that is made like one.
    Perhaps,
    /// An entry that was written later.
    Later,
}

/// A look at what is behind damage, block by block.
pub(super) struct BehindDamage<'a> {
    judge: &'a mut dyn FnMut(&[u8]) -> Likeness,
    /// What there is of an entry that goes on in the next block.
    begun: Option<Vec<u8>>,
    /// Whether all has been well since what may be an entry.
    is_sound: bool,
    is_found: bool,
}

impl<'a> BehindDamage<'a> {
    pub(super) fn new(judge: &'a mut dyn FnMut(&[u8]) -> Likeness) -> Self {
        Self { judge, begun: None, is_sound: false, is_found: false }
    }

    /// Whether there is an entry that was written later, when all has been looked at.
    pub(super) fn has_entry(&self) -> bool {
        self.is_found || self.is_sound
    }

    /// What came till now is damaged at its end.
    pub(super) fn broken(&mut self) {
        (self.begun, self.is_sound) = (None, false);
    }

    /// Looks at the rest of a block; the last one of a file may be shorter than the others.
    pub(super) fn look(&mut self, block: &[u8], is_last: bool) {
        let mut rest = block;
        // Less than a header is filler.
        while let Some((header, after)) = rest.split_first_chunk::<HEADER_LEN>().filter(|_| !self.is_found) {
            let step = if let Some(record) = starts_record(rest) {
                let (payload, next) = after.split_at(record.len.min(after.len()));
                self.record(&record, payload, next.is_empty() && !is_last);
                HEADER_LEN.saturating_add(record.len)
            } else if *header == [0; HEADER_LEN] {
                let Some(place) = rest.iter().position(|byte| *byte != 0) else { return };
                self.broken();
                place.saturating_sub(HEADER_LEN).saturating_add(1)
            } else {
                self.broken();
                1
            };
            rest = rest.get(step..).unwrap_or_default();
        }
    }

    /// A record that is right in itself. What is inside of it is data, whatever that looks like.
    fn record(&mut self, record: &Header, payload: &[u8], ends_block: bool) {
        match (record.kind, self.begun.take()) {
            (WHOLE, None) => self.entry(payload),
            (FIRST, None) if ends_block => self.begun = Some(payload.to_vec()),
            (MIDDLE | LAST, Some(mut entry)) if record.kind == LAST || ends_block => {
                entry.extend_from_slice(payload);
                if record.kind == LAST { self.entry(&entry) } else { self.begun = Some(entry) }
            }
            (kind, None) if ABOUT_FILE.contains(&kind) => {}
            (WHOLE | FIRST, Some(_)) => {
                self.broken();
                self.record(record, payload, ends_block);
            }
            _ => self.broken(),
        }
    }

    fn entry(&mut self, entry: &[u8]) {
        match (self.judge)(entry) {
            Likeness::Nothing => {}
            Likeness::Perhaps => self.is_sound = true,
            Likeness::Later => self.is_found = true,
        }
    }
}
