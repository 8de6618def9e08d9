//! What the simulation and the tests share: the world around a scheduler, and a scheduler that runs in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod scene;
mod world;

pub(crate) use scene::Scene;
pub(crate) use world::{OneHeight, World};
