//! The HTTP API of a node.
//!
//! [`public`] is the wire protocol that clients speak, [`admin`] what operators ask for; [`serve`] runs either on a
//! listener, with bounds on how long a client may take. Both are described by OpenAPI documents that are generated
//! from the code and checked in under `openapi/`.

mod admin;
mod answer;
mod body;
mod checks;
mod checks_admin;
mod compression;
mod connection;
mod cors;
mod doors;
mod error;
mod graphql;
mod jobs_admin;
mod metrics;
mod model;
mod node;
mod observe;
mod page;
mod params;
mod public;
mod query;
mod refusals;
mod render;
mod server;
mod uploads_admin;

pub use checks::watch_checks;
pub use doors::{admin, admin_openapi, public, public_openapi};
pub use metrics::describe;
pub use node::{Node, Options, RenderMetrics};
pub use render::{Cursor, Renderer};
pub use server::{Limits, serve};
