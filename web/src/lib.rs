//! HTTP as every listener of Quipu speaks it, whatever is behind it.
//!
//! [`serve`] runs an endpoint on a listener, with bounds on how many clients there may be and how long each may take.
//! [`HttpError`] is what a client is told when something is refused; [`catch`] makes every other error one. The rest
//! is what calls are put together from: bodies, parameters, compression, CORS and metrics.

mod body;
mod compression;
mod connection;
mod cors;
mod error;
mod error_form;
mod limits;
mod metrics;
mod observe;
mod params;
mod server;

pub use body::ItemBody;
pub use compression::compress;
pub use cors::allow_all;
pub use error::{HttpError, catch};
pub use error_form::ErrorForm;
pub use limits::Limits;
pub use metrics::describe;
pub use observe::count;
pub use params::{Fields, Flag, Given, Needed, Parameter};
pub use server::serve;
