//! [`Gateway`] over HTTP.

use std::{collections::HashSet, fmt, ops::RangeInclusive, sync::Arc};

use ans104::{Address, DeepHash, Id};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode, Url};

use crate::{
    AnswerError, Call, Confirmations, Endpoints, Gateway, GatewayError, Http, OtherHeights, Transaction,
    endpoints::join,
    http::{HttpAnswer, Question},
};

mod answers;
mod flights;

pub(crate) use answers::locations_of;

use flights::Flights;

/// The gateways that the endpoints name. Every read is attempted a few times, see
/// [`HttpOptions`](crate::HttpOptions); the same question asked twice at a time is asked once.
/// Clones share all of it.
#[derive(Clone, Debug)]
pub struct HttpGateway {
    http: Http,
    endpoints: Arc<Endpoints>,
    asked: Arc<Asked>,
}

/// What is being asked, and what was answered a moment ago.
#[derive(Debug)]
struct Asked {
    confirmations: Flights<Confirmations>,
    transactions: Flights<Arc<Transaction>>,
    hashes: Flights<DeepHash>,
    existing: Flights<()>,
}

impl HttpGateway {
    /// Asks `endpoints` through `http`.
    #[must_use]
    pub fn new(http: Http, endpoints: Endpoints) -> Self {
        let asked = Asked {
            confirmations: Flights::new(|_| true),
            transactions: Flights::new(|transaction| transaction.bytes() <= REMEMBERED_BYTES_MAX),
            hashes: Flights::new(|_| true),
            existing: Flights::new(|()| true),
        };
        Self { http, endpoints: Arc::new(endpoints), asked: Arc::new(asked) }
    }

