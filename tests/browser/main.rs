//! Pages in a real browser.

mod axe;
mod chromium;
mod explorer;
mod node;
mod router;
