//! Which failures each kind of call documents.

use web::HttpError;

const WRONG: &str = "The request or its item is wrong, or no scheduler has the process that it is for: \
                     `malformed_item`, `invalid_signature`, `missing_tag`, `invalid_tag`, `unknown_process` or `invalid_parameter`.";
const NOWHERE: &str = "No scheduler has it: `not_found`.";
const SLOW: &str = "The body took too long to arrive, or did not arrive whole: `malformed_item`.";
const TOO_LARGE: &str = "The body is too long: `too_large`.";
const FAILED: &str = "The router failed, and its log says why: `internal`.";
const UNANSWERED: &str = "The scheduler has not answered, and may have done what was asked (then with `Retry-After`), or its answer leads to a place that is no scheduler of this router: `gateway_error`.";
const AWAY: &str = "Not possible at the moment; the header `Retry-After` says in how many seconds to try again: `unavailable`.";
const OTHER_CODEC: &str = "The schedule is not there in what the client accepts: `invalid_parameter`.";
const NOT_ANS104: &str = "The body is no ANS-104 item by what the call says of it: `invalid_parameter`.";
const BROKEN: &str = "The router failed, or the scheduler has not answered: `internal` or `gateway_error`.";
const DISABLED: &str = "Metrics are not enabled: `not_found`.";
const NOT_THERE: &str = "No such scheduler, or no such process: `not_found`.";
const WRONG_FORM: &str = "The request is wrong: `invalid_parameter`.";
const NOT_JSON: &str = "The header `Content-Type` is not `application/json`: `invalid_parameter`.";
const FORBIDDEN: &str = "Asked by a page of another origin or, without the token, by a name of the router other than `localhost` or a loopback address: `forbidden`.";

web::refusal! {
    /// A call was not sent on.
    RouteRefusal(HttpError):
        400 WRONG, 404 NOWHERE, 408 SLOW, 413 TOO_LARGE, 500 FAILED, 502 UNANSWERED, 503 AWAY;

    /// A call in HyperBEAM's form was not sent on.
    HyperbeamRouteRefusal(HttpError):
        400 WRONG, 404 NOWHERE, 406 OTHER_CODEC, 408 SLOW, 413 TOO_LARGE, 422 NOT_ANS104, 424 BROKEN, 429 AWAY;

    /// Nothing can be spawned.
    NotWell(HttpError): 503 AWAY;

    /// Nothing can be spawned, or whoever asks the operators' listener may not.
    OperatorsNotWell(HttpError): 403 FORBIDDEN, 503 AWAY;

    /// There are no metrics.
    NoMetrics(HttpError): 404 DISABLED;

    /// The fleet was not changed.
    FleetRefusal(HttpError):
        400 WRONG_FORM, 404 NOT_THERE, 408 SLOW, 413 TOO_LARGE, 415 NOT_JSON, 500 FAILED, 503 AWAY;

    /// Nobody knows where a process is.
    WhereRefusal(HttpError): 400 WRONG_FORM, 404 NOT_THERE, 500 FAILED, 503 AWAY;
}
