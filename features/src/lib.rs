//! Nothing but its dependencies, see `Cargo.toml`: with these features each dependency is compiled once, whatever
//! selection of crates is built.
