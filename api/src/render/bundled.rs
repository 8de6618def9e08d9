//! Events as members of HyperBEAM's JSON bundle: an unsigned view for people, in which a tag is a field. Of tags that have
//! one name but for its case the first is shown, and data is not.

use std::collections::HashSet;

use ans104::{TagsError, base64url};
use log::EventRef;
use protocol::AssignmentTags;

use super::{Renderer, json, message_id, number};

impl Renderer {
    /// Appends `"nonce": {"slot", "process", "timestamp", "body": {"id", …}}`.
    ///
    /// # Errors
    /// As [`Renderer::edge`].
    pub(crate) fn bundled(&mut self, out: &mut Vec<u8>, event: &EventRef<'_>) -> Result<(), TagsError> {
        let says = event.assignment().map_or(AssignmentTags::default(), |item| AssignmentTags::of(&item));
        let nonce = event.nonce.map_or(0, |nonce| nonce.get());
        out.push(b'"');
        number(out, nonce);
        out.extend_from_slice(b"\":{\"slot\":");
        number(out, nonce);
        out.extend_from_slice(b",\"process\":\"");
        base64url::encode_append(out, self.process.as_bytes());
        out.extend_from_slice(b"\",\"timestamp\":");
        number(out, says.timestamp().map_or(0, |timestamp| timestamp.get()));
        out.extend_from_slice(b",\"body\":{\"id\":");
        let Some(item) = event.item() else {
            json::string(out, says.message_text().unwrap_or_default());
            out.extend_from_slice(b"}}");
            return Ok(());
        };
        out.push(b'"');
        message_id(out, &item, says.message_text());
        out.push(b'"');
        let mut shown = HashSet::from(["id".to_owned()]);
        for tag in item.tags() {
            let tag = match tag {
                // As in all other forms.
                Err(TagsError::Unterminated) => break,
                tag => tag?,
            };
            let name = tag.name.to_ascii_lowercase();
            if !shown.contains(&name) {
                out.push(b',');
                json::string(out, &name);
                out.push(b':');
                json::string(out, tag.value);
                shown.insert(name);
            }
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }
}
