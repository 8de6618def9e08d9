//! A call that comes so often that the way to it, through routes and parameters, would be a good part of what it costs.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::http::Method;
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response, Result, Route};

use crate::body::RawBody;
use crate::pages::Pages;

/// What is posted to a path without a query goes straight to its call. Whatever else is asked of the path goes to the
/// call with the parameters, which has to answer such a request alike.
pub struct Frequent {
    path: Arc<str>,
    call: Box<dyn Fn(RawBody) -> BoxFuture<'static, Result<Response>> + Send + Sync>,
}

impl Frequent {
    /// What is posted to this path, as the description has it, is answered by this.
    pub fn posted<T, E, F>(path: &str, call: impl Fn(RawBody) -> F + Send + Sync + 'static) -> Self
    where
        T: IntoResponse,
        poem::Error: From<E>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let call = move |body| {
            let answer = call(body);
            let answer: BoxFuture<'static, _> = Box::pin(async { Ok(answer.await?.into_response()) });
            answer
        };
        Self { path: path.into(), call: Box::new(call) }
    }

    fn takes(&self, request: &Request) -> bool {
        let uri = request.uri();
        *request.method() == Method::POST && uri.path() == &*self.path && uri.query().is_none()
    }

    /// Answers as a route does, which leaves word of itself.
    async fn answer(&self, mut request: Request) -> Result<Response> {
        let body = request.take_body();
        let answer = (self.call)(RawBody::of(&request, body)).await;
        let matched = PathPattern(self.path.clone());
        match answer {
            Ok(mut answer) => {
                answer.set_data(matched);
                Ok(answer)
            }
            Err(mut error) => {
                error.set_data(matched);
                Err(error)
            }
        }
    }
}

/// All calls, and what is answered past their routes.
pub(crate) struct Answered {
    pub(crate) frequent: Option<Frequent>,
    pub(crate) pages: Option<Pages>,
    pub(crate) routes: Route,
}

impl Endpoint for Answered {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if let Some(page) = self.pages.and_then(|pages| pages.answer(&request)) {
            return Ok(page);
        }
        match &self.frequent {
            Some(frequent) if frequent.takes(&request) => frequent.answer(request).await,
            _ => self.routes.call(request).await,
        }
    }
}
