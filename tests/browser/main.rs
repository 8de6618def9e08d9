//! Pages in a real browser.

mod away;
mod axe;
mod browsed;
mod budgets;
mod chromium;
mod elsewhere;
mod explorer;
mod followers;
mod hostile;
mod keyboard;
mod members;
mod node;
mod paging;
mod preferences;
mod proxied;
mod router;
mod tabs;
mod verified;
