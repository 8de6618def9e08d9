//! Events as the JSON that clients read, written by hand: a page is mostly base64 that need not pass through
//! anything slower than a copy.

mod answer;
mod aos2;
mod bundled;
mod json;
mod large;
mod owners;

use std::io::Write;

use ans104::{Id, Item, Tag, TagsError, base64url};
use log::{BodyRef, EventRef};
use protocol::{AssignmentTags, ProcessId, Timestamp};

pub(crate) use answer::Rendered;
pub(crate) use large::{LargeData, ShownPart};
use owners::Owners;

/// What a page counts by, and so what its cursors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageBy {
    /// The nonce.
    Nonce,
    /// The timestamp in milliseconds.
    Time,
}

/// Renders events of one process.
pub struct Renderer {
    process: ProcessId,
    show_anchor: bool,
    owners: Owners,
    /// Longer data is left out.
    data_max: usize,
    /// Where data was left out of what was appended last.
    gap: Option<usize>,
}

impl Renderer {
    /// A renderer for events of this process. With `show_anchor` an assignment's anchor that is no text is shown as
    /// base64url.
    pub fn new(process: ProcessId, show_anchor: bool) -> Self {
        Self { process, show_anchor, owners: Owners::default(), data_max: usize::MAX, gap: None }
    }

    /// The same renderer, but data of more bytes than these is left out, for [`Renderer::cut`].
    pub(crate) fn leaving_out(self, data_max: usize) -> Self {
        Self { data_max, ..self }
    }

    /// If the data of the event that was appended last was left out, cuts off what comes behind it; both are to be
    /// appended a part at a time.
    pub(crate) fn cut(&mut self, out: &mut Vec<u8>, event: &EventRef<'_>) -> Option<LargeData> {
        let gap = self.gap.take()?;
        Some(LargeData::new(event.item()?.data(), out.split_off(gap)))
    }

    /// Appends `{"node", "cursor"}`.
    ///
    /// # Errors
    /// When the tags of the item or of the assignment cannot be read; what was appended by then is no JSON.
    pub fn edge(&mut self, out: &mut Vec<u8>, event: &EventRef<'_>, by: PageBy) -> Result<(), TagsError> {
        out.extend_from_slice(b"{\"node\":");
        let says = self.write_node(out, event)?;
        out.extend_from_slice(b",\"cursor\":");
        match by {
            PageBy::Time => json::string(out, says.timestamp_text().unwrap_or_default()),
            PageBy::Nonce => {
                out.push(b'"');
                number(out, event.nonce.map_or(0, |nonce| nonce.get()));
                out.push(b'"');
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Appends `{"assignment", "message"}`: null is the assignment of a process that was spawned without one, and
    /// the message of something that is on chain.
    ///
    /// # Errors
    /// As [`Renderer::edge`].
    pub fn node(&mut self, out: &mut Vec<u8>, event: &EventRef<'_>) -> Result<(), TagsError> {
        self.write_node(out, event).map(|_| ())
    }

    /// Appends the process as `GET /processes/{id}` shows it. Its block and timestamp are zero when it was spawned
    /// without an assignment: nobody wrote them down.
    ///
    /// # Errors
    /// As [`Renderer::edge`].
    pub fn process(
        &mut self,
        out: &mut Vec<u8>,
        item: &Item<'_>,
        assignment: Option<&Item<'_>>,
    ) -> Result<(), TagsError> {
        let mut says = AssignmentTags::default();
        for tag in assignment.iter().flat_map(|assignment| assignment.tags()) {
            match tag {
                Err(TagsError::Unterminated) => break,
                tag => says.note(&tag?),
            }
        }
        out.extend_from_slice(b"{\"process_id\":\"");
        base64url::encode_append(out, self.process.as_bytes());
        out.extend_from_slice(b"\",\"block\":");
        json::string(out, says.height_text().unwrap_or("000000000000"));
        out.extend_from_slice(b",\"timestamp\":");
        number(out, says.timestamp().map_or(0, Timestamp::get));
        out.extend_from_slice(b",\"data\":");
        self.text_or_null(out, item);
        self.rest(out, item, Absent::Null, false)
    }

    fn write_node<'a>(
        &mut self,
        out: &mut Vec<u8>,
        event: &EventRef<'a>,
    ) -> Result<AssignmentTags<'a>, TagsError> {
        out.extend_from_slice(b"{\"assignment\":");
        let says = match event.assignment() {
            Some(assignment) => self.assignment(out, &assignment)?,
            None => {
                out.extend_from_slice(b"null");
                AssignmentTags::default()
            }
        };
        out.extend_from_slice(b",\"message\":");
        match event.body {
            BodyRef::Spawned { item, .. } => {
                let process = self.process;
                let write_id = |out: &mut Vec<u8>| base64url::encode_append(out, process.as_bytes());
                self.message(out, &item, Absent::Null, write_id)?;
            }
            BodyRef::Scheduled { item, .. } => {
                self.message(out, &item, Absent::Empty, |out| message_id(out, &item, says.message_text()))?;
            }
            BodyRef::Assigned { .. } | BodyRef::Fact(_) => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        Ok(says)
    }

    fn assignment<'a>(
        &mut self,
        out: &mut Vec<u8>,
        item: &Item<'a>,
    ) -> Result<AssignmentTags<'a>, TagsError> {
        out.extend_from_slice(b"{\"id\":\"");
        base64url::encode_append(out, item.id().as_bytes());
        out.push(b'"');
        let mut says = AssignmentTags::default();
        self.tags(out, item, |tag| says.note(tag))?;
        // The earliest imported assignments have their message in their data, and no target is null there.
        let no_target = if item.data().is_empty() { Absent::Empty } else { Absent::Null };
        self.signed(out, item, no_target, self.show_anchor);
        Ok(says)
    }

