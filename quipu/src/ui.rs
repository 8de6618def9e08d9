//! `quipu ui`: the explorer on this machine, in front of a node elsewhere. The code that verifies comes from this program
//! then, and not from the node under test; what it reads is what anybody may read there.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use clap::Args;
use futures_util::TryStreamExt;
use poem::http::{Method, header};
use poem::{Body, Endpoint, Request, Response};
use protocol::Code;
use tokio::net::TcpListener;
use tokio::signal;
use web::{HttpError, Limits, Pages};

use crate::client::{NodeArgs, SchedulerClient, runtime};
use crate::failure::{Failure, chain};

const EXAMPLES: &str = "\
Examples:
  quipu ui --url https://su.example
  quipu ui 0 --url http://10.0.0.5:9000   on any free port

Exit codes: 0 ended by Ctrl-C, 1 it cannot listen, 2 wrong usage.";

/// What is passed on, beside all below `/explore/v1/`.
const CALLS: [&str; 2] = ["/", "/timestamp"];
const EXPLORE: &str = "/explore/v1/";
/// By which names a browser on this machine knows it: with any other one a page of somebody else could read along.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];
/// Browsers take six at a time for each tab.
const CONNECTIONS: usize = 64;

/// Look at the schedules of a node in a browser, with the pages of this program
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UiArgs {
    /// The port to listen on, on 127.0.0.1; 0 takes any free one
    #[arg(default_value_t = 9080)]
    port: u16,
    #[command(flatten)]
    node: NodeArgs,
}

impl UiArgs {
    /// Serves the pages until Ctrl-C; where they are goes to `out`.
    ///
    /// # Errors
    /// When the URL is none, or it cannot listen.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let scheduler = SchedulerClient::new(&self.node.url)?;
        runtime()?.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
            let listener = listener.map_err(|error| Failure::Listen { port: self.port, error })?;
            let port =
                listener.local_addr().map_err(|error| Failure::Listen { port: self.port, error })?.port();
            writeln!(out, "http://127.0.0.1:{port}/ui/ shows {}; Ctrl-C ends it", scheduler.url())?;
            out.flush()?;
            let interrupted = async { signal::ctrl_c().await.unwrap_or_default() };
            let limits = Limits { connections: CONNECTIONS, open_to_pages: false, ..Limits::default() };
            let door = UiDoor { pages: pages::explorer(), scheduler };
            let served = web::serve(listener, None, door, interrupted, limits).await;
            served.map_err(|error| Failure::Listen { port, error })
        })
    }
}

/// The pages, and the calls that they make.
struct UiDoor {
    pages: Pages,
    scheduler: SchedulerClient,
}

impl Endpoint for UiDoor {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !is_named_well(&request) {
            let text = "this is for a browser on its own machine, which names it 127.0.0.1 or localhost";
            return Err(HttpError::new(Code::Forbidden, text).into());
        }
        if let Some(page) = self.pages.answer(&request) {
            return Ok(page);
        }
        let uri = request.uri();
        if request.method() != Method::GET || !is_passed_on(uri.path()) {
            return Err(HttpError::not_found("only what the pages need is here, below /ui/").into());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let answer = self.scheduler.pass_on(path).await;
        let answer = answer.map_err(|error| HttpError::new(Code::GatewayError, chain(&error)))?;
        let mut passed =
            Response::builder().status(answer.status()).header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION] {
            if let Some(value) = answer.headers().get(&name) {
                passed = passed.header(name, value.clone());
            }
        }
        Ok(passed.body(Body::from_bytes_stream(answer.bytes_stream().map_err(io::Error::other))))
    }
}

fn is_named_well(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| NAMES.contains(&host.rsplit_once(':').map_or(host, |(name, _)| name)))
}

/// Whether the pages ask for this; no path that could mean another one.
fn is_passed_on(path: &str) -> bool {
    CALLS.contains(&path) || path.starts_with(EXPLORE) && !path.contains("..") && !path.contains('%')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::http::Uri;

    use super::*;

    #[test]
    fn only_what_pages_ask_for_is_passed_on() {
        for (path, expected) in [
            ("/", true),
            ("/timestamp", true),
            ("/explore/v1/ids/x", true),
            ("/explore/v1/ids..", false),
            ("/explore/v1/%2e%2e/metrics", false),
            ("/metrics", false),
            ("/explore", false),
        ] {
            assert_eq!(is_passed_on(path), expected, "{path}");
        }
    }

    #[test]
    fn only_browsers_of_this_machine_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:9080", true),
            ("localhost:1", true),
            ("localhost", true),
            ("page.example:9080", false),
            ("", false),
        ] {
            let request = Request::builder().uri(Uri::from_static("/")).header("host", host).finish();
            assert_eq!(is_named_well(&request), expected, "{host}");
        }
    }
}
