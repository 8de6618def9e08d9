//! Pages for a browser: what a listener for operators says of itself, to be looked at.
//!
//! They are plain files, `assets/`, embedded as they are: one HTML file for each program, and beside it in `ui/` the
//! style and the modules that all of them share. All that a page shows it fetches from the calls of its own listener
//! (`/status`, `/checks`), so that a page knows nothing that those do not tell.

mod files;

pub use files::node;

#[cfg(test)]
mod tests;
