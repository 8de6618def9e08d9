//! The embedded files, and which of them make up whose pages.

use std::borrow::Cow;

use rust_embed::RustEmbed;
use web::{PageFile, Pages};

#[derive(RustEmbed)]
#[folder = "assets/"]
pub(crate) struct Files;

/// Where the pages are, and the files that they share.
pub(crate) const HOME: &str = "/ui/";
/// What each page begins with; its own file goes on inside of the head.
pub(crate) const HEAD: &str = "head.html";

/// What a node says of itself.
pub(crate) const NODE: &str = "node.html";
/// What a router says of itself.
pub(crate) const ROUTER: &str = "router.html";
/// Where schedules are looked at.
pub(crate) const EXPLORER: &str = "explorer.html";

/// The pages of a node, for its operators; the root of the listener leads to them.
pub fn node() -> Pages {
    Pages::new(|path| find(NODE, path)).at_the_root(HOME)
}

/// The pages of a router, for its operators; the root of the listener leads to them.
pub fn router() -> Pages {
    Pages::new(|path| find(ROUTER, path)).at_the_root(HOME)
}

/// The pages to look at schedules with, for everybody.
pub fn explorer() -> Pages {
    Pages::new(|path| find(EXPLORER, path))
}

/// The file at a path, of those with this page.
pub(crate) fn find(page: &str, path: &str) -> Option<PageFile> {
    if path == HOME {
        return whole(page);
    }
    let name = path.strip_prefix('/').filter(|_| path.starts_with(HOME))?;
    let kind = match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Files::get(name).map(|file| PageFile { kind, bytes: file.data })
}

/// A page with the head that all have.
fn whole(page: &str) -> Option<PageFile> {
    let (head, own) = (Files::get(HEAD)?, Files::get(page)?);
    let bytes = Cow::Owned([head.data, own.data].concat());
    Some(PageFile { kind: "text/html; charset=utf-8", bytes })
}
