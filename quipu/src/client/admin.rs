//! A client of a node's admin listener.

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ClientError, SchedulerClient};

/// Which admin listener to talk to.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// The URL of the node's admin listener
    #[arg(long, value_name = "URL", env = "QUIPU_ADMIN_URL", default_value = "http://127.0.0.1:9001")]
    admin: String,
    /// The token of the admin listener, needed unless it listens on a loopback address
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// An admin listener with the token that it asks for.
#[derive(Clone, Debug)]
pub struct AdminClient {
    node: SchedulerClient,
    token: Option<String>,
}

impl AdminArgs {
    /// A client of it; nothing is sent yet.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn connect(&self) -> Result<AdminClient, ClientError> {
        Ok(AdminClient { node: SchedulerClient::for_operators(&self.admin)?, token: self.token.clone() })
    }
}

impl AdminClient {
    /// The address as it is used.
    pub fn url(&self) -> &str {
        self.node.url()
    }

    /// What `GET` of this path gives.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.node.get(path, self.token.as_deref()).await
    }

    /// What `GET` of this path gives, also with a status of 503, as the checks of a node that is not well do.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn get_any<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.node.get_any(path, self.token.as_deref()).await
    }

    /// What `POST` of this to this path gives.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: Option<Value>) -> Result<T, ClientError> {
        self.node.post_json(path, self.token.as_deref(), body).await
    }
}
