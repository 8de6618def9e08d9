//! What a node did lately: how fast it was, what happened to it, which processes are busy; and how it is.

mod busy;

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use web::{Given, HttpError};

use super::overview::OverviewForm;
use crate::history::{self, HistoryForm};
use crate::node::ApiNode;
use crate::refusals::{LatelyRefusal, SeriesRefusal};
use crate::series::{SeriesForm, SeriesStep};
use busy::BusyForm;

/// The calls, and the node that answers them.
pub(crate) struct LatelyApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl LatelyApi {
    /// How the node is and was
    ///
    /// All that the page of a node shows first: its state, its checks and its series, as at one moment.
    #[oai(path = "/overview", method = "get", operation_id = "overview")]
    async fn overview(
        &self,
        /// Whether the minutes of the last 24 hours are told, too: `true` or `false`, which is the default.
        minutes: Given<bool>,
    ) -> Result<Json<OverviewForm>, LatelyRefusal> {
        let has_minutes = minutes.0.unwrap_or_default();
        Ok(Json(self.0.read(move |node| OverviewForm::of(node, has_minutes)).await?))
    }

    /// How fast the node was
    ///
    /// Points are kept in memory since the start of the node.
    #[oai(path = "/series", method = "get", operation_id = "series")]
    async fn series(
        &self,
        /// How long a point is: `moment`, five seconds, of the last five minutes; `minute`, of the last 24 hours.
        step: Given<SeriesStep>,
    ) -> Result<Json<SeriesForm>, SeriesRefusal> {
        if self.0.parts.options.counted.is_none() {
            return Err(HttpError::not_found("this node counts nothing").into());
        }
        let step = step.0.unwrap_or_default();
        let form = self.0.read(move |node| Ok(SeriesForm::of(&node.series.points(step))));
        Ok(Json(form.await?))
    }

    /// What happened to the node
    ///
    /// Starts and ends, what the node did from when on, changes of checks, replays, and what the log records about the
    /// node. Of each subject the newest are kept.
    #[oai(path = "/history", method = "get", operation_id = "history")]
    async fn history(
        &self,
        /// Only what happened at this time or later, in milliseconds since 1970.
        since: Given<u64>,
        /// Only what happened before this time, in milliseconds since 1970, and what has no time.
        before: Given<u64>,
    ) -> Result<Json<HistoryForm>, LatelyRefusal> {
        let form = self.0.read(move |node| history::told(node, since.0, before.0));
        Ok(Json(form.await?))
    }

    /// The processes with most of the newest events
    ///
    /// The newest 1,000 events are counted.
    #[oai(path = "/processes/busy", method = "get", operation_id = "busy")]
    async fn busy(&self) -> Result<Json<BusyForm>, LatelyRefusal> {
        Ok(Json(self.0.read(|node| Ok(busy::count(node.parts.log.as_ref())?)).await?))
    }
}
