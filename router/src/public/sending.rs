//! Sending a call to the scheduler that has its process: by a redirect, or by passing it on.

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
use crate::router::Router;
use crate::upstream::Outgoing;

impl Router {
    /// Sends a call on to whoever has this.
    pub(super) async fn read(
        self: &Arc<Self>,
        request: &Request,
        subject: RouteKey,
    ) -> Result<Routed, HttpError> {
        if subject.id() == ProcessId::NODE.id() {
            return Err(HttpError::not_found("32 zero bytes are the id of nothing"));
        }
        let member = self.home(subject, Code::NotFound).await?;
        self.send(request, &member, Bytes::new()).await
    }

    /// Sends a call to where its process is.
    pub(super) async fn send(
        &self,
        request: &Request,
        member: &FleetMember,
        body: Bytes,
    ) -> Result<Routed, HttpError> {
        let options = &self.options;
        let is_redirected = match options.mode {
            RouterMode::Auto => matches!(*request.method(), Method::GET | Method::HEAD),
            RouterMode::Redirect => true,
            RouterMode::Forward => false,
        };
        if is_redirected {
            return redirect(member, request.uri());
        }
        let call = Outgoing::of(request, &options.budget, body)?;
        Ok(Routed::passed_on(self.upstream.pass_on(member, call).await?))
    }
}

fn redirect(member: &FleetMember, asked: &Uri) -> Result<Routed, HttpError> {
    if !member.standing.is_reached() {
        let text =
            format!("the scheduler {} of this process does not answer at the moment; try again", member.url);
        return Err(HttpError::new(Code::Unavailable, text));
    }
    member.standing.metrics.redirected.increment(1);
    Ok(Routed::redirected(member.url.location(asked)))
}
