//! What a node is asked for a look at it.

use serde_json::Value;

use crate::client::{AdminClient, ClientError};

/// All that one look shows.
pub(super) struct TopLook {
    /// The status, with the checks in it.
    pub(super) status: Value,
    /// None where the node counts nothing, or does not know how.
    pub(super) series: Option<Value>,
    pub(super) busy: Option<Value>,
    /// None where the node does not upload.
    pub(super) stuck: Option<Value>,
    pub(super) history: Option<Value>,
}

impl TopLook {
    pub(super) async fn ask(node: &AdminClient) -> Result<Self, ClientError> {
        let mut status: Value = node.get("/status").await?;
        let checks: Value = node.get_any("/checks").await?;
        if let (Some(fields), Some(checks)) = (status.as_object_mut(), checks.get("checks")) {
            fields.insert("checks".to_owned(), checks.clone());
        }
        Ok(Self {
            status,
            series: if_there(node, "/series?step=moment").await?,
            busy: if_there(node, "/processes/busy").await?,
            stuck: if_there(node, "/uploads/stuck").await?,
            history: if_there(node, "/history").await?,
        })
    }
}

/// What a call tells that not every node has.
async fn if_there(node: &AdminClient, path: &str) -> Result<Option<Value>, ClientError> {
    match node.get(path).await {
        Ok(told) => Ok(Some(told)),
        Err(ClientError::Refused { status: 404, .. } | ClientError::Router { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
