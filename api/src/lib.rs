//! The HTTP API of a node.
//!
//! [`public`] is the wire protocol that clients speak, [`admin`] what operators ask for; [`web::serve`] runs either on
//! a listener. Both are described by OpenAPI documents that are generated from the code and checked in under
//! `openapi/`.

mod admin;
mod answer;
mod checks;
mod checks_admin;
mod doors;
mod error;
mod graphql;
mod jobs_admin;
mod model;
mod node;
mod page;
mod public;
mod query;
mod refusals;
mod render;
mod uploads_admin;
mod write_side;

pub use checks::watch_checks;
pub use doors::{admin, admin_openapi, public, public_openapi};
pub use node::{ApiNode, ApiOptions, ApiParts, RenderMetrics};
pub use render::{Cursor, Renderer};
pub use write_side::WriteSide;
