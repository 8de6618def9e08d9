//! The two listeners of a router as endpoints: which calls each has, and what it says of itself.

use std::sync::Arc;

use location::{LocationCalls, LocationSeat};
use poem::http::HeaderValue;
use poem::{Endpoint, EndpointExt, Request, Response};
use web::fleet_headers::{OPERATORS, ROLE, ROUTER};
use web::{About, Guarded, Limited, OperatorToken, Visitors};

use crate::admin::{FleetApi, RouterHealthApi};
use crate::public::{RenderedMetrics, RoutedApi, RoutedHyperbeamApi};
use crate::router::Router;

type Public = Limited<(RoutedApi, RoutedHyperbeamApi)>;
type Admin = (RouterHealthApi, Guarded<(FleetApi, LocationCalls)>);

const PUBLIC: About = About {
    title: "Quipu router",
    description: "One door in front of many schedulers of ao. Each call goes to the scheduler that has its process: by a \
                  redirect, or passed on. Ids are base64url without padding; an id has 43 characters. A parameter that is \
                  empty, or the text `undefined`, counts as absent.",
    version: env!("CARGO_PKG_VERSION"),
};

const ADMIN: About = About {
    title: "Quipu router administration",
    description: "Shows and changes the schedulers of a router. Calls that change something need the admin token; where \
                  `ADMIN_TOKEN` is set all but `/health` do. Where it is not, calls without the token have to name this \
                  machine as `localhost` or by a loopback address in the header `Host`. Pages of other origins are refused.",
    version: env!("CARGO_PKG_VERSION"),
};

/// The calls of a scheduler, sent on: open to everybody, or to whom the operator lets in.
pub fn public(
    router: Arc<Router>,
    metrics: Option<RenderedMetrics>,
) -> impl Endpoint<Output = Response> + use<> {
    let clients = router.options.clients.clone();
    let hyperbeam = RoutedHyperbeamApi(router.clone());
    let page = router.options.public_page.then(pages::door);
    let calls: Public = Limited((RoutedApi { router, metrics }, hyperbeam));
    web::endpoint_with(calls, &PUBLIC, Visitors::Limited(clients), None, page)
        .around(|endpoint, request| say_what_it_is(endpoint, request, ROUTER))
}

/// Whoever lists this one as a scheduler learns what it is when it asks how that does.
async fn say_what_it_is<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
    role: &'static str,
) -> poem::Result<Response> {
    let is_asked = request.uri().path() == "/health";
    let mut answer = endpoint.call(request).await?;
    if is_asked {
        answer.headers_mut().insert(ROLE, HeaderValue::from_static(role));
    }
    Ok(answer)
}

/// The operator's calls, and a page that shows what they tell; `location` is asked about the record that leads here.
pub fn admin(
    router: Arc<Router>,
    location: LocationSeat,
    token: OperatorToken,
) -> impl Endpoint<Output = Response> + use<> {
    let page = router.options.page.then(pages::router);
    let fleet = FleetApi { router: router.clone(), location: location.clone() };
    let calls: Admin = (
        RouterHealthApi(router),
        Guarded::new(
            (fleet, LocationCalls { seat: location, why_none: "LOCATION_URL of this router is not set" }),
            token.clone(),
        ),
    );
    web::endpoint_with(calls, &ADMIN, Visitors::Operators(token), None, page)
        .around(|endpoint, request| say_what_it_is(endpoint, request, OPERATORS))
}

/// The OpenAPI description of the public calls.
pub fn public_openapi() -> String {
    web::openapi::<Public>(&PUBLIC)
}

/// The OpenAPI description of the operator's calls.
pub fn admin_openapi() -> String {
    web::openapi::<Admin>(&ADMIN)
}
