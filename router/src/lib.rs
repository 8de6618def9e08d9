//! One door in front of many schedulers.
//!
//! A [`Router`] knows which scheduler has which process and sends each call there, by a redirect or by passing it on; it
//! gives each new process a home, once and for ever. What it knows is an event log with what follows from it, see
//! [`StateOptions`]. [`public`] and [`admin`] are its two listeners' calls; both are described by OpenAPI documents that
//! are generated from the code and checked in under `openapi/`.

mod admin;
mod busy;
mod claims;
mod error;
mod fleet;
mod folder;
mod following;
mod health;
mod hop_headers;
mod known;
mod list;
mod listeners;
mod lookup;
mod marks;
mod member;
mod metrics;
mod moving;
mod options;
mod places;
mod placing;
mod published;
mod promoter;
mod public;
mod question;
mod reaching;
mod refresh;
mod registration;
mod relayed;
mod router;
mod scheduler_url;
mod sending;
mod state;
mod tasks;
mod told;
mod upstream;

pub use error::RouterError;
pub use list::{SchedulerFlags, SchedulerListError};
pub use listeners::{admin, admin_openapi, public, public_openapi};
pub use metrics::describe;
pub use options::{FailoverOptions, RouterMode, RouterOptions, StateOptions};
pub use published::RouterPublications;
pub use router::Router;
pub use scheduler_url::{SchedulerUrl, SchedulerUrlError};
pub use state::StateError;
pub use tasks::RouterTask;
pub use upstream::sockets_max;
