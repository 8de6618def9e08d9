//! The Postgres projection: the log as tables, for questions that the index does not answer.

mod options;
mod tag_key;

pub use options::PostgresOptions;
pub use tag_key::tag_key;
