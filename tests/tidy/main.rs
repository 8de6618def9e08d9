//! The rules of the house that neither the compiler nor clippy knows. Each names file and line of what breaks it.

mod first_build;
mod fuzzing;
mod layout;
mod names;
mod one_build;
mod paths;
mod rooms;
mod sources;
mod words;

use std::fmt::Display;

/// Fails with all places at once.
fn assert_none(rule: &str, broken: impl IntoIterator<Item = impl Display>) {
    let broken: Vec<_> = broken.into_iter().map(|place| place.to_string()).collect();
    assert!(broken.is_empty(), "{rule}\n  {}\n", broken.join("\n  "));
}
