//! Replays, for operators: what follows the log, and jobs that make it anew.

use std::sync::Arc;

use log::Seq;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use projections::{JobState, Jobs, ReplayJob, ReplayScope};
use protocol::Code;
use web::HttpError;

use super::{Operator, model, projection};
use crate::node::ApiNode;
use crate::refusals::{JobRefusal, OperatorRefusal};

/// The calls; the node comes with each request.
pub(crate) struct JobsApi;

#[OpenApi]
impl JobsApi {
    /// What follows the log
    #[oai(path = "/projections", method = "get", operation_id = "projections")]
    async fn projections(
        &self,
        node: Data<&Arc<ApiNode>>,
        _operator: Operator,
    ) -> Result<Json<Vec<FollowedForm>>, OperatorRefusal> {
        Ok(Json(node.read(|node| Ok(followed(node))).await?))
    }

    /// Replays, the newest first
    ///
    /// The last 50 are kept.
    #[oai(path = "/jobs", method = "get", operation_id = "jobs")]
    async fn jobs(
        &self,
        node: Data<&Arc<ApiNode>>,
        _operator: Operator,
    ) -> Result<Json<Vec<JobForm>>, OperatorRefusal> {
        let list = |node: &Arc<ApiNode>| Ok(node.parts.jobs.as_ref().map(Jobs::list).unwrap_or_default());
        Ok(Json(node.read(list).await?.into_iter().map(JobForm::from).collect()))
    }

    /// One replay
    #[oai(path = "/jobs/:id", method = "get", operation_id = "job")]
    async fn job(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The number of the job.
        id: Path<u64>,
        _operator: Operator,
    ) -> Result<Json<JobForm>, JobRefusal> {
        let job = node.read(move |node| Ok(jobs(node)?.get(id.0)?)).await?;
        Ok(Json(job.into()))
    }

    /// Start a replay
    ///
    /// Without `from` and `process` the projection is made anew beside the one in use and takes its place at the end.
    #[oai(path = "/jobs", method = "post", operation_id = "start_job")]
    async fn start(
        &self,
        node: Data<&Arc<ApiNode>>,
        asked: Json<ReplayForm>,
        _operator: Operator,
    ) -> Result<Json<JobForm>, JobRefusal> {
        let ReplayForm { projection, from, process } = asked.0;
        let process = process.map(|process| process.parse().map_err(|error| wrong(&process, &error)));
        let scope = ReplayScope { from: from.map(Seq::new), process: process.transpose()? };
        let job = node.read(move |node| Ok(jobs(node)?.start(&projection, scope)?)).await?;
        Ok(Json(job.into()))
    }

    /// End a replay early
    ///
    /// It ends soon after this is answered.
    #[oai(path = "/jobs/:id/cancel", method = "post", operation_id = "cancel_job")]
    async fn cancel(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The number of the job.
        id: Path<u64>,
        _operator: Operator,
    ) -> Result<Json<JobForm>, JobRefusal> {
        let job = node.read(move |node| Ok(jobs(node)?.cancel(id.0)?)).await?;
        Ok(Json(job.into()))
    }

    /// Take up again a replay that ended early
    #[oai(path = "/jobs/:id/resume", method = "post", operation_id = "resume_job")]
    async fn resume(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The number of the job.
        id: Path<u64>,
        _operator: Operator,
    ) -> Result<Json<JobForm>, JobRefusal> {
        let job = node.read(move |node| Ok(jobs(node)?.resume(id.0)?)).await?;
        Ok(Json(job.into()))
    }
}

/// What to replay.
#[derive(Debug, Object)]
#[oai(rename = "Asked")]
struct ReplayForm {
    /// The name of the projection.
    projection: String,
    /// The sequence number of the first event; the beginning if it is left out.
    from: Option<u64>,
    /// The one process that is meant; all if it is left out.
    process: Option<String>,
}

/// A projection, and what can be done about it.
#[derive(Debug, Object)]
#[oai(rename = "Followed")]
struct FollowedForm {
    /// How it does.
    #[oai(flatten)]
    projection: model::ProjectionForm,
    /// Whether it can be replayed.
    can_replay: bool,
    /// The number of the job that replays it; null if none does.
    job: Option<u64>,
}

/// A replay.
#[derive(Debug, Object)]
#[oai(rename = "Job")]
struct JobForm {
    /// Its number.
    id: u64,
    /// What is replayed.
    projection: String,
    /// The first event that was asked for; null for the beginning.
    from: Option<u64>,
    /// The process that was asked for; null for all.
    process: Option<String>,
    /// Whether it runs, or how it ended.
    state: JobStateForm,
    /// Why it failed.
    reason: Option<String>,
    /// What is being done, in a word or two.
    phase: String,
    /// Events that are done.
    done: u64,
    /// Events that there are to do; it grows while the log does.
    total: u64,
    /// When it was started or resumed, in milliseconds since 1970.
    started_ms: u64,
    /// For how many milliseconds it has been running since then, or ran.
    took_ms: u64,
}

/// Whether a replay runs, or how it ended.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "JobState", rename_all = "snake_case")]
enum JobStateForm {
    /// It runs.
    Running,
    /// All is done.
    Done,
    /// Somebody ended it.
    Cancelled,
    /// It could not go on.
    Failed,
    /// The node went down while it was running.
    Interrupted,
}

impl From<ReplayJob> for JobForm {
    fn from(job: ReplayJob) -> Self {
        Self {
            id: job.id,
            projection: job.projection,
            from: job.scope.from.map(Seq::get),
            process: job.scope.process.map(|process| process.to_string()),
            state: match job.state {
                JobState::Running => JobStateForm::Running,
                JobState::Done => JobStateForm::Done,
                JobState::Cancelled => JobStateForm::Cancelled,
                JobState::Failed => JobStateForm::Failed,
                JobState::Interrupted => JobStateForm::Interrupted,
            },
            reason: job.reason,
            phase: job.phase,
            done: job.done,
            total: job.total,
            started_ms: job.started_ms,
            took_ms: job.took_ms,
        }
    }
}

fn jobs(node: &ApiNode) -> Result<&Jobs, HttpError> {
    node.parts.jobs.as_ref().ok_or_else(|| HttpError::not_found("nothing can be replayed here"))
}

fn wrong(process: &str, error: &dyn std::fmt::Display) -> HttpError {
    HttpError::new(Code::InvalidParameter, format!("the process {process:?} is no id: {error}"))
}

fn followed(node: &ApiNode) -> Vec<FollowedForm> {
    let tail = node.parts.log.tail().last();
    let replayable = node.parts.jobs.as_ref().map(Jobs::projections).unwrap_or_default();
    let followed = node.parts.projections.iter().map(|position| {
        let job = node.parts.jobs.as_ref().and_then(|jobs| jobs.under_way(position.name()));
        FollowedForm {
            projection: projection(position.status(tail)),
            can_replay: replayable.contains(&position.name()),
            job: job.map(|job| job.id),
        }
    });
    followed.collect()
}
