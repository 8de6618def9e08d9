//! All that the first screen of an operator shows, in one answer: a browser asks once, and its parts are of one moment.

use poem_openapi::Object;
use web::Nullable;

use super::checks::{self, CheckForm};
use super::model::StatusForm;
use super::status::status;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::series::{SeriesForm, SeriesStep};

/// How a node is and was.
#[derive(Debug, Object)]
#[oai(rename = "Overview")]
pub(super) struct OverviewForm {
    /// The state of the node.
    status: StatusForm,
    /// What it finds when it looks at itself.
    checks: Vec<CheckForm>,
    /// What it did in the last five minutes, five seconds a point; null where nothing is counted.
    moments: Nullable<SeriesForm>,
    /// What it did in the last 24 hours, a minute a point; null where nothing is counted, or this was not asked for.
    minutes: Nullable<SeriesForm>,
}

impl OverviewForm {
    pub(super) fn of(node: &ApiNode, has_minutes: bool) -> Result<Self, CallError> {
        let series = |step, is_asked: bool| {
            let is_told = is_asked && node.parts.options.counted.is_some();
            is_told.then(|| SeriesForm::of(&node.series.points(step))).into()
        };
        Ok(Self {
            status: status(node)?,
            checks: checks::found(node).1,
            moments: series(SeriesStep::Moment, true),
            minutes: series(SeriesStep::Minute, has_minutes),
        })
    }
}
