//! Which failures each kind of call documents.

use poem_openapi::ApiResponse;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use web::ErrorForm;

use crate::error::CallError;

const WRONG: &str = "The call or its item is wrong: `malformed_item`, `invalid_signature`, `missing_tag`, \
                     `invalid_tag`, `unknown_process`, `invalid_parameter`, `not_confirmed`.";
const TOKEN: &str = "The token is missing or wrong: `forbidden`.";
const FORBIDDEN: &str = "Not allowed: `forbidden`.";
const NOT_FOUND: &str = "Not here: `not_found`.";
const SLOW: &str = "The body did not come in time: `malformed_item`.";
const DUPLICATE: &str = "The process has it already: `duplicate_message`.";
const TOO_LARGE: &str = "The body is too long: `too_large`.";
const INTERNAL: &str = "An operator has to look: `internal`.";
const GATEWAY: &str = "A gateway did not say what had to be known: `gateway_error`.";
const BUSY: &str = "Not in this state of the job or its projection: `unavailable`.";
const UNAVAILABLE: &str = "Not at the moment, try again: `unavailable`.";

macro_rules! refusal {
    ($(#[$doc:meta])* $name:ident: $($status:literal $text:ident),+) => {
        $(#[$doc])*
        pub(crate) struct $name(CallError);

        impl<E: Into<CallError>> From<E> for $name {
            fn from(error: E) -> Self {
                Self(error.into())
            }
        }

        impl From<$name> for poem::Error {
            fn from(refusal: $name) -> Self {
                refusal.0.into()
            }
        }

        impl ApiResponse for $name {
            fn meta() -> MetaResponses {
                MetaResponses { responses: vec![$(documented($status, $text)),+] }
            }

            fn register(registry: &mut Registry) {
                <Json<ErrorForm> as Payload>::register(registry);
            }
        }
    };
}

refusal! {
    /// A read was not answered.
    ReadRefusal: 400 WRONG, 404 NOT_FOUND, 500 INTERNAL, 503 UNAVAILABLE
}
refusal! {
    /// A query was not answered.
    QueryRefusal: 400 WRONG, 500 INTERNAL, 503 UNAVAILABLE
}
refusal! {
    /// A question in GraphQL was not taken.
    GraphRefusal: 400 WRONG, 408 SLOW, 413 TOO_LARGE, 500 INTERNAL, 503 UNAVAILABLE
}
refusal! {
    /// Something was not scheduled.
    WriteRefusal:
        400 WRONG, 403 FORBIDDEN, 404 NOT_FOUND, 408 SLOW, 409 DUPLICATE, 413 TOO_LARGE, 500 INTERNAL, 502 GATEWAY,
        503 UNAVAILABLE
}
refusal! {
    /// The node is asked for what it does not have.
    NoSuchCall: 404 NOT_FOUND
}
refusal! {
    /// The node is not well.
    Unwell: 503 UNAVAILABLE
}
refusal! {
    /// An operator's call was not answered.
    OperatorRefusal: 401 TOKEN, 500 INTERNAL
}

refusal! {
    /// A replay was not started, found, cancelled or resumed.
    JobRefusal:
        400 WRONG, 401 TOKEN, 404 NOT_FOUND, 409 BUSY, 500 INTERNAL, 503 UNAVAILABLE
}

refusal! {
    /// Uploads were not told of, or nothing is uploaded here.
    UploadRefusal: 400 WRONG, 401 TOKEN, 404 NOT_FOUND, 500 INTERNAL
}

fn documented(status: u16, description: &'static str) -> MetaResponse {
    let content = vec![MetaMediaType {
        content_type: "application/json",
        schema: <Json<ErrorForm> as Payload>::schema_ref(),
    }];
    MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![] }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use protocol::Code;

    use super::*;

    #[test]
    fn every_code_is_documented_under_its_status() {
        use Code::*;
        let documented = WriteRefusal::meta().responses;
        for code in [
            MalformedItem,
            InvalidSignature,
            MissingTag,
            InvalidTag,
            UnknownProcess,
            DuplicateMessage,
            InvalidParameter,
            NotFound,
            TooLarge,
            Forbidden,
            NotConfirmed,
            Unavailable,
            GatewayError,
            Internal,
        ] {
            let (status, name) = (code.status(), code.as_str());
            let answer = documented.iter().find(|answer| answer.status == Some(status)).unwrap();
            assert!(answer.description.contains(&format!("`{name}`")), "{name} is not under {status}");
        }
    }
}
