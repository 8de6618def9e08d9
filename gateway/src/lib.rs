//! The world around a scheduler unit: clients of Arweave gateways and upload nodes, the feed of
//! block heights, and a gateway of our own for development.
//!
//! Everything that asks over the network has a timeout, a bound on the size of an answer and a
//! bounded number of attempts. A 404 is an answer (`None`), never an error.

mod endpoints;
mod error;
mod upload_error;
mod world;

mod http;
mod remote;
mod uploader;

mod files;
mod heights;
mod locations;

pub mod metrics;

/// The development gateway: what `quipu dev` runs in place of Arweave.
pub mod dev;

#[cfg(test)]
mod testing;

pub use endpoints::{EndpointError, Endpoints, parse_file_url, parse_host_list, parse_url, parse_url_list};
pub use error::{AnswerError, Call, GatewayError, RedirectError};
pub use heights::{HEIGHT_MAX, HeightDoubt, HeightFeed, HeightFile, HeightOptions, KnownHeight};
pub use http::{Http, HttpOptions, RETRY_AFTER_MAX, is_public, retry_after};
pub use locations::{LocationBlock, LocationKind, LocationRecord, Locations, ToldLocations};
pub use remote::HttpGateway;
pub use reqwest::Url;
pub use upload_error::UploadError;
pub use uploader::Uploader;
pub use world::{Confirmations, Gateway, OtherHeights, Transaction, TransactionOwner};
