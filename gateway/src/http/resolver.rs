//! Looking up the hosts that answers redirect to. The addresses that were checked are those that
//! are connected to: a name that is looked up twice may have changed in between.

use std::{error::Error, fmt, net::SocketAddr, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::is_public;
use crate::RedirectError;

/// The machine's own resolver.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// A resolver that gives public addresses alone.
pub(super) struct CheckedResolver {
    inner: Arc<dyn Resolve>,
}

impl CheckedResolver {
    pub(super) fn new(inner: Arc<dyn Resolve>) -> Self {
        Self { inner }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = self.inner.resolve(name);
        Box::pin(async move {
            let (public, private): (Vec<SocketAddr>, Vec<_>) =
                found.await?.partition(|found| is_public(found.ip()));
            match private.first() {
                Some(found) if public.is_empty() => {
                    Err(Refused(RedirectError::Private { host, address: found.ip() }).into())
                }
                _ => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// The refusal as the client carries it.
#[derive(Debug)]
struct Refused(RedirectError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Refused {}

/// The refusal of a [`CheckedResolver`] that an error of the client comes from, if it does.
pub(super) fn refusal(error: &reqwest::Error) -> Option<RedirectError> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(Refused(refusal)) = inner.downcast_ref() {
            return Some(refusal.clone());
        }
        cause = inner.source();
    }
    None
}
