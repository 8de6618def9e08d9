//! What remembers the logs of nodes: engines that are started here, each a test's own.

use std::path::Path;

use quipu_tests::{Gateway, Launch, Nats, ObjectServer, Postgres};

/// The stream of a test.
pub(crate) const STREAM: &str = "log";
/// Where a gate in Postgres has what it keeps.
const TABLES: [&str; 2] = ["records", "log_end"];

/// An engine that can be set back.
pub(crate) trait NodeEngine: Sized {
    /// Whether it compares what comes with all that it has: then a node finds out with its next record that it was set back.
    const COMPARES: bool = true;

    /// One that holds nothing.
    fn fresh() -> Self;

    /// The same node, with this for its gate.
    fn gate_of(&self, launch: Launch) -> Launch;

    /// Keeps a copy of what it holds.
    fn keep_copy(&self);

    /// Brings back that copy.
    fn set_back(&mut self);

    /// `quipu su` in this folder, with this for its gate; it tells what it measures.
    fn node(&self, folder: &Path, gateway: &Gateway) -> Launch {
        self.gate_of(Launch::su(folder).gateway(gateway.url()).set("ENABLE_METRICS", "true"))
    }
}

/// The way of being away in which an engine is killed.
pub(crate) const KILLED: usize = 1;

/// An engine that can be away, in several ways.
pub(crate) trait AwayEngine {
    /// How many ways there are.
    const WAYS: usize;

    /// Is away in this way.
    fn leave(&mut self, way: usize);

    /// Is back from there.
    fn come_back(&mut self, way: usize);
}

impl NodeEngine for Postgres {
    fn fresh() -> Self {
        Self::start()
    }

    fn gate_of(&self, launch: Launch) -> Launch {
        let launch = launch.set("GATE", "postgres").set("GATE_URL", self.url());
        launch.set("GATE_SINGLE_COPY", "accept")
    }

    fn keep_copy(&self) {
        let copies = TABLES.map(|table| format!("create table kept.{table} as table quipu_gate.{table};"));
        self.sql_file("quipu", &format!("create schema kept; {}", copies.concat()));
    }

    fn set_back(&mut self) {
        let back = TABLES.map(|table| {
            format!("delete from quipu_gate.{table}; insert into quipu_gate.{table} table kept.{table};")
        });
        self.sql_file("quipu", &back.concat());
    }
}

impl AwayEngine for Postgres {
    const WAYS: usize = 3;

    fn leave(&mut self, way: usize) {
        match way {
            0 => self.stop_answering(),
            1 => self.kill(),
            _ => self.refuse(),
        }
    }

    fn come_back(&mut self, way: usize) {
        if way == 0 { self.go_on() } else { self.restart() }
    }
}

impl NodeEngine for Nats {
    fn fresh() -> Self {
        Self::start()
    }

    fn gate_of(&self, launch: Launch) -> Launch {
        launch.set("GATE", self.url(STREAM)).set("GATE_SINGLE_COPY", "accept")
    }

    fn keep_copy(&self) {
        self.back_up();
    }

    fn set_back(&mut self) {
        self.restore();
    }
}

impl AwayEngine for Nats {
    const WAYS: usize = 2;

    fn leave(&mut self, way: usize) {
        if way == 0 { self.stop_answering() } else { self.kill(0) }
    }

    fn come_back(&mut self, way: usize) {
        if way == 0 { self.go_on() } else { self.restart(0) }
    }
}

impl NodeEngine for ObjectServer {
    /// For a second what was last there is taken to be there still.
    const COMPARES: bool = false;

    fn fresh() -> Self {
        Self::start()
    }

    fn gate_of(&self, launch: Launch) -> Launch {
        let launch = launch.set("GATE", "s3://bucket/log");
        self.settings().iter().fold(launch, |launch, (name, value)| launch.set(&name.to_uppercase(), value))
    }

    fn keep_copy(&self) {
        self.back_up();
    }

    fn set_back(&mut self) {
        self.restore();
    }
}
