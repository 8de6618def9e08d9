//! The two listeners of a node as endpoints: which calls each has, and what it says of itself.

use std::sync::Arc;

use location::LocationCalls;
use poem::{Endpoint, EndpointExt, Response};
use web::{About, Guarded, Limited, OperatorToken, Strict, Visitors};

use crate::admin::{
    CheckpointsApi, ChecksApi, HealthApi, JobsApi, LatelyApi, MemberApi, MembershipApi, ReplicationApi,
    StatusApi, UploadsApi,
};
use crate::explore::{BelowPublic, ExploreApi, SchedulerApi};
use crate::graphql::GraphApi;
use crate::hyperbeam::HyperbeamApi;
use crate::moving::{MovesApi, ToldMovesApi};
use crate::node::ApiNode;
use crate::public::{PublicApi, posted_items};
use crate::query::QueryApi;
use crate::routed;

type Public = Limited<(PublicApi, HyperbeamApi, Strict<QueryApi>, GraphApi, ExploreApi, ToldMovesApi)>;
type Admin = (
    HealthApi,
    Guarded<(StatusApi, JobsApi, UploadsApi, ChecksApi, LatelyApi, MembershipApi, LocationCalls)>,
    Guarded<BelowPublic<(SchedulerApi, ExploreApi)>>,
    Guarded<(CheckpointsApi, ReplicationApi, MemberApi, MovesApi), FOR_ALL>,
);

/// Even calls that only read need the token.
const FOR_ALL: bool = true;

const PUBLIC: About = About {
    title: "Quipu",
    description: "A scheduler unit of ao: it decides the order of each process's messages, signs that order and serves it. \
                  Ids, keys and signatures are base64url without padding; an id has 43 characters. A parameter that is \
                  empty, or the text `undefined`, counts as absent.",
    version: env!("CARGO_PKG_VERSION"),
};

const ADMIN: About = About {
    title: "Quipu administration",
    description: "Shows and changes the state of a node. Calls that change something need the admin token, and so do those for whoever copies the log; where \
                  `ADMIN_TOKEN` is set all but `/health` do. Where it is not, calls without the token have to name this \
                  machine as `localhost` or by a loopback address in the header `Host`. Pages of other origins are refused.",
    version: env!("CARGO_PKG_VERSION"),
};

/// The wire protocol of a scheduler unit, queries, and pages to look at schedules with: open to everybody, or to whom the
/// operator lets in.
pub fn public(node: Arc<ApiNode>) -> impl Endpoint<Output = Response> {
    let calls = (
        PublicApi(node.clone()),
        HyperbeamApi(node.clone()),
        Strict(QueryApi(node.clone())),
        GraphApi::new(node.clone()),
        ExploreApi(node.clone()),
        ToldMovesApi(node.clone()),
    );
    let (calls, visitors): (Public, _) =
        (Limited(calls), Visitors::Limited(node.parts.options.clients.clone()));
    let searches = node.parts.queries.is_some();
    let (telling, pages) = (node.clone(), node.parts.options.pages.public.then(|| pages::explorer(searches)));
    web::endpoint_with(calls, &PUBLIC, visitors, Some(posted_items(node)), pages)
        .around(move |endpoint, request| routed::answer(endpoint, request, telling.clone()))
}

/// The operator's calls, and a page that shows what they tell. `/health`, the description and the page itself never need the
/// token. Unlike the public calls they are not opened
/// to other origins: a page in the operator's browser has no business here.
pub fn admin(node: Arc<ApiNode>, token: OperatorToken) -> impl Endpoint<Output = Response> {
    let guarded = (
        StatusApi(node.clone()),
        JobsApi(node.clone()),
        UploadsApi(node.clone()),
        ChecksApi(node.clone()),
        LatelyApi(node.clone()),
        MembershipApi(node.clone()),
        LocationCalls {
            seat: node.parts.options.location.clone(),
            why_none: "neither LOCATION_URL nor ROUTER_URL is set, or another node leads",
        },
    );
    let copies = (
        CheckpointsApi::new(node.clone()),
        ReplicationApi(node.clone()),
        MemberApi(node.clone()),
        MovesApi(node.clone()),
    );
    let copies = Guarded::new(copies, token.clone());
    let looked_at = BelowPublic((SchedulerApi(node.clone()), ExploreApi(node.clone())));
    let looked_at = Guarded::new(looked_at, token.clone());
    let (telling, pages) = (node.clone(), node.parts.options.pages.admin.then(pages::node));
    let calls: Admin = (HealthApi(node), Guarded::new(guarded, token.clone()), looked_at, copies);
    web::endpoint_with(calls, &ADMIN, Visitors::Operators(token), None, pages)
        .around(move |endpoint, request| routed::tell_run(endpoint, request, telling.clone()))
}

/// The OpenAPI description of the public calls.
pub fn public_openapi() -> String {
    web::openapi::<Public>(&PUBLIC)
}

/// The OpenAPI description of the operator's calls.
pub fn admin_openapi() -> String {
    web::openapi::<Admin>(&ADMIN)
}
