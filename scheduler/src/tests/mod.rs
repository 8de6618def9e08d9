//! What a scheduler with all its threads admits, refuses and signs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod assigning;
mod classes;
mod clock;
mod gateways;
mod losing;
mod lower_case;
mod placing;
mod rules;
mod spawning;
mod stopping;
mod succession;
mod waiting;
