//! HTTP as every listener of Quipu speaks it, whatever is behind it.
//!
//! [`endpoint`] makes calls that are written with poem-openapi the endpoint of a listener, with their description,
//! compression, CORS, errors as JSON and metrics; [`serve`] runs it, with bounds on how many clients there may be and how
//! long each may take. Calls are put together from bodies and parameters that say in plain words what was wrong with
//! them.

mod below;
mod body;
mod budget;
mod canned;
mod catch;
mod coming;
mod compression;
mod connection;
mod cors;
mod counted;
mod crowd;
mod dates;
mod described;
mod docs;
mod error;
mod error_form;
pub mod fleet_headers;
mod frequent;
mod guarded;
pub mod hyperbeam;
mod held;
mod json_body;
mod limited;
mod limits;
mod metrics;
mod nullable;
mod observe;
mod operators;
mod pages;
mod parameter;
mod params;
mod plain_path;
mod refusal;
mod routes;
mod server;
mod site;
mod stopping;
mod strict;
mod tls;
mod traffic;
mod two_lengths;
mod visitor;
mod waiting;

pub use below::{below_origin, read_origin};
pub use body::{HOPS, RawBody, RawItem};
pub use budget::{BRIEF, Budget, Lack, MemoryClaim, Share, Spent};
pub use connection::CONNECTION_BYTES;
pub use counted::{IsCounted, Relayed};
pub use crowd::{Crowded, Crowding};
pub use error::HttpError;
pub use error_form::{ErrorForm, documented};
pub use frequent::Frequent;
pub use guarded::Guarded;
pub use json_body::{JsonBody, JsonForm, read_field};
pub use limited::{Limited, client_of};
pub use limits::Limits;
pub use metrics::describe;
pub use nullable::Nullable;
pub use operators::OperatorToken;
pub use pages::{PageFile, Pages};
pub use parameter::{Parameter, expected};
pub use params::{Flag, Given, GivenHeader, HeaderList, Needed, Path, Repeated};
pub use server::serve;
pub use site::{About, Visitors, endpoint, endpoint_with, openapi};
pub use stopping::Stopping;
pub use strict::Strict;
pub use tls::{Tls, TlsError};
pub use waiting::{Lasting, LastingRoom, Lasts};
