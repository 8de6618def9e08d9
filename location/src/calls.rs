//! What operators ask of the record, and order.

use gateway::LocationRecord;
use log::Publication;
use poem::http::StatusCode;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use protocol::Code;
use web::{HttpError, Nullable};

use crate::earlier::EarlierWallet;
use crate::handle::{LocationError, LocationHandle};
use crate::now::{GatewayNow, LocationNow};
use crate::seat::LocationSeat;

/// The calls.
pub struct LocationCalls {
    /// Where they find whom they ask.
    pub seat: LocationSeat,
    /// Why nobody is there, if so.
    pub why_none: &'static str,
}

#[OpenApi]
impl LocationCalls {
    /// The record on Arweave that says where this scheduler is
    ///
    /// What gateways told of it when they were asked last, a quarter of an hour ago at most.
    #[oai(path = "/location", method = "get", operation_id = "location")]
    async fn location(&self) -> Result<Json<LocationForm>, NoLocation> {
        Ok(Json(self.handle()?.now().into()))
    }

    /// Publish the record now
    ///
    /// Although nothing is wrong with it, but not within two hours of the last one, or ten minutes where no gateway tells that
    /// one; at once after one that leads elsewhere. One that the upload node has not taken yet is sent again instead. It is in the
    /// answer once it is kept here; it is sent until the upload node takes it.
    #[oai(path = "/location/publications", method = "post", operation_id = "publish_location")]
    async fn publish(&self) -> Result<Json<PublishedForm>, UnpublishedLocation> {
        let outcome = self.handle()?.publish().await?;
        let trouble = outcome.trouble.into();
        Ok(Json(PublishedForm { publication: outcome.publication.into(), trouble }))
    }
}

impl LocationCalls {
    fn handle(&self) -> Result<LocationHandle, HttpError> {
        let missing = || HttpError::not_found(format!("no record is looked after here: {}", self.why_none));
        self.seat.taken().ok_or_else(missing)
    }
}

/// The record that says where a scheduler is.
#[derive(Debug, Object)]
#[oai(rename = "Location")]
struct LocationForm {
    /// Where it has to lead to.
    url: String,
    /// The address of the wallet whose record it is.
    wallet: String,
    /// Whether it is published from here.
    publishes: bool,
    /// When gateways were asked last, in milliseconds since 1970; null before the first time.
    looked_ms: Nullable<u64>,
    /// Until when the record counts, in milliseconds since 1970; null while it is not known to be right.
    until_ms: Nullable<u64>,
    /// What is wrong with it or waited for; null when nothing is.
    trouble: Nullable<String>,
    /// What each gateway tells.
    gateways: Vec<LocationGatewayForm>,
    /// What was published last; null when nothing was.
    last: Nullable<PublicationForm>,
    /// The wallets that signed here before, by whose records clients find what was spawned then; a router knows none.
    earlier: Vec<EarlierWalletForm>,
}

/// A wallet that signed here before.
#[derive(Debug, Object)]
#[oai(rename = "EarlierWallet")]
struct EarlierWalletForm {
    /// Its address.
    wallet: String,
    /// Why clients that look for it are not led to the scheduler; null if they are.
    trouble: Nullable<String>,
}

/// What a gateway tells.
#[derive(Debug, Object)]
#[oai(rename = "LocationGateway")]
struct LocationGatewayForm {
    /// Host and port of the gateway.
    gateway: String,
    /// Whether it answers.
    answers: bool,
    /// Why who asks it is not led to the scheduler; null if it is.
    trouble: Nullable<String>,
    /// The newest record that it has; null when it has none.
    newest: Nullable<LocationRecordForm>,
}

/// A record as a gateway tells it.
#[derive(Debug, Object)]
#[oai(rename = "LocationRecord")]
struct LocationRecordForm {
    /// Its id.
    id: String,
    /// Where it leads to; null where it does not say.
    url: Nullable<String>,
    /// The variant of the protocol; null where it does not say.
    variant: Nullable<String>,
    /// For how long it counts, in milliseconds; null where it does not say.
    time_to_live_ms: Nullable<u64>,
    /// Its nonce; null where it has none that can be used.
    nonce: Nullable<u64>,
    /// The height of its block; null while it waits for one.
    height: Nullable<u64>,
}

