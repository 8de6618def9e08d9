//! What a node tells the routers in front of it, and what it takes from them.
//!
//! A router says of what it passes on in which term it believes the store to be led. A node that does not lead, or in an
//! earlier term, refuses that and does nothing of it, so that the router looks for who does. So does one whose log has fewer
//! events than the router has seen of it: it was set back to an older copy, and would give nonces again.

use std::sync::Arc;

use log::{StoreId, Term};
use poem::error::ResponseError;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};
use protocol::{Code, ProcessId};
use uuid::Uuid;
use web::fleet_headers::{EVENTS, LEADER, MOVES, NODE, OPERATORS, ROLE, STORE, TERM, VERSION};
use web::{HttpError, RawBody};

use crate::node::ApiNode;

/// The calls whose answers tell what a node is.
const TELLING: [&str; 2] = ["/", HEALTH];
const HEALTH: &str = "/health";

/// What a node is among those that keep its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetStanding {
    /// The store that its log is in.
    pub store: StoreId,
    /// The term of its log.
    pub term: Term,
    /// What it does.
    pub role: &'static str,
    /// Which node it is, since it was started.
    pub run: Uuid,
    /// The version of its software.
    pub version: &'static str,
    /// How many events are missing here that its leader has, if it follows one and that is known.
    pub lag_events: Option<u64>,
    /// The checks that fail.
    pub failing: Vec<&'static str>,
    /// How many steps of moves its log has.
    pub moves: usize,
    /// How many events are on disk here, released or not.
    pub events: u64,
}

impl FleetStanding {
    /// What this node is at the moment.
    pub fn of(node: &ApiNode) -> Self {
        let identity = node.parts.log.identity();
        Self {
            store: identity.store,
            term: identity.term,
            role: node.role(),
            run: node.run,
            version: node.version(),
            lag_events: node.lag(),
            failing: node.checks.failing(),
            moves: node.parts.log.move_count(),
            events: node.parts.log.newest_on_disk().map_or(0, |last| last.next().get()),
        }
    }

    /// How many processes a node has, once they were counted.
    pub fn processes(node: &ApiNode) -> Option<u64> {
        node.processes.last().map(|counted| counted.processes)
    }

    /// The nodes that keep its log together, itself included; none where this node alone does.
    pub fn members(node: &ApiNode) -> Vec<String> {
        let voters = node.parts.member.as_ref().map(|member| member.now().voters);
        voters.unwrap_or_default().into_iter().map(|voter| voter.node).collect()
    }

    /// Why this node does not take what a router sends to whoever leads this store in this term, if it does not.
    fn refusal(&self, asked: &HeaderMap) -> Option<String> {
        let Self { store, term, role, events, .. } = self;
        let text = |name: HeaderName| asked.get(name).map(|value| value.to_str().unwrap_or_default());
        if let Some(meant) = text(STORE).filter(|meant| *meant != store.to_string()) {
            return Some(format!("this node has the store {store}, and this is for the store {meant}"));
        }
        let believed = match text(TERM).map(str::parse) {
            None => return None,
            Some(Err(_)) => return Some("the header Quipu-Term is wrong: expected a number".to_owned()),
            Some(Ok(believed)) => Term(believed),
        };
        if *role != LEADER {
            return Some(format!("this node is no leader but has the role {role}"));
        }
        if believed > *term {
            return Some(format!(
                "this node leads in term {term}, and term {believed} is known to have begun"
            ));
        }
        let seen = match text(EVENTS).map(str::parse::<u64>) {
            Some(Err(_)) => return Some("the header Quipu-Events is wrong: expected a number".to_owned()),
            Some(Ok(seen)) if believed == *term => seen,
            _ => return None,
        };
        let is_set_back = seen > *events;
        is_set_back.then(|| {
            format!(
                "the log of this node has {events} events in term {term}, and {seen} were seen of it: it was set back to an \
                 older copy"
            )
        })
    }

    fn tell(&self, answer: &mut Response) {
        let values = [
            (STORE, self.store.to_string()),
            (TERM, self.term.to_string()),
            (ROLE, self.role.to_owned()),
            (NODE, self.run.to_string()),
            (MOVES, self.moves.to_string()),
            (EVENTS, self.events.to_string()),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::try_from(value) {
                answer.headers_mut().insert(name, value);
            }
        }
    }
}

