//! The stand-in for an Arweave gateway and an upload node.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use rand::Rng;
use serde_json::Value;

use crate::client::Client;
use crate::paths::conformance;
use crate::program::Program;
use crate::wait::PATIENCE;

/// A gateway that runs. It is killed when this is dropped.
pub struct Gateway {
    _program: Program,
    client: Client,
    url: String,
}

impl Gateway {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        // Between being found free and being used, the port may be taken by somebody else.
        let started = (0..5).find_map(|_| Self::try_start(free_port()).ok());
        started.expect("the gateway starts on one of five free ports")
    }

    /// Starts one on this port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_on(port: u16) -> Self {
        Self::try_start(port).unwrap_or_else(|said| panic!("the gateway does not start; it said:\n{said}"))
    }

    fn try_start(port: u16) -> Result<Self, String> {
        let mut command = Command::new("node");
        command.arg(conformance().join("gateway.mjs")).arg(port.to_string());
        let program = Program::start(command);
        match program.stdout().find(PATIENCE, |line| line.starts_with("gateway on").then_some(())) {
            Some(()) => {
                let url = format!("http://127.0.0.1:{port}");
                Ok(Self { _program: program, client: Client::new(&url), url })
            }
            None => Err(program.stderr().text()),
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The ids of all that was uploaded to it.
    pub async fn items(&self) -> HashSet<String> {
        self.ask("/_items").await
    }

    /// How often it was asked for what.
    pub async fn stats(&self) -> Value {
        self.ask("/_stats").await
    }

    /// Refuses the next so many uploads with 503.
    pub async fn fail_uploads(&self, count: u32) {
        let _: Value = self.ask(&format!("/_fail?n={count}")).await;
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        self.client.get(path).await.json()
    }
}

/// A port on which nobody listens, and which the system gives to nobody who asks for any.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut tries = (0..1000).map(|_| rand::rng().random_range(10_000..32_000));
    tries.find(free).expect("one of a thousand ports is free")
}
