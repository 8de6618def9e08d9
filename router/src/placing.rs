//! Which scheduler a call is for; and giving a new process its home.

use std::sync::Arc;

use ans104::{Address, Id, Item};
use bytes::Bytes;
use poem::Request;
use protocol::{Code, ProcessId, Submission, check_spawn, check_tags};
use tokio::task::spawn_blocking;
use web::{HttpError, RawBody};

use crate::fleet::NoPlace;
use crate::lookup::{RouteKey, Whereabouts};
use crate::member::FleetMember;
use crate::metrics;
use crate::question::SearchPurpose;
use crate::router::Router;
use crate::state::{Home, HomeCause, SchedulerNumber, StateError};
use crate::upstream::check_hops;

/// The longest item, in bytes.
const ITEM_MAX: usize = 10 << 20;

impl From<StateError> for HttpError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Unreadable(_) | StateError::Damaged(_) | StateError::OtherDatabase { .. } => {
                Self::internal(error)
            }
            StateError::Halted(_) | StateError::Away(_) | StateError::Hangs(_) => {
                tracing::debug!(%error, "nothing is placed");
                let text =
                    "this router cannot place processes at the moment; what it knows goes on; try again";
                Self::new(Code::Unavailable, text)
            }
            StateError::Closing => Self::new(Code::Unavailable, error.to_string()),
        }
    }
}

/// Where a call goes.
#[derive(Clone)]
pub(crate) struct Route {
    /// What it is about: a process, or something in one.
    pub(crate) subject: ProcessId,
    /// The scheduler that has that.
    pub(crate) member: Arc<FleetMember>,
    /// How often the process has moved.
    pub(crate) version: u64,
}

/// What was posted, and where it goes.
pub(crate) struct PostedItem {
    pub(crate) route: Route,
    /// The item, or the transaction that is assigned.
    pub(crate) id: Id,
    pub(crate) body: Bytes,
}

impl Router {
    /// The scheduler that has it.
    ///
    /// # Errors
    /// When none has it, with this code; or that is not known at the moment.
    pub(crate) async fn home(self: &Arc<Self>, subject: RouteKey, absent: Code) -> Result<Route, HttpError> {
        let found = match self.known.whereabouts(&subject) {
            Some(home) => Whereabouts::At(home),
            None => match self.known.absent(&subject) {
                // Another router may have placed it since it was looked for.
                Some(found) if !self.state.is_shared() => found,
                _ => self.look_up(subject, SearchPurpose::Reading).await,
            },
        };
        match found {
            Whereabouts::At(home) => self.route(subject.id().into(), home).await,
            Whereabouts::Nowhere => Err(HttpError::new(absent, nowhere(subject))),
            Whereabouts::Unsure(reason) => {
                let text =
                    format!("it is not known at the moment which scheduler has {}: {reason}", subject.id());
                Err(HttpError::new(Code::Unavailable, text))
            }
        }
    }

    /// The scheduler that a posted item is for, and the item. A process that is new is given a home, which is on disk then.
    ///
    /// # Errors
    /// When it is no item that can be scheduled, another router has passed it on, or there is nobody for it.
    pub(crate) async fn home_of_item(
        self: &Arc<Self>,
        request: &Request,
        item: RawBody,
    ) -> Result<PostedItem, HttpError> {
        check_hops(request)?;
        self.home_of(item.read(ITEM_MAX).await?).await
    }

    async fn home_of(self: &Arc<Self>, body: Bytes) -> Result<PostedItem, HttpError> {
        let malformed = |error: &dyn std::fmt::Display| {
            HttpError::new(Code::MalformedItem, format!("the body is not an ANS-104 data item: {error}"))
        };
        let (id, submission, form) = {
            let item = Item::parse(&body).map_err(|error| malformed(&error))?;
            let submission = Submission::of(&item);
            let submission = submission.map_err(|error| HttpError::new(error.code(), error.to_string()))?;
            self.options.items.check(&item, submission)?;
            // Nobody takes a process of another form: it gets no home.
            let form = match submission {
                Submission::Process(_) => check_tags(&item).and_then(|()| check_spawn(&item)).map(drop),
                Submission::Message(_) => Ok(()),
            };
            (item.id(), submission, form)
        };
        let route = match submission {
            Submission::Message(process) => self.home(RouteKey::Process(process), Code::UnknownProcess).await,
            Submission::Process(process) => match self.known.home(&process) {
                Some(home) => self.route(process, home).await,
                None => {
                    form.map_err(|error| HttpError::new(error.code(), error.to_string()))?;
                    self.place(process, body.clone()).await
                }
            },
        };
        Ok(PostedItem { route: route?, id, body })
    }

