//! The operators' calls of a router.

mod checks;
mod model;

use std::collections::BTreeSet;
use std::sync::Arc;

use ans104::Id;
use location::{LocationHealth, LocationSeat};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use protocol::Code;
use web::{HttpError, JsonBody, Path};

use crate::lookup::RouteKey;
use crate::member::FleetMember;
use crate::public::{FleetRefusal, OperatorsNotWell, WhereRefusal};
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
use crate::state::FleetChange;
use checks::checks;
use model::{
    AddedForm, HomeForm, MemberForm, RegisteredForm, RetiredForm, RouterCheckForm, RouterChecksForm,
    RouterLevelForm, RouterStatusForm,
};

/// The calls that need no token.
pub(crate) struct RouterHealthApi(pub(crate) Arc<Router>);

/// The calls, and the router that answers them.
pub(crate) struct FleetApi {
    pub(crate) router: Arc<Router>,
    /// Who looks after the record that leads here, if anybody does.
    pub(crate) location: LocationSeat,
}

#[derive(ApiResponse)]
enum RouterChecked {
    /// No check fails.
    #[oai(status = 200)]
    Well(Json<RouterChecksForm>),
    /// A check fails.
    #[oai(status = 503)]
    Unwell(Json<RouterChecksForm>),
}

#[OpenApi]
impl RouterHealthApi {
    /// Whether processes can be spawned
    ///
    /// The answer is empty while they can. This call needs no token.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self) -> Result<(), OperatorsNotWell> {
        match self.0.refusal() {
            Some(reason) => Err(HttpError::new(Code::Unavailable, reason).into()),
            None => Ok(()),
        }
    }
}

#[OpenApi]
impl FleetApi {
    /// The state of the router
    #[oai(path = "/status", method = "get", operation_id = "status")]
    async fn status(&self) -> Json<RouterStatusForm> {
        let router = &self.router;
        Json(RouterStatusForm {
            role: "router".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: router.started.elapsed().as_secs_f64(),
            mode: router.options.mode.as_str().to_owned(),
            state: router.state.kind().to_owned(),
            failover: router.promoter.is_some(),
            store: router.state.store().to_string(),
            processes_remembered: u64::try_from(router.known.len()).unwrap_or(u64::MAX),
            writes_refused: router.refusal().into(),
            schedulers: members(router),
        })
    }

    /// Whether all is well with the router and its schedulers
    #[oai(path = "/checks", method = "get", operation_id = "checks")]
    async fn checks(&self) -> RouterChecked {
        let checks = self.checks_now();
        let status = checks.iter().map(|check| check.status).max().unwrap_or(RouterLevelForm::Ok);
        let form = Json(RouterChecksForm { status, checks });
        if status == RouterLevelForm::Fail { RouterChecked::Unwell(form) } else { RouterChecked::Well(form) }
    }

    /// The schedulers
    #[oai(path = "/schedulers", method = "get", operation_id = "schedulers")]
    async fn schedulers(&self) -> Json<Vec<MemberForm>> {
        Json(members(&self.router))
    }

    /// Add a scheduler, or change one
    ///
    /// It gets processes once it has answered as a scheduler; what it answered when it was asked first is in this answer. One
    /// that was retired gets new processes again. What the list in the file says of it counts again at the next start and when
    /// the file changes.
    #[oai(path = "/schedulers", method = "post", operation_id = "add_scheduler")]
    async fn add(
        &self,
        /// The scheduler.
        scheduler: JsonBody<AddedForm>,
    ) -> Result<Json<MemberForm>, FleetRefusal> {
        let listed = scheduler.0.read()?;
        let url = listed.url.clone();
        self.router.change(FleetChange::Added(listed)).await?;
        if let Some(new) = self.router.fleet.at(&url).filter(|member| member.standing.is_new()) {
            self.router.look(&new).await;
        }
        Ok(Json(self.member(&url)?))
    }

    /// Give a scheduler no new processes any more
    ///
    /// It keeps those that it has.
    #[oai(path = "/schedulers/retire", method = "post", operation_id = "retire_scheduler")]
    async fn retire(
        &self,
        /// The scheduler.
        scheduler: JsonBody<RetiredForm>,
    ) -> Result<Json<MemberForm>, FleetRefusal> {
        Ok(self.change_known(scheduler.0.read()?, FleetChange::Retired).await?)
    }

