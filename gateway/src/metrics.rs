//! The names of this crate's metrics, their labels and help texts.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::{Call, GatewayError, UploadError};

/// Histogram, seconds: every attempt to ask a service, by [`CALL`] and [`OUTCOME`].
pub const REQUEST_SECONDS: &str = "quipu_gateway_request_seconds";
/// Counter: items handed to the upload node and the cache, by [`CALL`] and [`OUTCOME`].
pub const UPLOADS: &str = "quipu_gateway_uploads_total";
/// Gauge: the newest block height known.
pub const HEIGHT: &str = "quipu_gateway_height";
/// Gauge, Unix time in seconds: when the gateway last told the height. The reader computes the age.
pub const HEIGHT_TOLD: &str = "quipu_gateway_height_told_timestamp_seconds";
/// Counter: heights told by the gateway that were not used, since the chain cannot be there.
pub const HEIGHTS_REFUSED: &str = "quipu_gateway_heights_refused_total";

/// Label: what was asked, one of [`Call::name`].
pub const CALL: &str = "call";
/// Label: how it ended. For [`REQUEST_SECONDS`] `ok`, `absent` (a 404), `unreachable`, `timeout`,
/// `left_alone` or `not_asked` (nobody was asked), `status`, `redirect`, `body` or `too_large`; for [`UPLOADS`]
/// `ok`, `refused`, `other_receipt` or `transient`.
pub const OUTCOME: &str = "outcome";

/// Gives the recorder the help texts; once, after it is installed.
pub fn describe() {
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time of one attempt to ask a gateway or upload node, by call and outcome."
    );
    describe_counter!(UPLOADS, "Items sent to the upload node or the cache, by call and outcome.");
    describe_gauge!(HEIGHT, "The newest block height that the gateway told.");
    describe_counter!(
        HEIGHTS_REFUSED,
        "Block heights that the gateway told and that were not used, since the chain cannot be there."
    );
    describe_gauge!(HEIGHT_TOLD, Unit::Seconds, "Unix time at which the gateway last told the block height.");
}

/// One attempt has ended.
pub(crate) fn answered(call: Call, took: Duration, was_absent: Result<bool, &GatewayError>) {
    let outcome = match was_absent {
        Ok(true) => "absent",
        Ok(false) => "ok",
        Err(GatewayError::Client { .. } | GatewayError::Unreachable { .. }) => "unreachable",
        Err(GatewayError::LeftAlone { .. }) => "left_alone",
        Err(GatewayError::NotAsked { .. }) => "not_asked",
        Err(GatewayError::Redirect { .. }) => "redirect",
        Err(GatewayError::TimedOut { .. }) => "timeout",
        Err(GatewayError::Status { .. }) => "status",
        Err(GatewayError::Body { .. }) => "body",
        Err(GatewayError::TooLarge { .. }) => "too_large",
    };
    histogram!(REQUEST_SECONDS, CALL => call.name(), OUTCOME => outcome).record(took);
}

/// One item was sent.
pub(crate) fn uploaded(call: Call, outcome: &Result<(), UploadError>) {
    let outcome = match outcome {
        Ok(()) => "ok",
        Err(UploadError::Refused { .. }) => "refused",
        Err(UploadError::OtherReceipt { .. }) => "other_receipt",
        Err(UploadError::Withheld) => "withheld",
        Err(UploadError::Transient(_)) => "transient",
    };
    counter!(UPLOADS, CALL => call.name(), OUTCOME => outcome).increment(1);
}

/// The gateway told the height, at the time `unix_seconds`.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; heights and seconds are far below 2^53")]
pub(crate) fn height_told(height: u64, unix_seconds: u64) {
    gauge!(HEIGHT).set(height as f64);
    gauge!(HEIGHT_TOLD).set(unix_seconds as f64);
}

/// The gateway told a height that is not used.
pub(crate) fn height_refused() {
    counter!(HEIGHTS_REFUSED).increment(1);
}
