//! The embedded files, and which of them make up whose pages.

use std::borrow::Cow;
use std::sync::LazyLock;

use rust_embed::RustEmbed;
use web::{PageFile, Pages};

use crate::joined::joined;

#[derive(RustEmbed)]
#[folder = "assets/"]
pub(crate) struct Files;

/// Where the pages are, and the files that they share.
pub(crate) const HOME: &str = "/ui/";
/// What each page begins with; its own file goes on inside of the head.
pub(crate) const HEAD: &str = "head.html";
/// What pages end with whose listener has a page of its calls.
pub(crate) const FOOT: &str = "foot.html";
/// What the explorer has where tags and signers are searched.
pub(crate) const SEARCHES: &str = "searches.html";
const END: &str = "</body>\n</html>\n";

/// The script of each page, which is sent with all that it imports.
const SCRIPTS: [&str; 3] = ["explorer.js", "node.js", "router.js"];

/// What a node says of itself.
pub(crate) const NODE: &str = "node.html";
/// What a router says of itself.
pub(crate) const ROUTER: &str = "router.html";
/// What a router says to whoever looks for schedules there.
pub(crate) const DOOR: &str = "door.html";
/// Where schedules are looked at.
pub(crate) const EXPLORER: &str = "explorer.html";

/// Where operators have what everybody may ask, with the pages for it.
const PUBLIC: &str = "/public";

/// The pages of a node, for its operators; the root of the listener leads to them. Those that everybody has are below
/// `/public`, beside the calls that they ask.
pub fn node() -> Pages {
    let find = |path: &str| find(NODE, path).or_else(|| explored(path.strip_prefix(PUBLIC)?, &[]));
    Pages::new(find).at_the_root(HOME)
}

/// The pages of a router, for its operators; the root of the listener leads to them.
pub fn router() -> Pages {
    Pages::new(|path| find(ROUTER, path)).at_the_root(HOME)
}

/// What everybody finds at a router, who looks for the pages of a scheduler there: where these are.
pub fn door() -> Pages {
    Pages::new(|path| find(DOOR, path))
}

/// The pages to look at schedules with, for everybody, and whether tags and signers are searched there.
pub fn explorer(searches: bool) -> Pages {
    if searches {
        Pages::new(|path| explored(path, &[SEARCHES, FOOT]))
    } else {
        Pages::new(|path| explored(path, &[FOOT]))
    }
}

/// The same where nothing else is to be asked.
pub fn explorer_alone(searches: bool) -> Pages {
    if searches {
        Pages::new(|path| explored(path, &[SEARCHES]))
    } else {
        Pages::new(|path| explored(path, &[]))
    }
}

/// The file at a path of the explorer, whose page ends with these.
fn explored(path: &str, ends: &[&str]) -> Option<PageFile> {
    if path == HOME { whole(EXPLORER, ends) } else { find(EXPLORER, path) }
}

/// The file at a path, of those with this page.
pub(crate) fn find(page: &str, path: &str) -> Option<PageFile> {
    if path == HOME {
        return whole(page, &[FOOT]);
    }
    let name = path.strip_prefix('/').filter(|_| path.starts_with(HOME))?;
    let kind = match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    if let Some((_, script)) = scripts().iter().find(|(script, _)| path.strip_prefix(HOME) == Some(script)) {
        return Some(PageFile { kind, bytes: Cow::Borrowed(script.as_bytes()) });
    }
    Files::get(name).map(|file| PageFile { kind, bytes: file.data })
}

/// The scripts as they are sent, by name.
fn scripts() -> &'static [(&'static str, String)] {
    static JOINED: LazyLock<Vec<(&str, String)>> =
        LazyLock::new(|| SCRIPTS.iter().filter_map(|script| Some((*script, joined(script)?))).collect());
    &JOINED
}

/// A page with the head that all have, and what it ends with.
fn whole(page: &str, ends: &[&str]) -> Option<PageFile> {
    let mut bytes = [Files::get(HEAD)?.data, Files::get(page)?.data].concat();
    for end in ends {
        bytes.extend_from_slice(&Files::get(end)?.data);
    }
    bytes.extend_from_slice(END.as_bytes());
    Some(PageFile { kind: "text/html; charset=utf-8", bytes: Cow::Owned(bytes) })
}
