//! What a call says of its body.

use poem::http::StatusCode;
use protocol::Code;

use super::essence;
use crate::error::HttpError;

/// What a client says of the body that it sends.
#[derive(Clone, Debug, Default)]
pub struct SentAs {
    /// The header `content-type`.
    pub kind: Option<String>,
    /// The header `codec-device`.
    pub codec: Option<String>,
}

impl SentAs {
    /// The type of an ANS-104 item.
    pub const ANS104: &str = "application/ans104";

    /// Refuses what is not sent as an ANS-104 item. Nothing else is half accepted: whoever is told 422 signs again. A codec says
    /// nothing of a body that is made of parts or is JSON: HyperBEAM signs such messages, and puts items into them.
    ///
    /// # Errors
    /// When it is sent as anything else.
    pub fn check(&self) -> Result<(), HttpError> {
        let kind = self.kind.as_deref().map(essence).unwrap_or_default();
        let other = match kind.as_str() {
            "application/json" => Some("JSON"),
            kind if kind.starts_with("multipart/") => Some("a body of several parts"),
            _ => None,
        };
        let codec = self.codec.as_deref().unwrap_or_default();
        if kind == Self::ANS104 || (codec.eq_ignore_ascii_case("ans104@1.0") && other.is_none()) {
            return Ok(());
        }
        let found = other.map_or(String::new(), |other| format!("; found {other}"));
        let text = format!(
            "the body has to be a signed ANS-104 item as it is, and the header content-type: application/ans104 or \
             codec-device: ans104@1.0 has to say so{found}"
        );
        Err(HttpError::new(Code::InvalidParameter, text).with_status(StatusCode::UNPROCESSABLE_ENTITY))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::error::ResponseError;

    use super::*;

    #[test]
    fn an_item_is_what_is_said_to_be_one() {
        for (kind, codec, is_item) in [
            (Some("application/ans104"), None, true),
            (Some("Application/ANS104; charset=x"), None, true),
            (Some("text/plain;charset=UTF-8"), Some("ans104@1.0"), true),
            (None, Some("ans104@1.0"), true),
            (None, None, false),
            (Some("application/octet-stream"), None, false),
            (Some("multipart/form-data; boundary=x"), Some("httpsig@1.0"), false),
            (Some("application/json"), Some("json@1.0"), false),
            // What the codec says is of an item within it.
            (Some("multipart/form-data; boundary=x"), Some("ans104@1.0"), false),
            (Some("Multipart/Mixed"), Some("ans104@1.0"), false),
            (Some("application/json"), Some("ans104@1.0"), false),
            (Some("application/octet-stream"), Some("ANS104@1.0"), true),
        ] {
            let sent = SentAs { kind: kind.map(str::to_owned), codec: codec.map(str::to_owned) };
            let refused = sent.check().err().map(|refusal| refusal.status().as_u16());
            assert_eq!(refused, (!is_item).then_some(422), "{kind:?} {codec:?}");
        }
    }
}
