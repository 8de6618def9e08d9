//! Pages in a real browser.

mod axe;
mod budgets;
mod chromium;
mod elsewhere;
mod explorer;
mod hostile;
mod keyboard;
mod members;
mod node;
mod proxied;
mod router;
mod tabs;
mod verified;
