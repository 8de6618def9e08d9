//! Pages in a real browser.

mod axe;
mod budgets;
mod chromium;
mod explorer;
mod members;
mod node;
mod proxied;
mod router;
mod tabs;
