//! The embedded files, and which of them make up whose page.

use rust_embed::RustEmbed;
use web::{PageFile, Pages};

#[derive(RustEmbed)]
#[folder = "assets/"]
pub(crate) struct Files;

/// Where the files are that all pages share.
const SHARED: &str = "/ui/";

/// The page of a node.
pub fn node() -> Pages {
    Pages::new(|path| find("node.html", path))
}

/// The file at a path, where `/` is the page itself.
pub(crate) fn find(page: &str, path: &str) -> Option<PageFile> {
    let name = match path {
        "/" => page,
        shared if shared.starts_with(SHARED) => shared.strip_prefix('/')?,
        _ => return None,
    };
    let kind = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Some(PageFile { kind, bytes: Files::get(name)?.data })
}
