//! A client of a node's admin listener.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use node::{AdminTokenError, read_admin_token};
use reqwest::{Method, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ClientError, SchedulerClient};
use crate::settings::{AskingTlsArgs, DATA_DIR, DEV_DIR};

/// Where the admin listener of a node on this machine is, if nothing else is set.
const USUAL: &str = "http://127.0.0.1:9001";

/// Which admin listener to talk to.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// The URL of the node's admin listener
    #[arg(long, value_name = "URL", env = "QUIPU_ADMIN_URL", default_value = USUAL)]
    admin: String,
    /// The token of the admin listener, if the node has an ADMIN_TOKEN or is on another machine
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, allow_hyphen_values = true)]
    token: Option<String>,
    #[command(flatten)]
    tls: AskingTlsArgs,
}

/// Which admin listener to ask for changes.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    listener: AdminArgs,
    /// The node's data folder, for the token that a node on this machine without an ADMIN_TOKEN has made; unless
    /// another is named, ./quipu-dev/data is looked in too
    #[arg(long, env, value_name = "DIR", default_value = DATA_DIR)]
    su_data_dir: PathBuf,
}

/// An admin listener with the token that it asks for.
#[derive(Clone, Debug)]
pub struct AdminClient {
    node: SchedulerClient,
    token: Option<String>,
    /// Where the token may be that the node has made, if it is on this machine.
    folders: Vec<PathBuf>,
    /// The flag and the variable that name another folder.
    naming: &'static str,
}

/// How a listener begins that has no such call.
const NO_CALL: &str = "there is no call";

/// How the data folder of a node is named, and that of a router.
const OF_NODE: &str = "--su-data-dir (SU_DATA_DIR)";
const OF_ROUTER: &str = "--router-data-dir (ROUTER_DATA_DIR)";

impl AdminArgs {
    /// That at this URL.
    pub fn at(admin: &str, token: Option<String>, tls: AskingTlsArgs) -> Self {
        Self { admin: admin.to_owned(), token, tls }
    }

    /// A client of it, to be asked for what changes nothing; nothing is sent yet.
    ///
    /// # Errors
    /// When it is no URL, or a file for TLS cannot be used.
    pub fn connect(&self) -> Result<AdminClient, ClientError> {
        let node = SchedulerClient::for_operators(&self.admin, &self.tls.tls()?)?;
        Ok(AdminClient { node, token: self.token.clone(), folders: Vec::new(), naming: OF_NODE })
    }

    /// A client of it that may also be asked for changes, with this data folder of the node.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn connect_to_change(&self, data: &Path) -> Result<AdminClient, ClientError> {
        let mut client = self.connect()?;
        // The token is nobody else's business.
        if is_local(client.url()) {
            client.folders.push(data.to_owned());
            if data == Path::new(DATA_DIR) {
                client.folders.push(PathBuf::from(DEV_DIR).join("data"));
            }
        }
        Ok(client)
    }

    /// The same of a router, with this data folder.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn connect_to_change_router(&self, data: &Path) -> Result<AdminClient, ClientError> {
        Ok(AdminClient { naming: OF_ROUTER, ..self.connect_to_change(data)? })
    }
}

impl OperatorArgs {
    /// The token that was given.
    pub fn token(&self) -> Option<String> {
        self.listener.token.clone()
    }

    /// What nodes are asked with by TLS.
    pub fn tls(&self) -> AskingTlsArgs {
        self.listener.tls.clone()
    }

    /// A client of it that may also be asked for changes; nothing is sent yet.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn connect(&self) -> Result<AdminClient, ClientError> {
        self.listener.connect_to_change(&self.su_data_dir)
    }
}

