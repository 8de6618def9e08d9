//! A node with a process, and a browser to look at it with.

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Node, User};
use tempfile::TempDir;

use crate::chromium::{Browser, Tab};
use crate::explorer::{open, process};
use crate::node::{DESK, folder};

/// All of it; the node is to be stopped.
pub struct BrowsedProcess {
    pub node: Node,
    pub client: Client,
    pub user: User,
    pub process: Id,
    pub browser: Browser,
    _gateway: Gateway,
    _folder: TempDir,
}

impl BrowsedProcess {
    /// A process with so many messages, of which each has its number as data.
    pub async fn of(messages: u8) -> Self {
        Self::of_launch(messages, |launch| launch).await
    }

    /// The same of a node that is started otherwise.
    pub async fn of_launch(messages: u8, otherwise: impl FnOnce(Launch) -> Launch) -> Self {
        let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
        let node = otherwise(Launch::su(folder.path()).gateway(gateway.url())).start();
        let (client, user) = (node.client(), User::new(1));
        let process = process(&client, &user).await.id;
        for number in 0..messages {
            client.schedule(&user.message(process, &[number])).await;
        }
        Self { node, client, user, process, browser, _gateway: gateway, _folder: folder }
    }

    /// A tab with a screen of the explorer.
    pub fn open(&self, screen: &str) -> Tab<'_> {
        open(&self.browser, &self.node.url(), screen, DESK)
    }

    /// The address of an entry of the process.
    pub fn entry(&self, nonce: u64) -> String {
        format!("#/entry/{}/{nonce}", self.process)
    }

    /// The address of the process.
    pub fn schedule(&self) -> String {
        format!("#/process/{}", self.process)
    }
}
