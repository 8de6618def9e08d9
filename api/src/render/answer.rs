//! Answers that are JSON already when they leave the reader, documented as what they are.

use std::io;
use std::marker::PhantomData;

use bytes::Bytes;
use futures_util::Stream;
use poem::http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use web::IsCounted;

const JSON: &str = "application/json";

/// A body of JSON that has the form of `T`.
pub(crate) struct Rendered<T> {
    body: Body,
    /// Whether nobody on the way may keep it.
    is_passing: bool,
    form: PhantomData<fn() -> T>,
}

impl<T> Rendered<T> {
    /// JSON in one piece, which has its claim of the memory.
    pub(crate) fn whole(json: Bytes) -> Self {
        Self { body: Body::from(json), is_passing: false, form: PhantomData }
    }

    /// JSON in pieces, which have their claims. An error breaks the connection: an answer that ends properly is whole.
    pub(crate) fn stream(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self { body: Body::from_bytes_stream(pieces), is_passing: false, form: PhantomData }
    }

    /// The same, kept by nobody on the way: it tells the time, or depends on more than the address that was asked.
    pub(crate) fn passing(self) -> Self {
        Self { is_passing: true, ..self }
    }
}

impl<T> IntoResponse for Rendered<T> {
    fn into_response(self) -> Response {
        let answer = Response::builder().header(header::CONTENT_TYPE, JSON).extension(IsCounted);
        let answer = if self.is_passing { answer.header(header::CACHE_CONTROL, "no-store") } else { answer };
        answer.body(self.body)
    }
}

impl<T: Type> Payload for Rendered<T> {
    const CONTENT_TYPE: &'static str = JSON;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ApiResponse for Rendered<T> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }];
        let answer =
            MetaResponse { description: "", status: Some(200), status_range: None, content, headers: vec![] };
        MetaResponses { responses: vec![answer] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}
