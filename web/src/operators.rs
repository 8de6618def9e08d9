//! A listener for operators: whom it lets in, and what the token is needed for.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use poem::error::ResponseError;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use protocol::Code;

use crate::error::HttpError;
use crate::tls::Certified;
use crate::visitor::{check_local, check_page};

/// The token of a listener for operators, and what it is needed for.
#[derive(Clone)]
pub enum OperatorToken {
    /// For every call.
    ForAll(Arc<str>),
    /// For calls that change something. Without it the others are answered to those who call this machine by its own
    /// name for itself, which no page elsewhere can. A certificate that is trusted here stands for it.
    ForChanges(Arc<str>),
}

impl OperatorToken {
    /// Refuses a call for which the token is needed and not given; some need it `for_all`.
    pub(crate) fn check_call(&self, request: &Request, for_all: bool) -> Result<(), HttpError> {
        let only_reads = !for_all && matches!(*request.method(), Method::GET | Method::HEAD);
        let needed = match self {
            Self::ForAll(_) => "this call needs",
            Self::ForChanges(_) if for_all => "this call needs",
            Self::ForChanges(_) if only_reads => return Ok(()),
            Self::ForChanges(_) => "this call changes something, and needs",
        };
        if self.is_given(request) {
            return Ok(());
        }
        let wanted = "the admin token of the node: its ADMIN_TOKEN or, where that is not set, what is in the file \
                      admin-token of its data folder";
        let text = match request.header(header::AUTHORIZATION).and_then(bearer) {
            Some(_) => {
                format!("the token in the header Authorization: Bearer TOKEN is wrong, expected {wanted}")
            }
            None => format!("{needed} the header Authorization: Bearer TOKEN, with {wanted}"),
        };
        Err(HttpError::new(Code::Forbidden, text).with_status(StatusCode::UNAUTHORIZED))
    }

    fn is_given(&self, request: &Request) -> bool {
        if matches!(self, Self::ForChanges(_)) && request.data::<Certified>().is_some() {
            return true;
        }
        let (Self::ForAll(token) | Self::ForChanges(token)) = self;
        let given = request.header(header::AUTHORIZATION).and_then(bearer);
        given.is_some_and(|given| equal(given, token))
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForAll(_) => "OperatorToken::ForAll",
            Self::ForChanges(_) => "OperatorToken::ForChanges",
        })
    }
}

/// Lets in whoever may ask anything at all here.
pub(crate) async fn let_in<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
    token: OperatorToken,
) -> poem::Result<Response> {
    match check_visitor(&request, &token) {
        Ok(()) => endpoint.call(request).await,
        Err(refusal) => Ok(refusal.as_response()),
    }
}

fn check_visitor(request: &Request, token: &OperatorToken) -> Result<(), HttpError> {
    check_page(request)?;
    match token {
        OperatorToken::ForChanges(_) if !token.is_given(request) => check_local(request),
        _ => Ok(()),
    }
}

/// The token in a header; the scheme's name has no case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Takes the same time wherever the two differ, so that a token cannot be guessed piece by piece.
fn equal(given: &str, token: &str) -> bool {
    verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok()
}
