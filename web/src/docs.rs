//! The page on which the calls of a listener are read and tried.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use poem::endpoint::make;
use poem::{Endpoint, IntoResponse, Response};
use tokio::task;

use crate::error::HttpError;

/// The page. It has all that it needs within it and is long, so it is made when somebody asks for it first, and there once
/// however many ask.
pub(crate) fn docs(make_page: impl Fn() -> String + Send + Sync + 'static) -> impl Endpoint {
    let page = Arc::new(DocsPage { make_page, made: OnceLock::new() });
    make(move |_| {
        let page = page.clone();
        async move {
            // It is put together of megabytes.
            let html = task::spawn_blocking(move || page.html()).await.map_err(HttpError::internal)?;
            Ok::<Response, poem::Error>(html.with_content_type("text/html; charset=utf-8").into_response())
        }
    })
}

struct DocsPage<F> {
    make_page: F,
    made: OnceLock<Bytes>,
}

impl<F: Fn() -> String> DocsPage<F> {
    fn html(&self) -> Bytes {
        let make = || Bytes::from((self.make_page)().into_boxed_str().into_boxed_bytes());
        self.made.get_or_init(make).clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use poem::{EndpointExt, Request};

    use super::*;

    #[tokio::test]
    async fn it_is_made_when_somebody_asks_for_it_and_once() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = made.clone();
        let docs = docs(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            "<html>".to_owned()
        })
        .map_to_response();
        assert_eq!(made.load(Ordering::Relaxed), 0);
        let mut places = Vec::new();
        for _ in 0..3 {
            let answer = docs.get_response(Request::default()).await;
            assert_eq!(answer.content_type(), Some("text/html; charset=utf-8"));
            let page = answer.into_body().into_bytes().await.unwrap();
            assert_eq!(page, "<html>");
            places.push(page.as_ptr());
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(places.iter().all(|place| *place == places[0]), "it is copied for each who asks");
    }
}
