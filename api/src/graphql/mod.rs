//! `/graphql`: what is scheduled here, in the form in which Arweave gateways are asked for transactions.

mod bounds;
mod question;
mod schema;
mod transaction;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use async_graphql::Response;
use poem_openapi::OpenApi;
use protocol::Code;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task;
use web::{Given, HttpError, Needed, Share};

use crate::error::CallError;
use crate::node::ApiNode;
use crate::query::{Group, queries};
use crate::refusals::{GraphRefusal, QueryRefusal};
use crate::render::Rendered;
use crate::turns::AnswerRoom;
use question::{GraphAnswerForm, GraphQuestion, QuestionBody};
use schema::{ItemSchema, graph};

/// The calls, and the node that answers them.
pub(crate) struct GraphApi {
    node: Arc<ApiNode>,
    graph: ItemSchema,
}

#[OpenApi(tag = "Group::Query")]
impl GraphApi {
    /// Items in the form of an Arweave gateway
    ///
    /// This is GraphQL: `transactions(ids, owners, recipients, tags, ingested_at, first, after, sort)` and
    /// `transaction(id)`, named and shaped as on Arweave's gateways. They list the items that are scheduled here,
    /// processes and messages, as soon as Postgres has them. As usual in GraphQL, an answer with status 200 may have
    /// `errors`.
    #[oai(path = "/graphql", method = "post", operation_id = "graphql")]
    async fn post(
        &self,
        /// The question.
        question: QuestionBody,
    ) -> Result<Rendered<GraphAnswerForm>, GraphRefusal> {
        let question = question.whole(self.node.parts.options.max_body).await?;
        Ok(self.answer(question).await?)
    }

    /// Items in the form of an Arweave gateway, asked with a link
    #[oai(path = "/graphql", method = "get", operation_id = "graphqlGet")]
    async fn get(
        &self,
        /// The query.
        query: Needed<String>,
        /// The values of its variables, as a JSON object.
        variables: Given<String>,
        /// Which operation to run if the query has several.
        #[oai(name = "operationName")]
        operation_name: Given<String>,
    ) -> Result<Rendered<GraphAnswerForm>, QueryRefusal> {
        let (variables, operation_name) = (variables.0, operation_name.0);
        Ok(self.answer(GraphQuestion::Link { query: query.0, variables, operation_name }).await?)
    }
}

impl GraphApi {
    pub(crate) fn new(node: Arc<ApiNode>) -> Self {
        Self { node, graph: graph() }
    }

    async fn answer(&self, question: GraphQuestion) -> Result<Rendered<GraphAnswerForm>, CallError> {
        let queries = queries(&self.node)?.clone();
        let AnswerRoom { turn, mut claim } = self.node.rooms.for_question().await?;
        let (graph, runtime) = (self.graph.clone(), Handle::current());
        // Dropped with this call when the client hangs up.
        let (_waits, hung_up) = oneshot::channel::<Infallible>();
        // A page of signatures and keys is megabytes of JSON, which is put together at once: not on the executor.
        let answered = task::spawn_blocking(move || {
            let _turn = turn;
            let mut request = question.read()?;
            let response = match bounds::parse(&request.query) {
                Ok(document) => {
                    request.set_parsed_query(document);
                    let answer = graph.execute(request.data(queries));
                    runtime.block_on(until(hung_up, answer)).ok_or_else(nobody_waits)?
                }
                Err(error) => Response::from_errors(vec![error]),
            };
            let text = serde_json::to_vec(&response).map_err(HttpError::internal)?;
            claim.correct(Share::Answers, text.capacity());
            Ok::<_, HttpError>(claim.over(text))
        });
        Ok(Rendered::whole(answered.await??))
    }
}

/// What an answer is, unless the client hangs up before.
async fn until<T>(hung_up: oneshot::Receiver<Infallible>, answer: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = hung_up => None,
        answer = answer => Some(answer),
    }
}

fn nobody_waits() -> HttpError {
    HttpError::new(Code::Unavailable, "the client hung up before it was answered")
}