/// Answers a call, unless it is for another leader.
pub(crate) async fn answer<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    mut request: Request,
    node: Arc<ApiNode>,
) -> poem::Result<Response> {
    if *request.method() == Method::POST
        && [STORE, TERM, VERSION].iter().any(|name| request.headers().contains_key(name))
    {
        let standing = FleetStanding::of(&node);
        let refusal = standing.refusal(request.headers());
        if let Some(reason) = refusal.or_else(|| outdated(&node, request.headers())) {
            RawBody::discard(&mut request);
            let refused = HttpError::new(Code::Unavailable, reason).with_status(StatusCode::CONFLICT);
            let mut answer = refused.as_response();
            standing.tell(&mut answer);
            return Ok(answer);
        }
    }
    // Of what is posted a refusal alone tells it: that is how a router knows that nothing was done.
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_told = only_reads && TELLING.contains(&request.uri().path());
    let mut answer = endpoint.call(request).await?;
    if is_told {
        FleetStanding::of(&node).tell(&mut answer);
    }
    Ok(answer)
}

/// Lets `/health` at the operators' listener tell which node answers, by which that is known to be the same as at the other one.
/// What it tells of its log is for clients, who are led to where that is told: whoever takes this listener for that learns it.
pub(crate) async fn tell_run<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
    node: Arc<ApiNode>,
) -> poem::Result<Response> {
    let is_told = request.uri().path() == HEALTH;
    let mut answer = endpoint.call(request).await?;
    if is_told && let Ok(run) = HeaderValue::try_from(node.run.to_string()) {
        answer.headers_mut().insert(NODE, run);
        answer.headers_mut().insert(ROLE, HeaderValue::from_static(OPERATORS));
    }
    Ok(answer)
}

/// Why the log of this node is an older one than a router knows, if that is so: it knows less of where a process has moved.
fn outdated(node: &ApiNode, asked: &HeaderMap) -> Option<String> {
    let (process, version) = asked.get(VERSION)?.to_str().ok()?.split_once(' ')?;
    let (process, version): (ProcessId, u64) = (process.parse().ok()?, version.parse().ok()?);
    let known = node.parts.log.last_move(process).map_or(0, |step| step.version);
    let text = || {
        format!(
            "as this node knows, process {process} has moved {known} times, and it has moved {version} times"
        )
    };
    (known < version).then(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn only_who_leads_in_that_term_or_a_later_one_takes_it() {
        let store = StoreId(uuid::Uuid::from_u128(7));
        let own = store.to_string();
        let refusal = |role, term: u64, headers: &[(HeaderName, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            let asked = HeaderMap::from_iter(headers);
            let (version, lag_events, failing, moves, events) = ("1", None, vec![], 0, 900);
            let (term, run) = (Term(term), Uuid::nil());
            FleetStanding { store, term, role, run, version, lag_events, failing, moves, events }
                .refusal(&asked)
        };
        assert_eq!(refusal(LEADER, 3, &[(TERM, "3"), (STORE, &own)]), None);
        assert_eq!(refusal(LEADER, 4, &[(TERM, "3"), (STORE, &own)]), None);
        assert_eq!(refusal(LEADER, 4, &[(STORE, &own)]), None);
        assert!(refusal(LEADER, 2, &[(TERM, "3")]).unwrap().contains("term 2"));
        assert!(refusal(LEADER, 2, &[(TERM, "-1")]).unwrap().contains("Quipu-Term"));
        let other = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        assert!(refusal(LEADER, 3, &[(TERM, "3"), (STORE, other)]).unwrap().contains(other));
        assert_eq!(refusal(LEADER, 3, &[(TERM, "3"), (EVENTS, "900")]), None);
        assert!(refusal(LEADER, 3, &[(TERM, "3"), (EVENTS, "901")]).unwrap().contains("901 were seen"));
        assert!(refusal(LEADER, 3, &[(TERM, "3"), (EVENTS, "all")]).unwrap().contains("Quipu-Events"));
        // Whoever leads in a later term was asked for no more.
        assert_eq!(refusal(LEADER, 4, &[(TERM, "3"), (EVENTS, "901")]), None);
        for role in ["standby", "fenced", "unsure", "reader"] {
            assert!(refusal(role, 9, &[(TERM, "3")]).unwrap().contains(role));
        }
    }
}
