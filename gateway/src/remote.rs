//! [`Gateway`] over HTTP.

use std::collections::HashSet;

use ans104::Id;
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Call, Confirmations, Endpoints, Gateway, GatewayError, HEIGHT_MAX, Http, Owner, Transaction,
    endpoints::join,
    error::{excerpt, shown},
    http::{Answer, Question},
};

/// The gateways that the endpoints name. Every read is attempted a few times, see
/// [`HttpOptions`](crate::HttpOptions).
#[derive(Clone, Debug)]
pub struct HttpGateway {
    http: Http,
    endpoints: Endpoints,
}

impl HttpGateway {
    /// Asks `endpoints` through `http`.
    #[must_use]
    pub fn new(http: Http, endpoints: Endpoints) -> Self {
        Self { http, endpoints }
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
            let found: Vec<NodeId> = self.query(Call::Known, query).await?;
            let asked = |id: &Id| ids.contains(id);
            known.extend(found.into_iter().filter_map(|node| node.id.parse().ok()).filter(asked));
        }
        Ok(known)
    }

    /// The transactions that a query of GraphQL gives.
    async fn query<N: DeserializeOwned>(&self, call: Call, query: String) -> Result<Vec<N>, GatewayError> {
        let url = match self.endpoints.graphql.path().trim_end_matches('/').rsplit('/').next() {
            Some("graphql") => self.endpoints.graphql.clone(),
            _ => join(&self.endpoints.graphql, &["graphql"]),
        };
        let mut question = self.question(call, Method::POST, url);
        let body = serde_json::json!({ "query": query }).to_string();
        question.body = Some(("application/json", body.into()));
        let answer = self.ask(&question).await?;
        if answer.is_absent() {
            // Not the transaction is missing here but GraphQL itself.
            return Err(unexpected(&question, "404: there is no GraphQL at this address"));
        }
        let answer: GraphQl<N> = read(&question, &answer.body)?;
        answer.nodes().map_err(|reason| unexpected(&question, &reason))
    }

    /// A question with a short answer.
    fn question(&self, call: Call, method: Method, url: Url) -> Question {
        let timeout = self.http.options().request_timeout;
        Question { call, method, url, body: None, timeout, bytes_max: SHORT_BYTES_MAX }
    }

    async fn ask(&self, question: &Question) -> Result<Answer, GatewayError> {
        self.http.patiently(|| self.http.once(question)).await
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
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn confirmations(&self, tx: Id) -> Result<Option<Confirmations>, GatewayError> {
        #[derive(Deserialize)]
        struct Status {
            block_height: u64,
            number_of_confirmations: u64,
        }
        let url = join(&self.endpoints.arweave, &["tx", &tx.to_string(), "status"]);
        let question = self.question(Call::Confirmations, Method::GET, url);
        let answer = self.ask(&question).await?;
        if answer.is_absent() {
            return Ok(None);
        }
        if answer.status == StatusCode::ACCEPTED {
            return Ok(Some(Confirmations { block_height: None, number_of_confirmations: 0 }));
        }
        let status: Status = read(&question, &answer.body)?;
        Ok(Some(Confirmations {
            block_height: Some(status.block_height),
            number_of_confirmations: status.number_of_confirmations,
        }))
    }

    async fn transaction(&self, id: Id) -> Result<Option<Transaction>, GatewayError> {
        // An id is plain text by its alphabet, so that it needs no variable; some gateways know none.
        let query = format!(
            r#"query {{ transactions(ids: ["{id}"]) {{ edges {{ node {{ id signature anchor owner {{ key address }} tags {{ name value }} recipient }} }} }} }}"#
        );
        let nodes: Vec<Node> = self.query(Call::Transaction, query).await?;
        let text = id.to_string();
        let node = nodes.into_iter().find(|node| node.id == text);
        Ok(node.map(|node| node.into_transaction(id)))
    }

    async fn raw(&self, id: Id) -> Result<Option<Bytes>, GatewayError> {
        let url = join(&self.endpoints.arweave, &["raw", &id.to_string()]);
        let mut question = self.question(Call::Raw, Method::GET, url);
        question.timeout = self.http.options().transfer_timeout;
        question.bytes_max = self.http.options().raw_bytes_max;
        let answer = self.ask(&question).await?;
        Ok((!answer.is_absent()).then_some(answer.body))
    }

    async fn exists(&self, id: Id) -> Result<bool, GatewayError> {
        let bases = match self.endpoints.heads.as_slice() {
            [] => std::slice::from_ref(&self.endpoints.arweave),
            heads => heads,
        };
        // What the list promises is that URL/ID answers, on nodes as on gateways.
        let at = |base| self.question(Call::Exists, Method::HEAD, join(base, &[&id.to_string()]));
        let questions: Vec<_> = bases.iter().map(at).collect();
        self.http.patiently(|| self.exists_anywhere(&questions)).await
    }

    async fn network_height(&self) -> Result<u64, GatewayError> {
        #[derive(Deserialize)]
        struct Info {
            height: u64,
        }
        let url = join(&self.endpoints.arweave, &["info"]);
        let question = self.question(Call::Height, Method::GET, url);
        let answer = self.ask(&question).await?;
        if answer.is_absent() {
            return Err(unexpected(&question, "404: there is no network info at this address"));
        }
        let Info { height } = read(&question, &answer.body)?;
        if height > HEIGHT_MAX {
            return Err(unexpected(&question, &format!("the height {height}, beyond {HEIGHT_MAX}")));
        }
        Ok(height)
    }
}

