//! The HTTP API of a node.
//!
//! [`public`] is the wire protocol that clients speak, [`admin`] what operators ask for; [`web::serve`] runs either on
//! a listener. Both are described by OpenAPI documents that are generated from the code and checked in under
//! `openapi/`.

mod admin;
mod attempt;
mod checks;
mod error;
mod explore;
mod forwarding;
mod gate_seen;
mod graphql;
mod health;
mod history;
mod hyperbeam;
mod limit;
mod listeners;
mod member_calls;
mod member_forms;
mod metrics;
mod moving;
mod node;
mod processes;
mod public;
mod query;
mod recent;
mod refusals;
mod render;
mod rendering;
mod rooms;
mod routed;
mod series;
mod turns;
mod write_side;

pub use checks::watch_checks;
pub use forwarding::{ForwardError, ForwardWrites, ForwardedAnswer, ForwardedCall};
pub use gate_seen::{GateNow, GateSeen};
pub use history::watch_history;
pub use listeners::{admin, admin_openapi, public, public_openapi};
pub use member_calls::{MemberCallError, MemberCalls, MemberChange};
pub use member_forms::{MembershipForm, PromiseForm, PromotedForm, VoterForm};
pub use metrics::describe;
pub use moving::{LeftProcess, MoveCalls, MoveJobForm, MoveOrderForm, MovedProcessForm, Standstill};
pub use node::{ApiNode, ApiOptions, ApiParts, PagesServed, RenderMetrics};
pub use processes::count_processes;
pub use render::{PageBy, Renderer};
pub use routed::FleetStanding;
pub use series::watch_series;
pub use write_side::{WriteSide, Writes};