    /// Forget what a scheduler has told
    ///
    /// Where it leads a store that it should not, such as a copy that somebody started. It gets no new processes, leads
    /// nothing, and what it tells counts no more until it is added again.
    #[oai(path = "/schedulers/forget", method = "post", operation_id = "forget_scheduler")]
    async fn forget(
        &self,
        /// The scheduler.
        scheduler: JsonBody<RetiredForm>,
    ) -> Result<Json<MemberForm>, FleetRefusal> {
        let url = scheduler.0.read()?;
        let member = self.known(&url)?;
        let processes = member.standing.processes();
        if processes > 0
            && let Some(other) = self.router.fleet.shared_with(&member)
        {
            let text = format!(
                "{processes} processes were placed at {url}, and are led to {} by the store that it told, once it is retired: \
                 retire it instead",
                other.url
            );
            return Err(HttpError::new(Code::InvalidParameter, text).into());
        }
        self.router.forget_mark(&member).await?;
        Ok(self.change_known(url, FleetChange::Forgotten).await?)
    }

    /// Give up what is missing in the log of a scheduler
    ///
    /// Where a scheduler has fewer events than were seen of it, since it was set back to an older copy. What was acknowledged
    /// behind that is lost then, and its nonces are given again.
    #[oai(path = "/schedulers/accept", method = "post", operation_id = "accept_loss")]
    async fn accept(
        &self,
        /// The scheduler.
        scheduler: JsonBody<RetiredForm>,
    ) -> Result<Json<MemberForm>, FleetRefusal> {
        let url = scheduler.0.read()?;
        self.router.accept(&*self.known(&url)?).await?;
        Ok(Json(self.member(&url)?))
    }

    /// Register a scheduler
    ///
    /// What a scheduler says of itself every few seconds. What is new of it counts if it is what its URL answers. One that is not
    /// known gets new processes from then on if it leads; what an operator has said of it stays.
    #[oai(path = "/schedulers/register", method = "post", operation_id = "register_scheduler")]
    async fn register(
        &self,
        /// The scheduler.
        scheduler: JsonBody<RegisteredForm>,
    ) -> Result<Json<MemberForm>, FleetRefusal> {
        let registration = scheduler.0.read()?;
        let url = registration.url.clone();
        self.router.register(registration).await?;
        Ok(Json(self.member(&url)?))
    }

    /// Which scheduler has a process
    ///
    /// The schedulers are asked for one that is not known.
    #[oai(path = "/homes/:process", method = "get", operation_id = "home")]
    async fn home(
        &self,
        /// The process.
        process: Path<Id>,
    ) -> Result<Json<HomeForm>, WhereRefusal> {
        let route = self.router.home(RouteKey::Process(process.0.into()), Code::NotFound).await?;
        let lead = self.router.lead(&route.member);
        Ok(Json(HomeForm {
            process: process.0.to_string(),
            scheduler: lead.url.to_string(),
            reached: lead.standing.is_reached(),
            store: lead.store.map(|store| store.to_string()).into(),
            term: lead.lead.term.0,
            version: route.version,
        }))
    }
}

impl FleetApi {
    /// Changes what counts of a scheduler that is there.
    async fn change_known(
        &self,
        url: SchedulerUrl,
        change: impl FnOnce(SchedulerUrl) -> FleetChange,
    ) -> Result<Json<MemberForm>, HttpError> {
        self.known(&url)?;
        self.router.change(change(url.clone())).await?;
        Ok(Json(self.member(&url)?))
    }

    fn checks_now(&self) -> Vec<RouterCheckForm> {
        let location = self.location.taken().map(|location| {
            let (health, reason) = location.health();
            let status = match health {
                LocationHealth::Well => RouterLevelForm::Ok,
                LocationHealth::Doubtful => RouterLevelForm::Warn,
            };
            RouterCheckForm { name: "location".to_owned(), status, reason }
        });
        checks(&self.router).into_iter().chain(location).collect()
    }

    fn known(&self, url: &SchedulerUrl) -> Result<Arc<FleetMember>, HttpError> {
        let missing = || HttpError::not_found(format!("there is no scheduler {url} at this router"));
        self.router.fleet.at(url).ok_or_else(missing)
    }

    fn member(&self, url: &SchedulerUrl) -> Result<MemberForm, HttpError> {
        let member = self.known(url)?;
        Ok(MemberForm::of(&self.router.fleet, &member, !self.router.unlisted().contains(url)))
    }
}

fn members(router: &Router) -> Vec<MemberForm> {
    let unlisted: BTreeSet<SchedulerUrl> = router.unlisted();
    let members = router.fleet.members();
    let form =
        |member: &Arc<FleetMember>| MemberForm::of(&router.fleet, member, !unlisted.contains(&member.url));
    members.values().map(form).collect()
}
