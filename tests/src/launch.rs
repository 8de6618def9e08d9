//! How a node is started: settings, and where it runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ans104::{KeyType, Signer, Wallet};

use crate::node::Node;
use crate::paths::quipu;
use crate::program::{Finished, Program};
use crate::wallet::wallet_file_of;

/// How to start a node. It starts as often as one likes, each time on other ports.
#[derive(Clone)]
pub struct Launch {
    prefix: Vec<OsString>,
    words: Vec<OsString>,
    settings: BTreeMap<String, OsString>,
    folder: PathBuf,
}

impl Launch {
    /// `quipu su` on free ports, with everything in this folder, which is its working directory as well. There is
    /// no gateway unless [`Launch::gateway`] names one.
    pub fn su(folder: &Path) -> Self {
        Self::command(folder, &["su", "0"])
            .wallet(KeyType::Rsa)
            .set("SU_DATA_DIR", folder.join("data"))
            .set("LOG_FORMAT", "json")
            .gateway(NOWHERE)
            .unset("UPLOAD_NODE_URL")
    }

    /// `quipu standby` on free ports, with everything in this folder; it follows whatever listens here.
    pub fn standby(folder: &Path, from: &str) -> Self {
        Self::command(folder, &["standby", "0"])
            .set("REPLICATE_FROM", from)
            .set("SU_DATA_DIR", folder.join("data"))
            .set("LOG_FORMAT", "json")
            .gateway(NOWHERE)
            .unset("UPLOAD_NODE_URL")
    }

    /// `quipu router` on free ports, with everything in this folder, in front of these schedulers: they are in its list.
    ///
    /// # Panics
    /// When the list cannot be written.
    pub fn router(folder: &Path, schedulers: &[&str]) -> Self {
        let list: Vec<_> = schedulers.iter().map(|url| serde_json::json!({ "url": url })).collect();
        let path = folder.join("schedulers.json");
        std::fs::write(&path, serde_json::Value::from(list).to_string())
            .expect("the folder can be written to");
        Self::command(folder, &["router", "0"])
            .set("SCHEDULER_LIST_PATH", path)
            .set("ROUTER_DATA_DIR", folder.join("data"))
            .set("LOG_FORMAT", "json")
    }

    /// Any command of the binary. Of the test's own environment it sees nothing but the search path.
    pub fn command(folder: &Path, words: &[&str]) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            prefix: Vec::new(),
            words: words.iter().map(OsString::from).collect(),
            settings: BTreeMap::from([("PATH".to_owned(), path)]),
            folder: folder.to_owned(),
        }
    }

    /// The same with one more word on its command line.
    #[must_use]
    pub fn word(mut self, word: &str) -> Self {
        self.words.push(word.into());
        self
    }

    /// The same on this port, and not on any free one.
    ///
    /// # Panics
    /// When it is no command that listens.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        assert_eq!(self.words.get(1).and_then(|word| word.to_str()), Some("0"), "it has no port to choose");
        self.words[1] = port.to_string().into();
        self.set("ADMIN_LISTEN", "127.0.0.1:0")
    }

    /// The same, which registers itself at this router under the port that was chosen for it.
    #[must_use]
    pub fn registered_at(self, router: &Node) -> Self {
        let public = format!("http://127.0.0.1:{}", self.words[1].to_string_lossy());
        self.set("REGISTER_AT", router.admin_url())
            .set("REGISTER_TOKEN", router.token())
            .set("PUBLIC_URL", public)
    }

    /// The same with a setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// The same without a setting.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.settings.remove(name);
        self
    }

    /// The same with a wallet of this kind; without, it is RSA.
    #[must_use]
    pub fn wallet(self, key_type: KeyType) -> Self {
        self.set("SU_WALLET_PATH", wallet_file_of(key_type))
    }

    /// The same where what is in the folder was imported from a scheduler with another wallet: its own signs from now on.
    ///
    /// # Panics
    /// When it has no wallet.
    #[must_use]
    pub fn after_import(self) -> Self {
        let path = self.settings.get("SU_WALLET_PATH").expect("it has a wallet");
        let text = fs::read_to_string(path).expect("its wallet can be read");
        let address = Wallet::from_jwk(&text).expect("its wallet is one").address();
        self.set("SU_WALLET_CHANGE_TO", address.to_string())
    }

    /// The same with all questions and uploads going to this gateway.
    #[must_use]
    pub fn gateway(self, url: &str) -> Self {
        let names = ["ARWEAVE_URL", "GRAPHQL_URL", "UPLOAD_NODE_URL", "ARWEAVE_URL_LIST", "GATEWAY_URL"];
        names.into_iter().fold(self, |launch, name| launch.set(name, url))
    }

    /// The same, started by another program that is given the node's command line.
    #[must_use]
    pub fn through(mut self, prefix: &[&str]) -> Self {
        self.prefix = prefix.iter().map(OsString::from).collect();
        self
    }

    /// Where the node's data is.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts a node and waits until it schedules, which it does as soon as it knows the block height.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&self) -> Node {
        let node = self.serve();
        node.wait_for_height();
        node
    }

    /// Starts a node and waits until it serves, be there a gateway or not.
    ///
    /// # Panics
    /// When it does not.
    pub fn serve(&self) -> Node {
        Node::start(self)
    }

    /// Starts the program, whatever it does then.
    pub fn program(&self) -> Program {
        Program::start(self.to_command())
    }

    /// Starts the program with this as its standard error.
    pub fn program_with_stderr(&self, stderr: impl Into<Stdio>) -> Program {
        Program::with_stderr(self.to_command(), stderr.into())
    }

    /// Runs the program to its end.
    pub fn run(&self) -> Finished {
        self.program().finish()
    }

    /// `quipu verify` of the node's data, run as the node is.
    pub fn verify(&self, more: &[&str]) -> Finished {
        let mut verify = Self::command(&self.folder, &["verify"]);
        verify.words.push(self.data().into());
        verify.words.extend(more.iter().map(OsString::from));
        verify.prefix = self.prefix.clone();
        verify.run()
    }

    fn to_command(&self) -> Command {
        let mut line = self.prefix.clone();
        line.push(quipu().into());
        line.extend_from_slice(&self.words);
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_clear().envs(&self.settings).current_dir(&self.folder);
        command
    }
}

/// An address where nobody listens: connections are refused at once.
const NOWHERE: &str = "http://127.0.0.1:1";