/// Bound of the answers that are not data: an item's tags are a few kilobytes at most.
const SHORT_BYTES_MAX: usize = 1024 * 1024;
/// How many ids are asked for at a time: no public gateway gives more transactions in one page.
const IDS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct GraphQl<N> {
    data: Option<GraphQlData<N>>,
    #[serde(default)]
    errors: Option<Vec<GraphQlError>>,
}

#[derive(Deserialize)]
struct GraphQlError {
    message: String,
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct GraphQlData<N> {
    transactions: Edges<N>,
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct Edges<N> {
    edges: Vec<Edge<N>>,
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct Edge<N> {
    node: N,
}

#[derive(Deserialize)]
struct NodeId {
    id: String,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    signature: Option<String>,
    anchor: Option<String>,
    owner: NodeOwner,
    tags: Vec<NodeTag>,
    recipient: Option<String>,
}

#[derive(Deserialize)]
struct NodeOwner {
    key: Option<String>,
    address: String,
}

#[derive(Deserialize)]
struct NodeTag {
    name: String,
    value: String,
}

impl<N> GraphQl<N> {
    /// The transactions, or what the gateway says is wrong.
    fn nodes(self) -> Result<Vec<N>, String> {
        let complaint = self.errors.and_then(|errors| errors.into_iter().next());
        match (self.data, complaint) {
            (Some(data), None) => Ok(data.transactions.edges.into_iter().map(|edge| edge.node).collect()),
            (_, Some(error)) => Err(excerpt(error.message.as_bytes())),
            (None, None) => Err("neither data nor errors".to_owned()),
        }
    }
}

impl Node {
    fn into_transaction(self, id: Id) -> Transaction {
        Transaction {
            id,
            signature: self.signature.unwrap_or_default(),
            anchor: self.anchor.unwrap_or_default(),
            owner: Owner { key: self.owner.key.unwrap_or_default(), address: self.owner.address },
            tags: self.tags.into_iter().map(|tag| (tag.name, tag.value)).collect(),
            recipient: self.recipient.unwrap_or_default(),
        }
    }
}

fn read<T: DeserializeOwned>(question: &Question, body: &[u8]) -> Result<T, GatewayError> {
    serde_json::from_slice(body)
        .map_err(|error| unexpected(question, &format!("{error}, in: {}", excerpt(body))))
}

fn unexpected(question: &Question, reason: &str) -> GatewayError {
    GatewayError::Body { call: question.call, url: shown(&question.url), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
