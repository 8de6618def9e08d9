//! Pages in a real browser.

mod chromium;
mod explorer;
mod node;
