//! Answers that are JSON already when they leave the reader, documented as what they are.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use log::ReadError;
use poem::http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use tokio::task::JoinHandle;

use crate::error::CallError;
use crate::node::ApiNode;
use crate::page::Page;

const JSON: &str = "application/json";

/// A body of JSON that has the form of `T`.
pub(crate) struct Rendered<T> {
    body: Body,
    form: PhantomData<fn() -> T>,
}

impl<T> Rendered<T> {
    /// JSON in one piece.
    pub(crate) fn whole(json: Vec<u8>) -> Self {
        Self { body: Body::from(json), form: PhantomData }
    }

    /// A page, of which the first piece is there. An error further on breaks the connection: a page that ends
    /// properly is whole.
    pub(crate) fn page(node: Arc<ApiNode>, page: Page, first: Vec<u8>) -> Self {
        if page.ended() {
            return Self::whole(first);
        }
        let state = Some((Stage::Made(first.into(), Box::new(page)), node));
        let pieces = stream::unfold(state, |state| async {
            let (stage, node) = state?;
            match stage.next(&node).await {
                Ok((piece, stage)) => Some((Ok::<_, io::Error>(piece), stage.map(|stage| (stage, node)))),
                Err(failure) => Some((Err(io::Error::other(failure)), None)),
            }
        });
        Self { body: Body::from_bytes_stream(pieces), form: PhantomData }
    }
}

/// A page between two pieces. While the client takes one the next one is made, and no more than that.
enum Stage {
    Made(Bytes, Box<Page>),
    Making(JoinHandle<Made>),
    Waiting(Box<Page>),
}

/// A page that has made a piece, or failed to.
type Made = (Box<Page>, Result<Vec<u8>, ReadError>);

impl Stage {
    /// The next piece, and what comes after it.
    async fn next(self, node: &Arc<ApiNode>) -> Result<(Bytes, Option<Stage>), CallError> {
        let (piece, page) = match self {
            Stage::Made(piece, page) => (piece, page),
            Stage::Making(making) => received(making.await?)?,
            Stage::Waiting(page) => received(node.read(move |_| Ok(make(page))).await?)?,
        };
        let next = if page.ended() {
            None
        } else {
            Some(node.read_ahead(page, make).map_or_else(Stage::Waiting, Stage::Making))
        };
        Ok((piece, next))
    }
}

fn make(mut page: Box<Page>) -> Made {
    let piece = page.piece();
    (page, piece)
}

fn received((page, piece): Made) -> Result<(Bytes, Box<Page>), CallError> {
    Ok((piece?.into(), page))
}

impl<T> IntoResponse for Rendered<T> {
    fn into_response(self) -> Response {
        Response::builder().header(header::CONTENT_TYPE, JSON).body(self.body)
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
