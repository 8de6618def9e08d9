//! Which failures each kind of call documents.

use crate::error::CallError;

const MOVED: &str =
    "The process has moved to another node: the same call is to be made there, see the header `Location`.";
const WRONG: &str = "The request is wrong: `invalid_parameter`.";
const WRONG_ITEM: &str = "The request or its item is wrong: `malformed_item`, `invalid_signature`, `missing_tag`, \
                          `invalid_tag`, `unknown_process`, `invalid_parameter` or `not_confirmed`.";
const FORBIDDEN: &str = "Not allowed: `forbidden`.";
const NOT_FOUND: &str = "Not found: `not_found`.";
const SLOW: &str = "The body took too long to arrive, or did not arrive whole: `malformed_item`.";
const DUPLICATE: &str = "The process has this message already: `duplicate_message`.";
const STATE: &str = "The job or its projection is in a state that does not allow this: `unavailable`.";
const BEYOND: &str = "The log ends before the place that is asked for: `not_found`.";
const DEPOSED: &str = "The asker knows a later term than this node: `unavailable`.";
const NOT_NOW: &str = "This member must not, or cannot at the moment: `unavailable`.";
const NOT_MOVED: &str = "The process must not move so: `unavailable`.";
const NOT_LEADING: &str = "This node does not lead, or not in that term: `unavailable`.";
const TOO_LARGE: &str = "The body is too long: `too_large`.";
const NOT_JSON: &str = "The header `Content-Type` is not `application/json`: `invalid_parameter`.";
const INTERNAL: &str = "The node failed, and its log says why: `internal`.";
const NO_CHECKPOINT: &str = "It could not be made, and nothing of it is left: `internal`.";
const NOT_THERE: &str = "The header `Range` begins behind the end of the file: `invalid_parameter`.";
const GATEWAY: &str = "A gateway did not give the answer that was needed: `gateway_error`.";
const OTHER_CODEC: &str = "The schedule is not there in what the client accepts: `invalid_parameter`.";
const NOT_ANS104: &str = "The body is no ANS-104 item by what the call says of it: `invalid_parameter`.";
const FAILED: &str = "The node, or a gateway that it asked, failed: `internal` or `gateway_error`.";
const COME_AGAIN: &str = "Not possible at the moment; the header `Retry-After` says in how many seconds to try again: `unavailable`.";
const UNAVAILABLE: &str = "Not possible at the moment; the header `Retry-After` says in how many seconds to try again: `unavailable`.";

web::refusal! {
    /// A read was not answered.
    ReadRefusal(CallError): 307 MOVED, 400 WRONG, 404 NOT_FOUND, 500 INTERNAL, 503 UNAVAILABLE;

    /// A read in HyperBEAM's form was not answered.
    HyperbeamReadRefusal(CallError):
        307 MOVED, 400 WRONG, 404 NOT_FOUND, 406 OTHER_CODEC, 424 FAILED, 429 COME_AGAIN;

    /// Something was not scheduled that came in HyperBEAM's form.
    HyperbeamWriteRefusal(CallError):
        307 MOVED, 400 WRONG_ITEM, 403 FORBIDDEN, 408 SLOW, 409 DUPLICATE, 413 TOO_LARGE, 422 NOT_ANS104, 424 FAILED, 429 COME_AGAIN;

    /// A query was not answered.
    QueryRefusal(CallError): 400 WRONG, 500 INTERNAL, 503 UNAVAILABLE;

    /// A question in GraphQL was not taken.
    GraphRefusal(CallError): 400 WRONG, 408 SLOW, 413 TOO_LARGE, 500 INTERNAL, 503 UNAVAILABLE;

    /// Something was not scheduled.
    WriteRefusal(CallError):
        307 MOVED, 400 WRONG_ITEM, 403 FORBIDDEN, 404 NOT_FOUND, 408 SLOW, 409 DUPLICATE, 413 TOO_LARGE, 500 INTERNAL, 502 GATEWAY,
        503 UNAVAILABLE;

    /// A process has moved.
    MovedRefusal(CallError): 307 MOVED;

    /// The node is asked for what it does not have.
    NoSuchCall(CallError): 404 NOT_FOUND;

    /// The node is not in a state to say or do it.
    Unwell(CallError): 503 UNAVAILABLE;

    /// The node is not in a state to do it, or whoever asks its operators' listener may not.
    AdminUnwell(CallError): 403 FORBIDDEN, 503 UNAVAILABLE;

    /// An operator's call was not answered.
    OperatorRefusal(CallError): 500 INTERNAL;

    /// What a node did lately was not told.
    LatelyRefusal(CallError): 400 WRONG, 500 INTERNAL;

    /// How fast a node was, was not told.
    SeriesRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 500 INTERNAL;

    /// The log was not shipped.
    ShipRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 410 BEYOND, 412 DEPOSED, 500 INTERNAL, 503 UNAVAILABLE;

    /// A member did not do what it was asked for.
    MemberRefusal(CallError):
        400 WRONG, 404 NOT_FOUND, 409 NOT_NOW, 412 NOT_LEADING, 500 INTERNAL, 503 UNAVAILABLE;

    /// What routers ask was not told.
    ToldRefusal(CallError): 400 WRONG;

    /// A process did not move.
    MoveRefusal(CallError):
        400 WRONG, 404 NOT_FOUND, 408 SLOW, 409 NOT_MOVED, 413 TOO_LARGE, 415 NOT_JSON, 500 INTERNAL, 503 UNAVAILABLE;

    /// A replay was not shown.
    JobRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 500 INTERNAL;

    /// A replay was not cancelled or resumed.
    JobChangeRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 409 STATE, 500 INTERNAL, 503 UNAVAILABLE;

    /// A replay was not started.
    ReplayRefusal(CallError):
        400 WRONG, 404 NOT_FOUND, 408 SLOW, 409 STATE, 413 TOO_LARGE, 415 NOT_JSON, 500 INTERNAL, 503 UNAVAILABLE;

    /// Uploads were not shown or sent again, or nothing is uploaded here.
    UploadRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 500 INTERNAL;

    /// A checkpoint was not made.
    CheckpointsRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 500 NO_CHECKPOINT, 503 UNAVAILABLE;

    /// A checkpoint was not removed.
    CheckpointRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 500 INTERNAL;

    /// A file of a checkpoint was not sent.
    CheckpointFileRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 416 NOT_THERE, 500 INTERNAL, 503 UNAVAILABLE;

    /// What has not arrived was not looked for.
    ReuploadRefusal(CallError): 400 WRONG, 404 NOT_FOUND, 408 SLOW, 413 TOO_LARGE, 415 NOT_JSON, 500 INTERNAL;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem_openapi::ApiResponse;
    use protocol::Code;

    use super::*;

    #[test]
    fn every_code_is_documented_under_its_status() {
        let documented = WriteRefusal::meta().responses;
        for code in Code::ALL {
            let (status, name) = (code.status(), code.as_str());
            let answer = documented.iter().find(|answer| answer.status == Some(status)).unwrap();
            assert!(answer.description.contains(&format!("`{name}`")), "{name} is not under {status}");
        }
    }
}
