//! Pages in a real browser.

mod chromium;
mod node;