/// A publication.
#[derive(Debug, Object)]
#[oai(rename = "Publication")]
struct PublicationForm {
    /// The nonce of the record.
    nonce: u64,
    /// Its id.
    id: String,
    /// Where it leads to.
    url: String,
    /// When it was published, in milliseconds since 1970.
    published_ms: u64,
}

/// What came of publishing.
#[derive(Debug, Object)]
#[oai(rename = "PublishedLocation")]
struct PublishedForm {
    /// What was published.
    publication: PublicationForm,
    /// Why the upload node has not taken it yet; null if it has.
    trouble: Nullable<String>,
}

impl From<LocationNow> for LocationForm {
    fn from(now: LocationNow) -> Self {
        Self {
            url: now.url,
            wallet: now.wallet.to_string(),
            publishes: now.publishes,
            looked_ms: now.looked.map(|looked| looked.get()).into(),
            until_ms: now.until.map(|until| until.get()).into(),
            trouble: now.trouble.into(),
            gateways: now.gateways.into_iter().map(LocationGatewayForm::from).collect(),
            last: now.last.map(PublicationForm::from).into(),
            earlier: now.earlier.into_iter().map(EarlierWalletForm::from).collect(),
        }
    }
}

impl From<EarlierWallet> for EarlierWalletForm {
    fn from(EarlierWallet { wallet, trouble, .. }: EarlierWallet) -> Self {
        Self { wallet: wallet.to_string(), trouble: trouble.into() }
    }
}

impl From<GatewayNow> for LocationGatewayForm {
    fn from(now: GatewayNow) -> Self {
        let trouble = now.troubles().into();
        let GatewayNow { gateway, newest, answers, .. } = now;
        let newest = newest.map(LocationRecordForm::from).into();
        Self { gateway, answers, trouble, newest }
    }
}

impl From<LocationRecord> for LocationRecordForm {
    fn from(record: LocationRecord) -> Self {
        let lives = record.time_to_live.map(|lives| u64::try_from(lives.as_millis()).unwrap_or(u64::MAX));
        Self {
            id: record.id.to_string(),
            url: record.url.into(),
            variant: record.variant.into(),
            time_to_live_ms: lives.into(),
            nonce: record.nonce.into(),
            height: record.block.map(|block| block.height).into(),
        }
    }
}

impl From<Publication> for PublicationForm {
    fn from(publication: Publication) -> Self {
        let Publication { nonce, at, id, url } = publication;
        Self { nonce, id: id.to_string(), url, published_ms: at.get() }
    }
}

impl From<LocationError> for HttpError {
    fn from(error: LocationError) -> Self {
        let text = error.to_string();
        match error {
            LocationError::NotHere(_) | LocationError::TooSoon(_) | LocationError::Overtaken => {
                Self::new(Code::Unavailable, text).with_status(StatusCode::CONFLICT)
            }
            LocationError::NoGateway => Self::new(Code::GatewayError, text),
            LocationError::Sign(_) | LocationError::Publications(_) => Self::internal(text),
            LocationError::Refused(_)
            | LocationError::Clock(_)
            | LocationError::Slow
            | LocationError::Closing => Self::new(Code::Unavailable, text),
        }
    }
}

const NONE: &str = "No record is looked after here: `not_found`.";
const NOT_NOW: &str = "Another was published lately, or it is published elsewhere: `unavailable`.";
const FAILED: &str = "It cannot be signed or kept, and the log of the node says why: `internal`.";
const NO_GATEWAY: &str = "No gateway tells which records there are: `gateway_error`.";
const UNAVAILABLE: &str = "Not possible at the moment: `unavailable`.";

web::refusal! {
    /// There is no record to show.
    NoLocation(HttpError): 404 NONE;

    /// No record was published.
    UnpublishedLocation(HttpError): 404 NONE, 409 NOT_NOW, 500 FAILED, 502 NO_GATEWAY, 503 UNAVAILABLE;
}
