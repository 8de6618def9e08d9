//! The calls of the development gateway. Any page in a browser may make them.

use std::sync::Arc;

use ans104::Id;
use poem::{
    Body, Endpoint, EndpointExt, IntoResponse, Request, Response, Route,
    error::ReadBodyError,
    get, handler,
    http::{HeaderValue, Method, StatusCode, header},
    post,
    web::{Data, Path},
};
use serde_json::{Value, json};

use super::{
    chain::{block_id, unix_ms},
    control::{ControlState, DevControl},
    schema::{DevGraph, graph},
    store::{DevStore, Refusal},
};

/// An item may be this large, in bytes.
const ITEM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A GraphQL query may be this large, in bytes.
const QUERY_BYTES_MAX: usize = 1024 * 1024;

/// Everything that the gateway answers.
pub(super) fn all(control: &DevControl) -> impl Endpoint<Output = Response> + use<> {
    let DevControl { store, state } = control.clone();
    Route::new()
        .at("/", get(get_about))
        .at("/info", get(get_info))
        .at("/graphql", post(post_query))
        .at("/tx", post(post_item))
        .at("/tx/arweave", post(post_item))
        .at("/id", post(post_copy))
        .at("/tx/:id/status", get(get_status))
        .at("/tx/:id", get(get_data).head(get_data))
        .at("/raw/:id", get(get_data).head(get_data))
        .at("/:id", get(get_data).head(get_data))
        .data(graph(Arc::clone(&store)))
        .data(store)
        .data(state)
        .around(open_to_all)
}

#[handler]
fn get_about(store: Data<&Arc<DevStore>>) -> Response {
    let about = json!({
        "name": "Quipu development gateway",
        "items": store.len(),
        "height": store.height(),
    });
    answer(StatusCode::OK, &about)
}

#[handler]
fn get_info(store: Data<&Arc<DevStore>>, state: Data<&Arc<ControlState>>) -> Response {
    state.count(|asked| asked.heights += 1);
    let height = store.height();
    let info = json!({
        "network": "ao.dev",
        "version": 1,
        "release": 1,
        "height": height,
        "current": block_id(height),
        "blocks": height.saturating_add(1),
        "peers": 0,
        "queue_length": 0,
        "node_state_latency": 0,
    });
    answer(StatusCode::OK, &info)
}

#[handler]
fn get_status(
    store: Data<&Arc<DevStore>>,
    state: Data<&Arc<ControlState>>,
    Path(id): Path<String>,
) -> Response {
    state.count(|asked| asked.statuses += 1);
    let Some(entry) = id.parse::<Id>().ok().and_then(|id| store.get(&id)) else { return absent() };
    let block_height = entry.arrival.height;
    // As Arweave counts: what is in the newest block has one confirmation.
    let confirmations = store.height().saturating_sub(block_height).saturating_add(1);
    let status = json!({
        "block_height": block_height,
        "block_indep_hash": block_id(block_height),
        "number_of_confirmations": confirmations,
    });
    answer(StatusCode::OK, &status)
}

#[handler]
async fn get_data(
    method: Method,
    store: Data<&Arc<DevStore>>,
    state: Data<&Arc<ControlState>>,
    Path(id): Path<String>,
) -> Response {
    state.count(|asked| match method {
        Method::HEAD => asked.heads += 1,
        _ => asked.data += 1,
    });
    let Some(entry) = id.parse::<Id>().ok().and_then(|id| store.get(&id)) else { return absent() };
    let store = Arc::clone(store.0);
    let id = entry.id;
    let data = match tokio::task::spawn_blocking(move || store.data(&id)).await {
        Ok(Ok(data)) => data,
        Ok(Err(error)) => return failure(&error.to_string()),
        Err(error) => return failure(&error.to_string()),
    };
    let kind = HeaderValue::from_str(entry.content_type());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Response::builder().header(header::CONTENT_TYPE, kind).body(data)
}

#[handler]
async fn post_item(store: Data<&Arc<DevStore>>, state: Data<&Arc<ControlState>>, body: Body) -> Response {
    if !state.takes_upload() {
        return complaint(StatusCode::SERVICE_UNAVAILABLE, "uploads are refused for now");
    }
    take(Arc::clone(store.0), body).await
}

#[handler]
async fn post_copy(store: Data<&Arc<DevStore>>, state: Data<&Arc<ControlState>>, body: Body) -> Response {
    state.count(|asked| asked.copies += 1);
    take(Arc::clone(store.0), body).await
}

/// Keeps an item, and gives the receipt of an upload node.
async fn take(store: Arc<DevStore>, body: Body) -> Response {
    let bytes = match read(body, ITEM_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal,
    };
    match tokio::task::spawn_blocking(move || store.admit(&bytes)).await {
        Ok(Ok(entry)) => {
            tracing::debug!(id = %entry.id, height = entry.arrival.height, "an item is here");
            let receipt = json!({
                "id": entry.id,
                "timestamp": unix_ms(),
                "version": "1.0.0",
                "public": "",
                "signature": "",
            });
            answer(StatusCode::OK, &receipt)
        }
        Ok(Err(Refusal::Disk(error))) => failure(&error.to_string()),
        Ok(Err(refusal)) => complaint(StatusCode::BAD_REQUEST, &refusal.to_string()),
        Err(error) => failure(&error.to_string()),
    }
}

#[handler]
async fn post_query(graph: Data<&DevGraph>, state: Data<&Arc<ControlState>>, body: Body) -> Response {
    state.count(|asked| asked.queries += 1);
    let bytes = match read(body, QUERY_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal,
    };
    let request: async_graphql::Request = match serde_json::from_slice(&bytes) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("expected JSON {{query, variables, operationName}}: {error}");
            let errors = json!({ "errors": [{ "message": message }] });
            return answer(StatusCode::BAD_REQUEST, &errors);
        }
    };
    match serde_json::to_value(graph.execute(request).await) {
        Ok(response) => answer(StatusCode::OK, &response),
        Err(error) => failure(&error.to_string()),
    }
}

/// Lets pages of any origin read every answer, errors too, and turns errors into JSON.
async fn open_to_all<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => match endpoint.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => complaint(error.status(), &error.to_string()),
        },
    };
    let any = HeaderValue::from_static("*");
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any);
    Ok(response)
}

async fn read(body: Body, bytes_max: usize) -> Result<bytes::Bytes, Response> {
    body.into_bytes_limit(bytes_max).await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => {
            complaint(StatusCode::PAYLOAD_TOO_LARGE, &format!("expected at most {bytes_max} bytes"))
        }
        error => complaint(StatusCode::BAD_REQUEST, &error.to_string()),
    })
}

fn answer(status: StatusCode, value: &Value) -> Response {
    Response::builder().status(status).content_type("application/json").body(value.to_string())
}

fn complaint(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({ "status": status.as_u16(), "error": message }))
}

fn absent() -> Response {
    complaint(StatusCode::NOT_FOUND, "nothing of this id is here")
}

fn failure(message: &str) -> Response {
    tracing::warn!(error = message, "the development gateway cannot answer");
    complaint(StatusCode::INTERNAL_SERVER_ERROR, message)
}