    /// Those of these ids that GraphQL knows, asked for many at a time. One that is not named may all the same be
    /// there: gateways are slow to index bundles.
    ///
    /// # Errors
    /// When that is not told of all of them.
    pub async fn known(&self, ids: &[Id]) -> Result<HashSet<Id>, GatewayError> {
        let mut known = HashSet::new();
        for ids in ids.chunks(IDS_MAX) {
            let list: Vec<_> = ids.iter().map(|id| format!(r#""{id}""#)).collect();
            let query = format!(
                "query {{ transactions(ids: [{}], first: {IDS_MAX}) {{ edges {{ node {{ id }} }} }} }}",
                list.join(", ")
            );
            known.extend(self.query(Call::Known, query, |body| answers::known(body, ids)).await?);
        }
        Ok(known)
    }

    /// The data of `id`, if it is known and has no more bytes than that.
    ///
    /// # Errors
    /// When it is longer, or not to be had in time.
    pub async fn data(&self, id: Id, bytes_max: usize) -> Result<Option<Bytes>, GatewayError> {
        let url = join(&self.endpoints.arweave, &["raw", &id.to_string()]);
        let timeout = self.http.options().transfer_timeout;
        let question = Question { timeout, bytes_max, ..self.question(Call::Raw, Method::GET, url) };
        let answer = self.ask(&question).await?;
        Ok((!answer.is_absent()).then_some(answer.body))
    }

    async fn ask_confirmations(self, tx: Id) -> Result<Option<Confirmations>, GatewayError> {
        let url = join(&self.endpoints.arweave, &["tx", &tx.to_string(), "status"]);
        let question = self.question(Call::Confirmations, Method::GET, url);
        let answer = self.ask(&question).await?;
        if answer.is_absent() {
            return Ok(None);
        }
        if answer.status == StatusCode::ACCEPTED {
            return Ok(Some(Confirmations { block_height: None, number_of_confirmations: 0 }));
        }
        answers::confirmations(&answer.body).map(Some).map_err(|cause| question.unexpected(cause))
    }

    async fn ask_transaction(self, id: Id) -> Result<Option<Arc<Transaction>>, GatewayError> {
        // An id is plain text by its alphabet, so that it needs no variable; some gateways know none.
        let query = format!(
            r#"query {{ transactions(ids: ["{id}"]) {{ edges {{ node {{ id signature anchor owner {{ key address }} tags {{ name value }} recipient }} }} }} }}"#
        );
        let found = self.query(Call::Transaction, query, |body| answers::transaction(body, id)).await?;
        Ok(found.map(Arc::new))
    }

    async fn ask_data_hash(self, id: Id) -> Result<Option<DeepHash>, GatewayError> {
        let url = join(&self.endpoints.arweave, &["raw", &id.to_string()]);
        let mut question = self.question(Call::Raw, Method::GET, url);
        question.timeout = self.http.options().transfer_timeout;
        self.http.patiently(|| self.http.hash(&question)).await
    }

    async fn ask_exists(self, id: Id) -> Result<Option<()>, GatewayError> {
        let bases = match self.endpoints.heads.as_slice() {
            [] => std::slice::from_ref(&self.endpoints.arweave),
            heads => heads,
        };
        // What the list promises is that URL/ID answers, on nodes as on gateways.
        let at = |base| self.question(Call::Exists, Method::HEAD, join(base, &[&id.to_string()]));
        let questions: Vec<_> = bases.iter().map(at).collect();
        let exists = self.http.patiently(|| self.exists_anywhere(&questions)).await?;
        Ok(exists.then_some(()))
    }

    /// Asks one after the other until one has it. A refusal (403, 451, ...) is an answer, which
    /// says that it is not to be had there; the last failure counts only when all failed.
    async fn exists_anywhere(&self, questions: &[Question]) -> Result<bool, GatewayError> {
        let mut answered = false;
        let mut failure = None;
        for question in questions {
            match self.http.once(question).await {
                Ok(answer) if !answer.is_absent() => return Ok(true),
                Ok(_) => answered = true,
                Err(error @ GatewayError::Status { .. }) if !error.is_transient() => answered = true,
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if !answered => Err(error),
            _ => Ok(false),
        }
    }

    /// Asks once.
    async fn height_at(&self, base: &Url) -> Result<u64, GatewayError> {
        let question = self.question(Call::Height, Method::GET, join(base, &["info"]));
        let answer = self.http.once(&question).await?;
        if answer.is_absent() {
            return Err(question.unexpected(AnswerError::NoService("network info")));
        }
        answers::height(&answer.body).map_err(|cause| question.unexpected(cause))
    }

    /// What a query of GraphQL gives.
    async fn query<T>(
        &self,
        call: Call,
        query: String,
        read: impl Fn(&[u8]) -> Result<T, AnswerError>,
    ) -> Result<T, GatewayError> {
        let url = self.endpoints.graphql_url();
        let mut question = self.question(call, Method::POST, url);
        let body = serde_json::json!({ "query": query }).to_string();
        question.body = Some(("application/json", body.into()));
        let answer = self.ask(&question).await?;
        if answer.is_absent() {
            // Not the transaction is missing here but GraphQL itself.
            return Err(question.unexpected(AnswerError::NoService("GraphQL")));
        }
        read(&answer.body).map_err(|cause| question.unexpected(cause))
    }

    /// A question with a short answer.
    fn question(&self, call: Call, method: Method, url: Url) -> Question {
        let timeout = self.http.options().request_timeout;
        Question { call, method, url, body: None, timeout, bytes_max: bytes_max(call) }
    }

    async fn ask(&self, question: &Question) -> Result<HttpAnswer, GatewayError> {
        self.http.patiently(|| self.http.once(question)).await
    }
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn confirmations(&self, tx: Id) -> Result<Option<Confirmations>, GatewayError> {
        self.asked.confirmations.ask(tx, self.clone().ask_confirmations(tx)).await
    }

    async fn transaction(&self, id: Id) -> Result<Option<Arc<Transaction>>, GatewayError> {
        self.asked.transactions.ask(id, self.clone().ask_transaction(id)).await
    }

    async fn data_hash(&self, id: Id) -> Result<Option<DeepHash>, GatewayError> {
        self.asked.hashes.ask(id, self.clone().ask_data_hash(id)).await
    }

    async fn exists(&self, id: Id) -> Result<bool, GatewayError> {
        let found = self.asked.existing.ask(id, self.clone().ask_exists(id)).await?;
        Ok(found.is_some())
    }

    async fn is_assigned(
        &self,
        process: Id,
        nonces: RangeInclusive<u64>,
        by: &[Address],
    ) -> Result<bool, GatewayError> {
        let (by, nonces) = (quoted(by), quoted(nonces));
        let query = format!(
            r#"query {{ transactions(owners: [{by}], tags: [{{ name: "Type", values: ["Assignment"] }}, {{ name: "Process", values: ["{process}"] }}, {{ name: "Nonce", values: [{nonces}] }}], first: 1) {{ edges {{ node {{ id }} }} }} }}"#
        );
        self.query(Call::Assigned, query, answers::is_any).await
    }

    async fn network_height(&self) -> Result<u64, GatewayError> {
        self.http.patiently(|| self.height_at(&self.endpoints.arweave)).await
    }

    async fn heights_elsewhere(&self) -> OtherHeights {
        let mut seen = HashSet::from([self.endpoints.arweave.origin()]);
        let others = self.endpoints.heads.iter().filter(|head| seen.insert(head.origin()));
        // Whoever needs them asks again soon: one that hangs must not keep the others' waiting.
        let answers = join_all(others.map(|head| self.height_at(head))).await;
        let asked = answers.len();
        let told = answers.into_iter().filter_map(|told| {
            told.inspect_err(|error| tracing::debug!(%error, "another gateway tells no block height")).ok()
        });
        OtherHeights { asked, told: told.collect() }
    }
}

/// As the items of a list in a query: none of them has a character that would need more.
fn quoted<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| format!("\"{item}\"")).collect();
    items.join(", ")
}

/// The longest answer that is read of those that are not data, each several times as long as any that is right: many
/// are read at a time, and what is made of them takes more than they do.
fn bytes_max(call: Call) -> usize {
    match call {
        // Tags of 4 KiB, each byte of them escaped.
        Call::Transaction => 128 * 1024,
        Call::Known => 64 * 1024,
        _ => 16 * 1024,
    }
}

/// A larger transaction is not remembered. What clients sign has tags of 4 KiB, and a key of half of one.
const REMEMBERED_BYTES_MAX: usize = 8 * 1024;
/// How many ids are asked for at a time: no public gateway gives more transactions in one page.
const IDS_MAX: usize = 100;

#[cfg(test)]
mod tests;
