//! Events as HyperBEAM's codec aos-2 has them: items are flat, what is not known is an empty text, and data that is no
//! text is null, which says that its bytes are to be fetched elsewhere.

use ans104::{Item, Tag, TagsError, base64url};
use log::{BodyRef, EventRef};
use protocol::{AssignmentTags, tags};

use super::{Renderer, base64, json, message_id, number};

/// What is shown as data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Data,
    /// Nothing: an assignment has none.
    Nothing,
}

impl Renderer {
    /// Appends `{"cursor", "node": {"assignment", "message"}}`. Of what is on chain only the id is known.
    ///
    /// # Errors
    /// As [`Renderer::edge`].
    pub fn aos2(&mut self, out: &mut Vec<u8>, event: &EventRef<'_>) -> Result<(), TagsError> {
        out.extend_from_slice(b"{\"cursor\":");
        number(out, event.nonce.map_or(0, |nonce| nonce.get()));
        out.extend_from_slice(b",\"node\":{\"assignment\":");
        let mut says = AssignmentTags::default();
        match event.assignment() {
            Some(assignment) => {
                let write_id = |out: &mut Vec<u8>| base64url::encode_append(out, assignment.id().as_bytes());
                self.flat(out, &assignment, Shown::Nothing, write_id, |tag| says.note(tag))?;
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"message\":");
        match event.body {
            BodyRef::Spawned { item, .. } => {
                let process = self.process;
                let write_id = |out: &mut Vec<u8>| base64url::encode_append(out, process.as_bytes());
                self.flat(out, &item, Shown::Data, write_id, |_| ())?;
            }
            BodyRef::Scheduled { item, .. } => {
                let write_id = |out: &mut Vec<u8>| message_id(out, &item, says.message_text());
                self.flat(out, &item, Shown::Data, write_id, |_| ())?;
            }
            BodyRef::Assigned { .. } | BodyRef::Fact(_) => {
                out.extend_from_slice(b"{\"Id\":");
                json::string(out, says.message_text().unwrap_or_default());
                out.push(b'}');
            }
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }

    fn flat<'a>(
        &mut self,
        out: &mut Vec<u8>,
        item: &Item<'a>,
        shown: Shown,
        write_id: impl FnOnce(&mut Vec<u8>),
        mut note: impl FnMut(&Tag<'a>),
    ) -> Result<(), TagsError> {
        out.extend_from_slice(b"{\"Id\":\"");
        write_id(out);
        out.extend_from_slice(b"\",\"Tags\":");
        let mut from = None;
        self.tag_list(out, item, |tag| {
            if from.is_none() && tags::has_name(tag, tags::FROM_PROCESS) {
                from = Some(tag.value);
            }
            note(tag);
        })?;
        if let Some(from) = from {
            out.extend_from_slice(b",\"From\":");
            json::string(out, from);
        }
        self.owners.parts(item.owner(), |address, key| {
            if from.is_none() {
                out.extend_from_slice(b",\"From\":\"");
                out.extend_from_slice(address);
                out.push(b'"');
            }
            out.extend_from_slice(b",\"Owner\":\"");
            out.extend_from_slice(address);
            out.extend_from_slice(b"\",\"PublicKey\":\"");
            out.extend_from_slice(key);
            out.push(b'"');
        });
        out.extend_from_slice(b",\"Signature\":");
        base64(out, item.signature());
        out.extend_from_slice(b",\"Anchor\":");
        // Bytes that are no text are as good as not known here.
        json::string(
            out,
            item.anchor().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default(),
        );
        out.extend_from_slice(b",\"Target\":");
        base64(out, item.target().map_or(&[], |target| target));
        out.extend_from_slice(b",\"Data\":");
        match shown {
            Shown::Data => self.text_or_null(out, item),
            Shown::Nothing => out.extend_from_slice(b"\"\""),
        }
        out.push(b'}');
        Ok(())
    }
}
