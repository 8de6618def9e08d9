//! The same calls at the listener for operators, below `/public`, with what a page to look at schedules asks beside: one
//! way to a node is enough for all of its pages, and each asks nothing but its own listener.

use std::collections::HashMap;
use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{OpenApi, Tags};

use crate::node::ApiNode;
use crate::public::{ClockForm, SchedulerForm};
use crate::refusals::Unwell;

const BELOW: &str = "/public";

/// Calls that are below `/public`.
pub(crate) struct BelowPublic<A>(pub(crate) A);

impl<A: OpenApi> OpenApi for BelowPublic<A> {
    fn meta() -> Vec<MetaApi> {
        let mut calls = A::meta();
        for path in calls.iter_mut().flat_map(|api| &mut api.paths) {
            path.path = below(&path.path);
        }
        calls
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut own = HashMap::new();
        self.0.add_routes(&mut own);
        for (path, methods) in own {
            table.entry(below(&path)).or_default().extend(methods);
        }
    }
}

/// Paths end with no slash.
fn below(path: &str) -> String {
    format!("{BELOW}{path}").trim_end_matches('/').to_owned()
}

/// What the public listener says of its scheduler.
pub(crate) struct SchedulerApi(pub(crate) Arc<ApiNode>);

#[derive(Tags)]
enum Group {
    /// Looking at schedules: short rows, and exact bytes to verify.
    Explore,
}

#[OpenApi(tag = "Group::Explore")]
impl SchedulerApi {
    /// The scheduler's address and time
    #[oai(path = "/", method = "get", operation_id = "scheduler")]
    async fn scheduler(&self) -> Json<SchedulerForm> {
        Json(SchedulerForm::of(&self.0))
    }

    /// The time and the block height
    #[oai(path = "/timestamp", method = "get", operation_id = "timestamp")]
    async fn timestamp(&self) -> Result<Json<ClockForm>, Unwell> {
        Ok(Json(ClockForm::of(&self.0)?))
    }
}
