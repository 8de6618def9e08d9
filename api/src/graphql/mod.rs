//! `/graphql`: what is scheduled here, in the form in which Arweave gateways are asked for transactions.

mod bounds;
mod question;
mod schema;
mod transaction;

use std::sync::Arc;

use async_graphql::{Request, Response};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task;
use web::{Given, HttpError, Needed};

use crate::node::ApiNode;
use crate::query::{Group, queries};
use crate::refusals::GraphRefusal;
use crate::render::Rendered;
use question::{GraphAnswerForm, QuestionBody};
use schema::{Graph, graph};

/// The calls; the node that answers them comes with each request.
pub(crate) struct GraphApi {
    graph: Graph,
    turns: Arc<Semaphore>,
}

/// How many questions are answered at a time: each may take a hundred megabytes.
const PARALLEL: usize = 4;

impl Default for GraphApi {
    fn default() -> Self {
        Self { graph: graph(), turns: Arc::new(Semaphore::new(PARALLEL)) }
    }
}

#[OpenApi(tag = "Group::Query")]
impl GraphApi {
    /// Items as Arweave gateways list them
    ///
    /// GraphQL: `transactions(ids, owners, recipients, tags, ingested_at, first, after, sort)` and `transaction(id)`,
    /// with the names and forms of Arweave's gateways. What is listed are the items that are scheduled here,
    /// processes and messages, from the moment Postgres has them. Failures of a question are in `errors` of an
    /// answer with status 200, as GraphQL has it.
    #[oai(path = "/graphql", method = "post", operation_id = "graphql")]
    async fn post(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The question.
        question: QuestionBody,
    ) -> Result<Rendered<GraphAnswerForm>, GraphRefusal> {
        let request = question.read(node.parts.options.max_body).await?;
        self.answer(&node, request).await
    }

    /// The same as a link
    #[oai(path = "/graphql", method = "get", operation_id = "graphqlGet")]
    async fn get(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The query.
        query: Query<Needed<String>>,
        /// The values of its variables, as JSON.
        variables: Query<Given<String>>,
        /// Which of several operations of the query.
        #[oai(name = "operationName")]
        operation_name: Query<Given<String>>,
    ) -> Result<Rendered<GraphAnswerForm>, GraphRefusal> {
        let request = question::of_link(query.0.0, variables.0.0.as_deref(), operation_name.0.0)?;
        self.answer(&node, request).await
    }
}

impl GraphApi {
    async fn answer(
        &self,
        node: &Arc<ApiNode>,
        mut request: Request,
    ) -> Result<Rendered<GraphAnswerForm>, GraphRefusal> {
        let queries = queries(node)?.clone();
        let turn = self.turns.clone().acquire_owned().await.map_err(HttpError::internal)?;
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
            serde_json::to_vec(&response)
        });
        let text = answered.await?.map_err(HttpError::internal)?;
        Ok(Rendered::whole(text))
    }
}
