//! Replays, for operators: the projections that follow the log, and the jobs that make them anew.

mod model;

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use projections::{Jobs, ReplayJob};
use web::{HttpError, JsonBody, Path};

use crate::admin::model::ProjectionForm;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::{JobChangeRefusal, JobRefusal, OperatorRefusal, ReplayRefusal};
use model::{FollowedForm, JobForm, ReplayForm};

/// The calls, and the node that answers them.
pub(crate) struct JobsApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl JobsApi {
    /// The projections that follow the log
    #[oai(path = "/projections", method = "get", operation_id = "projections")]
    async fn projections(&self) -> Result<Json<Vec<FollowedForm>>, OperatorRefusal> {
        Ok(Json(self.0.read(|node| Ok(followed(node))).await?))
    }

    /// Replays, newest first
    ///
    /// The last 50 are kept.
    #[oai(path = "/jobs", method = "get", operation_id = "jobs")]
    async fn jobs(&self) -> Result<Json<Vec<JobForm>>, OperatorRefusal> {
        let list = |node: &Arc<ApiNode>| Ok(node.parts.jobs.as_ref().map(Jobs::list).unwrap_or_default());
        Ok(Json(self.0.read(list).await?.into_iter().map(JobForm::from).collect()))
    }

    /// A replay
    #[oai(path = "/jobs/:id", method = "get", operation_id = "job")]
    async fn job(
        &self,
        /// The number of the job.
        id: Path<u64>,
    ) -> Result<Json<JobForm>, JobRefusal> {
        Ok(self.ask(move |jobs| Ok(jobs.get(id.0)?)).await?)
    }

    /// Start a replay
    ///
    /// Without `from` and `process`, the whole projection is built anew beside the one in use, and takes its place at the
    /// end.
    #[oai(path = "/jobs", method = "post", operation_id = "start_job")]
    async fn start(
        &self,
        /// What to replay.
        replay: JsonBody<ReplayForm>,
    ) -> Result<Json<JobForm>, ReplayRefusal> {
        let (projection, scope) = replay.0.read()?;
        Ok(self.ask(move |jobs| Ok(jobs.start(&projection, scope)?)).await?)
    }

    /// Cancel a replay
    ///
    /// It ends soon after this call is answered.
    #[oai(path = "/jobs/:id/cancel", method = "post", operation_id = "cancel_job")]
    async fn cancel(
        &self,
        /// The number of the job.
        id: Path<u64>,
    ) -> Result<Json<JobForm>, JobChangeRefusal> {
        Ok(self.ask(move |jobs| Ok(jobs.cancel(id.0)?)).await?)
    }

    /// Resume a replay that ended early
    #[oai(path = "/jobs/:id/resume", method = "post", operation_id = "resume_job")]
    async fn resume(
        &self,
        /// The number of the job.
        id: Path<u64>,
    ) -> Result<Json<JobForm>, JobChangeRefusal> {
        Ok(self.ask(move |jobs| Ok(jobs.resume(id.0)?)).await?)
    }
}

impl JobsApi {
    /// Does something with a job and shows it afterwards.
    async fn ask(
        &self,
        ask: impl FnOnce(&Jobs) -> Result<ReplayJob, CallError> + Send + 'static,
    ) -> Result<Json<JobForm>, CallError> {
        let job = self.0.read(move |node| {
            let none = || HttpError::not_found("this node replays nothing");
            ask(node.parts.jobs.as_ref().ok_or_else(none)?)
        });
        Ok(Json(job.await?.into()))
    }
}

fn followed(node: &ApiNode) -> Vec<FollowedForm> {
    let tail = node.parts.log.tail().last();
    let replayable = node.parts.jobs.as_ref().map(Jobs::projections).unwrap_or_default();
    let all = node.projections();
    let followed = all.iter().map(|position| {
        let job = node.parts.jobs.as_ref().and_then(|jobs| jobs.under_way(position.name()));
        FollowedForm {
            projection: ProjectionForm::of(node, position, tail),
            can_replay: replayable.contains(&position.name()),
            job: job.map(|job| job.id).into(),
        }
    });
    followed.collect()
}
