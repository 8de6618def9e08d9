//! What the simulation and the tests share: those who sign items, the world around a scheduler, and a scheduler that
//! runs in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod author;
mod scene;
mod world;

pub(crate) use author::{Author, id_of};
pub(crate) use scene::Scene;
pub(crate) use world::{OneHeight, World};
