//! The embedded files, and which of them make up whose pages.

use rust_embed::RustEmbed;
use web::{PageFile, Pages};

#[derive(RustEmbed)]
#[folder = "assets/"]
pub(crate) struct Files;

/// Where the files are that all pages share.
const SHARED: &str = "/ui/";

/// A page: the path that it is at, and its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageHome {
    pub(crate) path: &'static str,
    pub(crate) file: &'static str,
}

/// What a node says of itself.
pub(crate) const NODE: PageHome = PageHome { path: "/", file: "node.html" };
/// What a router says of itself.
pub(crate) const ROUTER: PageHome = PageHome { path: "/", file: "router.html" };
/// Where schedules are looked at.
pub(crate) const EXPLORER: PageHome = PageHome { path: SHARED, file: "explorer.html" };

/// The page of a node, for its operators.
pub fn node() -> Pages {
    Pages::new(|path| find(NODE, path))
}

/// The page of a router, for its operators.
pub fn router() -> Pages {
    Pages::new(|path| find(ROUTER, path))
}

/// The pages to look at schedules with, for everybody.
pub fn explorer() -> Pages {
    Pages::new(|path| find(EXPLORER, path))
}

/// The file at a path.
pub(crate) fn find(page: PageHome, path: &str) -> Option<PageFile> {
    let name = if path == page.path { page.file } else { path.strip_prefix('/')? };
    let kind = match name.rsplit_once('.')?.1 {
        "html" if path == page.path => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    let shared = path == page.path || path.starts_with(SHARED);
    shared.then(|| Files::get(name)).flatten().map(|file| PageFile { kind, bytes: file.data })
}
