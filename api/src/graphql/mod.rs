//! `/graphql`: what is scheduled here, in the form in which Arweave gateways are asked for transactions.

mod bounds;
mod question;
mod schema;
mod transaction;

use std::sync::Arc;

use async_graphql::{Request, Response};
use poem_openapi::OpenApi;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task;
use web::{Given, HttpError, Needed, Share};

use crate::error::CallError;
use crate::node::ApiNode;
use crate::query::{Group, queries};
use crate::refusals::{GraphRefusal, QueryRefusal};
use crate::render::Rendered;
use question::{GraphAnswerForm, QuestionBody};
use schema::{ItemSchema, graph};

/// How many questions are answered at a time.
const PARALLEL: usize = 2;
/// What each of them is counted as while it is answered: a part of so many of the memory for answers.
const PART: usize = 3;

/// The calls, and the node that answers them.
pub(crate) struct GraphApi {
    node: Arc<ApiNode>,
    graph: ItemSchema,
    turns: Arc<Semaphore>,
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
        let (request, counted) = question.read(self.node.parts.options.max_body).await?;
        let answer = self.answer(request).await?;
        drop(counted);
        Ok(answer)
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
        let request = question::of_link(query.0, variables.0.as_deref(), operation_name.0)?;
        Ok(self.answer(request).await?)
    }
}

impl GraphApi {
    pub(crate) fn new(node: Arc<ApiNode>) -> Self {
        Self { node, graph: graph(), turns: Arc::new(Semaphore::new(PARALLEL)) }
    }

    async fn answer(&self, mut request: Request) -> Result<Rendered<GraphAnswerForm>, CallError> {
        let queries = queries(&self.node)?.clone();
        let turn = self.turns.clone().acquire_owned().await.map_err(HttpError::internal)?;
        let budget = &self.node.parts.options.budget;
        let mut claim = budget.claim(Share::Answers, budget.share(Share::Answers) / PART).await?;
        let (graph, runtime) = (self.graph.clone(), Handle::current());
        // A page of signatures and keys is megabytes of JSON, which is put together at once: not on the executor.
        let answered = task::spawn_blocking(move || {
            let _turn = turn;
            let response = match bounds::parse(&request.query) {
                Ok(document) => {
                    request.set_parsed_query(document);
                    runtime.block_on(graph.execute(request.data(queries)))
                }
                Err(error) => Response::from_errors(vec![error]),
            };
            serde_json::to_vec(&response).map(|text| {
                claim.correct(Share::Answers, text.capacity());
                claim.over(text)
            })
        });
        let text = answered.await?.map_err(HttpError::internal)?;
        Ok(Rendered::whole(text))
    }
}
