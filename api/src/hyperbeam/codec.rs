//! What a call wants to be answered in.

use poem::http::StatusCode;
use protocol::Code;
use web::HttpError;
use web::hyperbeam::essence;

/// A form of a schedule that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        let found =
            said.split(',').filter(|kind| !is_unwanted(kind)).find_map(|kind| match essence(kind).as_str() {
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

/// Whether a media type is named as one that is not to be answered: its weight is zero.
fn is_unwanted(kind: &str) -> bool {
    let weight = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().to_owned())
    };
    let weight = kind.split(';').skip(1).find_map(weight);
    weight.is_some_and(|weight| weight.starts_with('0') && weight.trim_matches(['0', '.']).is_empty())
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
            ("", "", "application/aos-2;q=0, application/json", Some(Codec::Bundle)),
            ("", "", "application/aos-2; Q=0.000", None),
            ("", "", "application/aos-2;q=0.001", Some(Codec::Aos2)),
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
}
