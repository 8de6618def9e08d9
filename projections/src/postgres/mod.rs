//! The Postgres projection: the log as tables, for questions that the index does not answer.

mod options;

pub use options::PostgresOptions;
