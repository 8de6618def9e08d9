//! Sending a call on: by a redirect, or passed on.

use std::sync::Arc;

use bytes::Bytes;
use poem::Request;
use poem::http::{Method, Uri};
use protocol::{Code, ProcessId};
use web::HttpError;

use super::routed::Routed;
use crate::lookup::RouteKey;
use crate::member::FleetMember;
use crate::options::RouterMode;
use crate::placing::Route;
use crate::router::Router;
use crate::upstream::Outgoing;

impl Router {
    /// Sends a call on that only reads.
    pub(super) async fn read(
        self: &Arc<Self>,
        request: &Request,
        subject: RouteKey,
    ) -> Result<Routed, HttpError> {
        if subject.id() == ProcessId::NODE.id() {
            return Err(HttpError::not_found("32 zero bytes are the id of nothing"));
        }
        let route = self.home(subject, Code::NotFound).await?;
        self.send(request, route, Bytes::new()).await
    }

    /// Sends a call to where its process is.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: &Request,
        route: Route,
        body: Bytes,
    ) -> Result<Routed, HttpError> {
        let options = &self.options;
        let is_redirected = match options.mode {
            RouterMode::Auto => matches!(*request.method(), Method::GET | Method::HEAD),
            RouterMode::Redirect => true,
            RouterMode::Forward => false,
        };
        if is_redirected {
            return redirect(&self.lead(&route.member), request.uri());
        }
        let call = Outgoing::of(request, options, body, &route)?;
        Ok(Routed::passed_on(self.pass_on(route, &call).await?))
    }
}

fn redirect(member: &FleetMember, asked: &Uri) -> Result<Routed, HttpError> {
    if !member.standing.is_reached() {
        let reason = member.standing.trouble().unwrap_or_else(|| "it does not answer".to_owned());
        let text = format!(
            "the scheduler {} of this process is away at the moment: {reason}; try again",
            member.url
        );
        return Err(HttpError::new(Code::Unavailable, text));
    }
    member.standing.metrics.redirected.increment(1);
    Ok(Routed::redirected(member.url.location(asked)))
}
