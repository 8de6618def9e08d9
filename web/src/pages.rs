//! Pages of a listener: files for a browser that are answered before its calls, under a policy that lets them load and
//! ask nothing but this listener.

use std::borrow::Cow;

use poem::http::{HeaderName, Method, StatusCode, header};
use poem::{IntoResponse, Request, Response};

/// Scripts, styles and pictures are files of this listener, calls go to it alone, and no text becomes code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of a page.
#[derive(Clone, Debug)]
pub struct PageFile {
    /// Its content type.
    pub kind: &'static str,
    /// What is in it.
    pub bytes: Cow<'static, [u8]>,
}

/// The files that make up the pages of a listener, by path.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    find: fn(&str) -> Option<PageFile>,
    /// The folder that the root of the listener leads to, if it does.
    root: Option<&'static str>,
}

impl Pages {
    /// Pages whose files are found so.
    pub fn new(find: fn(&str) -> Option<PageFile>) -> Self {
        Self { find, root: None }
    }

    /// The same, with the root of the listener leading to this folder.
    pub fn at_the_root(self, folder: &'static str) -> Self {
        Self { root: Some(folder), ..self }
    }

    /// The file that a request asks for, if it asks for one.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        // As it was asked for: whether there is a slash at the end decides where the links of a page lead.
        let (asked, plain) = (request.original_uri().path(), request.uri().path());
        let Some(PageFile { kind, bytes }) = (self.find)(asked).or_else(|| (self.find)(plain)) else {
            return self.lead(asked);
        };
        let answer = Response::builder()
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::REFERRER_POLICY, "no-referrer")
            .header(OPENER_POLICY, "same-origin")
            .header(RESOURCE_POLICY, "same-origin")
            // Another version may be there after a restart.
            .header(header::CACHE_CONTROL, "no-cache");
        Some(answer.body(bytes.into_owned()).into_response())
    }

    /// Leads from the name of a folder that has a page to the page, wherever a proxy has put either.
    fn lead(&self, path: &str) -> Option<Response> {
        if path == "/" {
            let folder = self.root?.trim_start_matches('/');
            return Some(led(folder));
        }
        (self.find)(&format!("{path}/"))?;
        let (_, folder) = path.rsplit_once('/')?;
        Some(led(&format!("{folder}/")))
    }
}

fn led(to: &str) -> Response {
    // Something else may be there another time.
    let answer = Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, to);
    answer.header(header::CACHE_CONTROL, "no-cache").finish()
}