/// Whether a URL leads to this machine.
fn is_local(url: &str) -> bool {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.map_or(host == "localhost", |address| address.is_loopback())
    })
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
        let got = self.node.get(path, self.token.as_deref()).await;
        self.explained(got, &[]).await
    }

    /// What `GET` of this path gives, also with a status of 503, as the checks of a node that is not well do.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn get_any<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let got = self.node.get_any(path, self.token.as_deref()).await;
        self.explained(got, &[]).await
    }

    /// What `POST` of this to this path gives, with the first token that the node takes.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else; or a token that it may have made cannot be used.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: Option<Value>) -> Result<T, ClientError> {
        self.with_token(async |token| self.node.post_json(path, token, body.clone()).await).await
    }

    /// What `GET` of this path gives as it comes, from a place in it on, with the first token that the node takes.
    ///
    /// # Errors
    /// As [`AdminClient::post`].
    pub async fn fetch(&self, path: &str, from: u64) -> Result<Response, ClientError> {
        self.with_token(async |token| self.node.ask(Method::GET, path, from, token).await).await
    }

    /// What `GET` of this path gives, with the first token that the node takes; and that token.
    ///
    /// # Errors
    /// As [`AdminClient::post`], or when it answers something else.
    pub async fn fetch_told<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Option<String>), ClientError> {
        let ask = async |token: Option<&str>| {
            let told = self.node.get(path, token).await?;
            Ok((told, token.map(str::to_owned)))
        };
        self.with_token(ask).await
    }

    /// Has the node remove what is at this path.
    ///
    /// # Errors
    /// As [`AdminClient::post`].
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.with_token(async |token| self.node.ask(Method::DELETE, path, 0, token).await).await.map(drop)
    }

    /// Whether it is where nodes are that nobody has moved.
    pub fn is_usual(&self) -> bool {
        self.url() == USUAL
    }

    /// Whether the node is on this machine.
    pub fn is_local(&self) -> bool {
        is_local(self.url())
    }

    /// Asks with each token that the node may have made, until it takes one.
    async fn with_token<T>(
        &self,
        ask: impl AsyncFn(Option<&str>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let made = if self.token.is_none() { self.made_tokens() } else { MadeTokens::default() };
        let mut refused_from = Vec::new();
        for (folder, token) in &made.usable {
            match ask(Some(token)).await {
                // Nothing was done.
                Err(ClientError::Refused { status: 401, .. }) => refused_from.push(*folder),
                answer => return self.explained(answer, &[]).await,
            }
        }
        if let Some(error) = made.unusable {
            return Err(error.into());
        }
        self.explained(ask(self.token.as_deref()).await, &refused_from).await
    }

    /// A refusal that says what the user of this command can do about it, also when tokens from these folders were
    /// refused before.
    async fn explained<T>(
        &self,
        answer: Result<T, ClientError>,
        refused_from: &[&Path],
    ) -> Result<T, ClientError> {
        match answer {
            Err(ClientError::Refused { status: 401, text, code, retry_after }) => {
                let text = format!("{text}. {}", self.told_of_token(refused_from));
                Err(ClientError::Refused { status: 401, text, code, retry_after })
            }
            Err(ClientError::Refused { status: 404, text, .. })
                if text.starts_with(NO_CALL) && self.is_router().await =>
            {
                Err(ClientError::Router { url: self.url().to_owned() })
            }
            // Only the public listener tells whose scheduler it is.
            Err(ClientError::Refused { status: 400 | 404 | 405, .. }) if self.node.info().await.is_ok() => {
                Err(ClientError::Public { url: self.url().to_owned() })
            }
            answer => answer,
        }
    }

    async fn is_router(&self) -> bool {
        let status = self.node.get::<Value>("/status", self.token.as_deref()).await;
        status.is_ok_and(|status| status.get("schedulers").is_some())
    }

    /// Where this command has its token from.
    fn told_of_token(&self, refused_from: &[&Path]) -> String {
        if self.token.is_some() {
            return "The token of --token (ADMIN_TOKEN) is another one".to_owned();
        }
        if self.folders.is_empty() {
            return "This command takes it with --token (ADMIN_TOKEN)".to_owned();
        }
        let found = if refused_from.is_empty() {
            let folders: Vec<_> = self.folders.iter().map(PathBuf::as_path).collect();
            format!("This command looks for that file in {}", list(&folders))
        } else {
            format!("This command found that of another node in {}", list(refused_from))
        };
        format!("{found}; {} names another data folder, --token (ADMIN_TOKEN) the token itself", self.naming)
    }

    /// The tokens that the node may have made.
    fn made_tokens(&self) -> MadeTokens<'_> {
        let mut made = MadeTokens::default();
        for folder in &self.folders {
            match read_admin_token(folder) {
                Ok(token) => made.usable.extend(token.map(|token| (folder.as_path(), token))),
                Err(error) => made.unusable = made.unusable.or(Some(error)),
            }
        }
        made
    }
}

/// The tokens that are in data folders.
#[derive(Default)]
struct MadeTokens<'a> {
    /// Each with its folder.
    usable: Vec<(&'a Path, String)>,
    /// Why one cannot be used.
    unusable: Option<AdminTokenError>,
}

fn list(folders: &[&Path]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    folders.join(" and in ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use node::NodeTls;
    use tempfile::TempDir;

    use super::*;
    use crate::testing::{FakeNode, Misdeed};

    /// A data folder with this token, in a file of this mode.
    fn folder(token: &str, mode: u32) -> TempDir {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("admin-token");
        fs::write(&file, token).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[tokio::test]
    async fn the_token_of_another_node_is_not_the_last_one() {
        let node = FakeNode::start(Misdeed::None);
        let (right, wrong) = (FakeNode::TOKEN, format!("{}A", "B".repeat(42)));
        let post = async |folders: &[&TempDir]| {
            let folders = folders.iter().map(|folder| folder.path().to_owned()).collect();
            let scheduler = SchedulerClient::for_operators(&node.url, &NodeTls::default()).unwrap();
            let client = AdminClient { node: scheduler, token: None, folders, naming: OF_ROUTER };
            client.post::<Value>("/change", None).await.map_err(|error| error.to_string())
        };
        let (own, other, open) = (folder(right, 0o600), folder(&wrong, 0o600), folder(right, 0o644));
        for folders in [[&own, &other], [&other, &own], [&open, &own]] {
            post(&folders).await.unwrap();
        }
        let (empty, third) = (TempDir::new().unwrap(), folder(&wrong, 0o600));
        let path = |folder: &TempDir| folder.path().display().to_string();
        let told = post(&[&other, &empty, &third]).await.unwrap_err();
        let found = format!("found that of another node in {} and in {};", path(&other), path(&third));
        assert!(told.contains("401") && told.contains(&found), "{told}");
        let told = post(&[&other, &open]).await.unwrap_err();
        assert!(told.contains("mode 0644") && told.contains(&path(&open)), "{told}");
        let told = post(&[&empty]).await.unwrap_err();
        assert!(
            told.contains(&format!("looks for that file in {}; --router-data-dir (", path(&empty))),
            "{told}"
        );
    }

    #[test]
    fn a_made_token_is_sent_to_this_machine_alone() {
        for (url, local) in [
            ("http://127.0.0.1:9001", true),
            ("http://localhost:9001", true),
            ("http://[::1]:9001", true),
            ("http://10.0.0.5:9001", false),
            ("https://localhost.example", false),
            ("http://127.0.0.1.example:9001", false),
            ("http://[2001:db8::1]:9001", false),
        ] {
            let args = AdminArgs { admin: url.to_owned(), token: None, tls: AskingTlsArgs::default() };
            let client = args.connect_to_change(Path::new("/somewhere")).unwrap();
            assert_eq!(!client.folders.is_empty(), local, "{url}");
        }
    }
}