    /// A scheduler has taken this: whoever asks for it is led there, also who was told a moment ago that nobody has it.
    pub(crate) fn note_taken(&self, id: Id, process: ProcessId, home: Home) {
        // A process is remembered when it is given its home.
        if id != process.id() {
            self.known.remember_thing(id, home);
        }
    }

    async fn place(self: &Arc<Self>, process: ProcessId, item: Bytes) -> Result<Route, HttpError> {
        let owner = self.verified_owner(item).await?;
        // It may have been spawned before there was this router: whoever has it keeps it.
        match self.look_up(RouteKey::Process(process), SearchPurpose::Placing).await {
            Whereabouts::At(home) => return self.route(process, home).await,
            Whereabouts::Nowhere => {}
            Whereabouts::Unsure(reason) => {
                let text = format!(
                    "it is not known at the moment whether a scheduler has the process {process} already: {reason}; try again"
                );
                return Err(HttpError::new(Code::Unavailable, text));
            }
        }
        let router = self.clone();
        // What was begun is ended, also when the client goes away meanwhile.
        let placing = tokio::spawn(async move { router.settle(process, owner).await });
        let home = placing.await.map_err(HttpError::internal)??;
        self.route(process, home).await
    }

    async fn settle(&self, process: ProcessId, owner: Address) -> Result<Home, HttpError> {
        let chosen = match self.choose(&owner).await {
            Ok(chosen) => chosen,
            Err(no_place) => {
                // It may have its home from before.
                let known = self.state.home(process).await?;
                let refused = || HttpError::new(Code::Unavailable, no_place.to_string());
                return known.ok_or_else(refused).inspect(|home| self.known.remember(process, *home));
            }
        };
        chosen.standing.add_process();
        let settled = self.state.settle(process, chosen.number, HomeCause::Placed).await;
        match &settled {
            Ok(homed) if homed.is_new => metrics::placed(),
            _ => chosen.standing.take_process(),
        }
        let homed = settled?;
        self.known.remember(process, homed.home);
        self.known.note_present(&RouteKey::Process(process));
        self.known.note_present(&RouteKey::Any(process.id()));
        Ok(homed.home)
    }

    /// The scheduler for a new process. Where none takes it, those that were never asked how they do are asked first.
    async fn choose(&self, owner: &Address) -> Result<Arc<FleetMember>, NoPlace> {
        match self.fleet.choose(owner) {
            Ok(chosen) => Ok(chosen),
            Err(_) => {
                self.look_at_new().await;
                self.fleet.choose(owner)
            }
        }
    }

    /// The address of whoever signed an item. Without a look at the signature anybody could have the process of another
    /// placed where its wallet would not have it.
    async fn verified_owner(&self, item: Bytes) -> Result<Address, HttpError> {
        let turn = self.verifying.clone().acquire_owned().await.map_err(HttpError::internal)?;
        let verifying = spawn_blocking(move || {
            let _turn = turn;
            let item =
                Item::split(&item).map_err(|error| HttpError::new(Code::MalformedItem, error.to_string()))?;
            item.verify().map_err(|error| HttpError::new(Code::InvalidSignature, error.to_string()))?;
            Ok(item.address())
        });
        verifying.await.map_err(HttpError::internal)?
    }

    /// The way to something that is there.
    async fn route(&self, subject: ProcessId, home: Home) -> Result<Route, HttpError> {
        let Home { scheduler, version } = home;
        Ok(Route { subject, member: self.member(scheduler).await?, version })
    }

    /// The scheduler of this number, also one that another router has just added.
    async fn member(&self, number: SchedulerNumber) -> Result<Arc<FleetMember>, HttpError> {
        if let Some(member) = self.fleet.member(number) {
            return Ok(member);
        }
        self.refresh().await?;
        let gone = || HttpError::internal(format!("there is no scheduler of number {}", number.0));
        self.fleet.member(number).ok_or_else(gone)
    }
}

fn nowhere(subject: RouteKey) -> String {
    match subject {
        RouteKey::Process(process) => format!("no scheduler of this router has the process {process}"),
        RouteKey::Any(id) => format!("no scheduler of this router has a process, message or assignment {id}"),
    }
}
