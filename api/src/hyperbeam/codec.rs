//! What a call says of its body, and what it wants to be answered in.

use poem::http::StatusCode;
use protocol::Code;
use web::HttpError;

/// A form of a schedule that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// What compute units read.
    Aos2,
    /// A view for people.
    Bundle,
}

/// What a client says that it accepts.
#[derive(Clone, Debug, Default)]
pub(super) struct AcceptedForms {
    /// In the query.
    pub(super) asked: Option<String>,
    /// In the header `require-codec`.
    pub(super) required: Option<String>,
    /// In the header `accept`, to which libraries add what they like.
    pub(super) header: Option<String>,
}

impl AcceptedForms {
    /// The form to answer in: by the first of the three that is given.
    pub(super) fn codec(self) -> Result<Codec, HttpError> {
        let said = self.asked.or(self.required).or(self.header).unwrap_or_default();
        let found = said.split(',').find_map(|kind| match essence(kind).as_str() {
            "application/aos-2" => Some(Codec::Aos2),
            "application/json" => Some(Codec::Bundle),
            _ => None,
        });
        found.ok_or_else(|| {
            let text = "a schedule is answered as application/aos-2, or as application/json without signatures; \
                        the parameter accept has to name one of them";
            HttpError::new(Code::InvalidParameter, text).with_status(StatusCode::NOT_ACCEPTABLE)
        })
    }
}

/// What a client says of the body that it sends.
#[derive(Clone, Debug, Default)]
pub(super) struct SentAs {
    /// The header `content-type`.
    pub(super) kind: Option<String>,
    /// The header `codec-device`.
    pub(super) codec: Option<String>,
}

impl SentAs {
    /// The type of an ANS-104 item.
    pub(super) const ANS104: &str = "application/ans104";

    /// Refuses what is not sent as an ANS-104 item. Nothing else is half accepted: whoever is told 422 signs again.
    pub(super) fn check(&self) -> Result<(), HttpError> {
        let kind = self.kind.as_deref().map(essence);
        let is_item = kind.as_deref() == Some(Self::ANS104)
            || self.codec.as_deref().is_some_and(|codec| codec.eq_ignore_ascii_case("ans104@1.0"));
        if is_item {
            return Ok(());
        }
        let text = "the body has to be a signed ANS-104 item, and the header content-type: application/ans104 or \
                    codec-device: ans104@1.0 has to say so";
        Err(HttpError::new(Code::InvalidParameter, text).with_status(StatusCode::UNPROCESSABLE_ENTITY))
    }
}

/// A media type without its parameters.
fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::error::ResponseError;

    use super::*;

    #[test]
    fn the_query_counts_more_than_what_libraries_add() {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (asked, required, header, expected) in [
            ("application/aos-2", "", "*/*", Some(Codec::Aos2)),
            ("application/aos-2", "application/json", "application/json", Some(Codec::Aos2)),
            ("", "application/json", "*/*", Some(Codec::Bundle)),
            ("", "", "application/json, text/plain, */*", Some(Codec::Bundle)),
            ("", "", "text/html, Application/AOS-2;q=0.9", Some(Codec::Aos2)),
            ("text/html", "", "application/aos-2", None),
            ("", "", "*/*", None),
            ("", "", "", None),
            ("", "httpsig@1.0", "application/json", None),
        ] {
            let accepted =
                AcceptedForms { asked: text(asked), required: text(required), header: text(header) };
            let found = accepted.codec();
            if let Err(refusal) = &found {
                assert_eq!(refusal.status(), StatusCode::NOT_ACCEPTABLE);
                assert!(refusal.to_string().contains("aos-2"), "{refusal}");
            }
            assert_eq!(found.ok(), expected, "{asked} {required} {header}");
        }
    }

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
        ] {
            let sent = SentAs { kind: kind.map(str::to_owned), codec: codec.map(str::to_owned) };
            let refused = sent.check().err().map(|refusal| refusal.status().as_u16());
            assert_eq!(refused, (!is_item).then_some(422), "{kind:?} {codec:?}");
        }
    }
}
