//! Pages for a browser: what a listener for operators says of itself, and what is scheduled, to be looked at.
//!
//! They are plain files, `assets/`, embedded as they are: one HTML file for each page, below a head that all have, and
//! beside them in `ui/` the style and the modules that they share; all of it is at `/ui/` of a listener. All that a page shows it fetches from the calls of its own listener
//! (`/status`, `/checks`, `/series`, `/history`, `/explore/v1/`), so that a page knows nothing that those do not tell. Signatures are verified in
//! the browser (`ui/verify.js`), on the main thread in turns: a worker would need a policy of trusted types, and the
//! longest item takes a tenth of a second.

mod files;
mod joined;

pub use files::{door, explorer, explorer_alone, node, router};

#[cfg(test)]
mod tests;
