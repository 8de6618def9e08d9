//! Sending a call on: by a redirect, or passed on.

use std::sync::Arc;

use bytes::Bytes;
use poem::Request;
use poem::http::Method;
use protocol::{Code, ProcessId};
use web::HttpError;

use super::routed::Routed;
use crate::following::FollowingCall;
use crate::lookup::RouteKey;
use crate::options::RouterMode;
use crate::places::CallKind;
use crate::placing::{PostedItem, Route};
use crate::router::Router;
use crate::state::Home;
use crate::upstream::{Outgoing, away};

impl Router {
    /// Sends a call on that only reads, however it is asked: clients of HyperBEAM post such a one.
    pub(super) async fn read(
        self: &Arc<Self>,
        request: &Request,
        subject: RouteKey,
    ) -> Result<Routed, HttpError> {
        let route = self.route_of(subject).await?;
        self.send(request, route, CallKind::Reads, Bytes::new()).await
    }

    /// Sends a call on that waits for what is to come.
    pub(super) async fn follow(
        self: &Arc<Self>,
        request: &Request,
        subject: RouteKey,
    ) -> Result<Routed, HttpError> {
        let route = self.route_of(subject).await?;
        if let Some(led) = self.led(request, &route).await? {
            return Ok(led);
        }
        let call = Outgoing::of(request, CallKind::Waits, &self.options, Bytes::new(), &route)?;
        let waiting = FollowingCall::of(request).await?;
        Ok(Routed::passed_on(waiting.answer(self.pass_on(route, &call)).await?))
    }

    /// The way to what is read.
    async fn route_of(self: &Arc<Self>, subject: RouteKey) -> Result<Route, HttpError> {
        if subject.id() == ProcessId::NODE.id() {
            return Err(HttpError::not_found("32 zero bytes are the id of nothing"));
        }
        self.home(subject, Code::NotFound).await
    }

    /// Sends what was posted to where its process is.
    pub(super) async fn post(
        self: &Arc<Self>,
        request: &Request,
        posted: PostedItem,
    ) -> Result<Routed, HttpError> {
        let PostedItem { route, id, body } = posted;
        let home = Home { scheduler: route.member.number, version: route.version };
        let process = route.subject;
        let routed = self.send(request, route, CallKind::Posts, body).await?;
        if routed.is_done() {
            self.note_taken(id, process, home);
        }
        Ok(routed)
    }

    /// Sends a call to where its process is.
    async fn send(
        self: &Arc<Self>,
        request: &Request,
        route: Route,
        kind: CallKind,
        body: Bytes,
    ) -> Result<Routed, HttpError> {
        if let Some(led) = self.led(request, &route).await? {
            return Ok(led);
        }
        let call = Outgoing::of(request, kind, &self.options, body, &route)?;
        Ok(Routed::passed_on(self.pass_on(route, &call).await?))
    }

    /// A redirect, where the call is one that is redirected.
    async fn led(&self, request: &Request, route: &Route) -> Result<Option<Routed>, HttpError> {
        let is_redirected = match self.options.mode {
            RouterMode::Auto => matches!(*request.method(), Method::GET | Method::HEAD),
            RouterMode::Redirect => true,
            RouterMode::Forward => false,
        };
        if !is_redirected {
            return Ok(None);
        }
        let lead = self.lead(&route.member);
        if !self.is_there(&lead).await {
            return Err(away(&lead, &lead.standing.why_away()));
        }
        lead.standing.metrics.redirected.increment(1);
        Ok(Some(Routed::redirected(lead.url.location(request.uri()))))
    }
}
