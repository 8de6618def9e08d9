//! The checks of a node's health, for operators and for what watches over nodes.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};

use super::Operator;
use crate::checks::{self, CheckLevel, Finding};
use crate::node::ApiNode;
use crate::refusals::OperatorRefusal;

/// The call; the node comes with each request.
pub(crate) struct ChecksApi;

#[OpenApi]
impl ChecksApi {
    /// Whether all of the node is well
    ///
    /// 503 when a check fails; a warning is no failure.
    #[oai(path = "/checks", method = "get", operation_id = "checks")]
    async fn checks(
        &self,
        node: Data<&Arc<ApiNode>>,
        _operator: Operator,
    ) -> Result<Checked, OperatorRefusal> {
        let found = node.read(|node| Ok(checks::all(node))).await?;
        let worst = found.iter().map(|finding| finding.level).max().unwrap_or(CheckLevel::Ok);
        let checks =
            ChecksForm { status: worst.into(), checks: found.into_iter().map(CheckForm::from).collect() };
        Ok(if worst == CheckLevel::Fail {
            Checked::Unwell(Json(checks))
        } else {
            Checked::Well(Json(checks))
        })
    }
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
    /// The worst of them.
    status: CheckStatusForm,
    /// Each of them.
    checks: Vec<CheckForm>,
}

/// One check.
#[derive(Debug, Object)]
#[oai(rename = "Check")]
struct CheckForm {
    /// What is checked: `log`, `disk`, `gateway`, or the name of a projection.
    name: String,
    /// What came out.
    status: CheckStatusForm,
    /// Why, for a person.
    reason: String,
    /// For how long it has had this status, in seconds.
    age_seconds: f64,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "CheckStatus", rename_all = "snake_case")]
enum CheckStatusForm {
    /// As it should be.
    Ok,
    /// It goes on, but somebody should look.
    Warn,
    /// Somebody has to do something.
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
        }
    }
}
