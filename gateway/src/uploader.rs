//! Items on their way out: to the upload node, which brings them to Arweave, and to a cache.

use ans104::Item;
use bytes::Bytes;
use reqwest::{Method, Url};

use crate::{
    Call, GatewayError, Http, UploadError,
    endpoints::join,
    error::{excerpt, is_transient, shown},
    http::Question,
    metrics,
};

mod receipt;

/// Hands items to one service, one attempt per call: who calls keeps the queue and knows when to
/// try again. Sending an item twice does no harm.
#[derive(Clone, Debug)]
pub struct Uploader {
    http: Http,
    call: Call,
    url: Url,
}

impl Uploader {
    /// To the upload node at `base` (`UPLOAD_NODE_URL`): `POST /tx/arweave`.
    #[must_use]
    pub fn to_node(http: Http, base: &Url) -> Self {
        Self { http, call: Call::Upload, url: join(base, &["tx", "arweave"]) }
    }

    /// To the cache at `base` (`CACHE_URL`): `POST /id?codec-device=ans104@1.0`.
    #[must_use]
    pub fn to_cache(http: Http, base: &Url) -> Self {
        let mut url = join(base, &["id"]);
        url.set_query(Some("codec-device=ans104@1.0"));
        Self { http, call: Call::Cache, url }
    }

    /// Hands over one item, serialised. `Ok` means that the service has it: it said so, and gave no
    /// receipt for something else. While it has asked for a pause, nothing is sent to it.
    ///
    /// # Errors
    ///
    /// [`UploadError::Refused`] when the service does not want the item,
    /// [`UploadError::OtherReceipt`] when it took something else, [`UploadError::Transient`] for
    /// everything else.
    pub async fn upload(&self, item: Bytes) -> Result<(), UploadError> {
        let question = Question {
            call: self.call,
            method: Method::POST,
            url: self.url.clone(),
            body: Some(("application/octet-stream", item.clone())),
            timeout: self.http.options().transfer_timeout,
            bytes_max: RECEIPT_BYTES_MAX,
        };
        let outcome = match self.http.once(&question).await {
            Ok(answer) if answer.is_absent() => Err(UploadError::Refused {
                url: shown(&self.url),
                status: answer.status,
                excerpt: "nothing takes items at this address".to_owned(),
            }),
            Ok(answer) => self.check_receipt(&item, &answer.body),
            Err(error) => Err(judge(error)),
        };
        metrics::uploaded(self.call, &outcome);
        outcome
    }

    /// Refuses a receipt for something else. A cache gives none.
    fn check_receipt(&self, item: &[u8], answer: &[u8]) -> Result<(), UploadError> {
        let (Call::Upload, Ok(item)) = (self.call, Item::parse(item)) else { return Ok(()) };
        match receipt::id(answer) {
            Some(received) if received != item.id().to_string() => Err(UploadError::OtherReceipt {
                url: shown(&self.url),
                sent: item.id(),
                received: excerpt(received.as_bytes()),
            }),
            _ => Ok(()),
        }
    }
}

/// Receipts are a few hundred bytes.
const RECEIPT_BYTES_MAX: usize = 1024 * 1024;

fn judge(error: GatewayError) -> UploadError {
    match error {
        GatewayError::Status { url, status, excerpt, .. }
            if status.is_client_error() && !is_transient(status) =>
        {
            UploadError::Refused { url, status, excerpt }
        }
        error => UploadError::Transient(error),
    }
}

#[cfg(test)]
mod tests;
