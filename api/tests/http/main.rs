//! The API over real HTTP on loopback, against a node with a log in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod node;
mod plain;
mod samples;

mod closed;
mod description;
mod exploring;
mod listeners;
mod following;
mod graphql;
mod hang_ups;
mod hyperbeam;
mod jobs;
mod large;
mod lately;
mod operators;
mod pages;
mod queries;
mod reads;
mod refusals;
mod rendering;
mod routes;
mod streaming;
mod traffic;
mod unreadable;
mod uploads;
mod writes;
