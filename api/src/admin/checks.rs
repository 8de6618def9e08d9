//! The checks of a node's health, for operators and for what watches over nodes.

use std::sync::Arc;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};

use crate::checks::{self, CheckLevel, Finding};
use crate::node::ApiNode;
use crate::refusals::OperatorRefusal;

/// The call, and the node that answers it.
pub(crate) struct ChecksApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl ChecksApi {
    /// Check everything that keeps the node healthy
    ///
    /// The status is 503 if a check fails. A warning is not a failure.
    #[oai(path = "/checks", method = "get", operation_id = "checks")]
    async fn checks(&self) -> Result<Checked, OperatorRefusal> {
        let (worst, checks) = self.0.read(|node| Ok(found(node))).await?;
        let form = Json(ChecksForm { status: worst.into(), checks });
        Ok(if worst == CheckLevel::Fail { Checked::Unwell(form) } else { Checked::Well(form) })
    }
}

/// What is found, and the worst of it.
pub(super) fn found(node: &ApiNode) -> (CheckLevel, Vec<CheckForm>) {
    let found = checks::all(node);
    let worst = found.iter().map(|finding| finding.level).max().unwrap_or(CheckLevel::Ok);
    (worst, found.into_iter().map(CheckForm::from).collect())
}

#[derive(ApiResponse)]
enum Checked {
    /// No check fails.
    #[oai(status = 200)]
    Well(Json<ChecksForm>),
    /// A check fails.
    #[oai(status = 503)]
    Unwell(Json<ChecksForm>),
}

/// All checks.
#[derive(Debug, Object)]
#[oai(rename = "Checks")]
struct ChecksForm {
    /// The worst status among them.
    status: CheckStatusForm,
    /// The checks.
    checks: Vec<CheckForm>,
}

/// One check.
#[derive(Debug, Object)]
#[oai(rename = "Check")]
pub(super) struct CheckForm {
    /// What is checked: `writes`, `log`, `members`, `gate`, `replication`, `moves`, `addresses` or `processes` (the lists of those that are
    /// let in), `location` (the record that says where the scheduler is), `disk`, `gateway`, `clock`, `connections`, or the name
    /// of a projection.
    name: String,
    /// The result.
    status: CheckStatusForm,
    /// The reason, for a person to read.
    reason: String,
    /// How long it has had this status, in seconds.
    age_seconds: f64,
    /// Whether it had this status when the node looked first after its start: it may have had it for longer than that.
    since_start: bool,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "CheckStatus", rename_all = "snake_case")]
enum CheckStatusForm {
    /// All is well.
    Ok,
    /// The node goes on, but somebody should have a look.
    Warn,
    /// Somebody has to act.
    Fail,
}

impl From<CheckLevel> for CheckStatusForm {
    fn from(level: CheckLevel) -> Self {
        match level {
            CheckLevel::Ok => Self::Ok,
            CheckLevel::Warn => Self::Warn,
            CheckLevel::Fail => Self::Fail,
        }
    }
}

impl From<Finding> for CheckForm {
    fn from(finding: Finding) -> Self {
        Self {
            name: finding.name.to_owned(),
            status: finding.level.into(),
            reason: finding.reason,
            age_seconds: finding.age.as_secs_f64(),
            since_start: finding.is_at_least,
        }
    }
}