    fn message(
        &mut self,
        out: &mut Vec<u8>,
        item: &Item<'_>,
        no_target: Absent,
        write_id: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TagsError> {
        out.extend_from_slice(b"{\"id\":\"");
        write_id(out);
        out.extend_from_slice(b"\",\"data\":");
        if item.data().len() <= self.data_max {
            json::lossy(out, item.data());
        } else {
            self.leave_out(out);
        }
        self.rest(out, item, no_target, false)
    }

    /// The data where it is text. Whatever is long and no text is null, and left out nowhere.
    fn text_or_null(&mut self, out: &mut Vec<u8>, item: &Item<'_>) {
        if item.data().len() <= self.data_max || simdutf8::basic::from_utf8(item.data()).is_err() {
            json::text_or_null(out, item.data());
        } else {
            self.leave_out(out);
        }
    }

    /// Appends a string without what is in it.
    fn leave_out(&mut self, out: &mut Vec<u8>) {
        out.push(b'"');
        self.gap = Some(out.len());
        out.push(b'"');
    }

    /// What all items end with, from the tags to the closing brace.
    fn rest(
        &mut self,
        out: &mut Vec<u8>,
        item: &Item<'_>,
        no_target: Absent,
        show_anchor: bool,
    ) -> Result<(), TagsError> {
        self.tags(out, item, |_| ())?;
        self.signed(out, item, no_target, show_anchor);
        Ok(())
    }

    fn tags<'a>(
        &self,
        out: &mut Vec<u8>,
        item: &Item<'a>,
        note: impl FnMut(&Tag<'a>),
    ) -> Result<(), TagsError> {
        out.extend_from_slice(b",\"tags\":");
        self.tag_list(out, item, note)
    }

    fn tag_list<'a>(
        &self,
        out: &mut Vec<u8>,
        item: &Item<'a>,
        mut note: impl FnMut(&Tag<'a>),
    ) -> Result<(), TagsError> {
        out.push(b'[');
        let mut before: &[u8] = b"{\"name\":";
        for tag in item.tags() {
            let tag = match tag {
                // What was imported may lack the end of its tags, and nothing else.
                Err(TagsError::Unterminated) => break,
                tag => tag?,
            };
            note(&tag);
            out.extend_from_slice(before);
            json::string(out, tag.name);
            out.extend_from_slice(b",\"value\":");
            json::string(out, tag.value);
            out.push(b'}');
            before = b",{\"name\":";
        }
        out.push(b']');
        Ok(())
    }

    /// Owner, signature, anchor, target, and the closing brace.
    fn signed(&mut self, out: &mut Vec<u8>, item: &Item<'_>, no_target: Absent, show_anchor: bool) {
        out.extend_from_slice(b",\"owner\":");
        self.owners.write(out, item.owner());
        out.extend_from_slice(b",\"signature\":\"");
        base64url::encode_append(out, item.signature());
        out.extend_from_slice(b"\",\"anchor\":");
        anchor(out, item.anchor(), show_anchor);
        out.extend_from_slice(b",\"target\":");
        match (item.target(), no_target) {
            (Some(target), _) => base64(out, target),
            (None, Absent::Empty) => out.extend_from_slice(b"\"\""),
            (None, Absent::Null) => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
}

/// How a target that is not there is shown.
#[derive(Clone, Copy)]
enum Absent {
    Empty,
    Null,
}

/// The id of a message. Its assignment has the text already; an imported one may lack it, or have something else.
fn message_id(out: &mut Vec<u8>, item: &Item<'_>, tag: Option<&str>) {
    match tag.and_then(|text| <&[u8; Id::TEXT_LEN]>::try_from(text.as_bytes()).ok()) {
        Some(text) if is_base64url(text) => out.extend_from_slice(text),
        _ => base64url::encode_append(out, item.id().as_bytes()),
    }
}

/// No branches, so that it becomes vector code.
fn is_base64url(text: &[u8; Id::TEXT_LEN]) -> bool {
    text.iter()
        .fold(true, |all, &byte| all & (byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_')))
}

fn anchor(out: &mut Vec<u8>, anchor: Option<&[u8; 32]>, show: bool) {
    match anchor {
        Some(bytes) if show && std::str::from_utf8(bytes).is_err() => base64(out, bytes),
        Some(bytes) => json::text_or_null(out, bytes),
        None => out.extend_from_slice(b"null"),
    }
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64url::encode_append(out, bytes);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, number: u64) {
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}
