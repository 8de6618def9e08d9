//! `quipu ui`: the explorer on this machine, in front of a node elsewhere. The code that verifies comes from this program
//! then, and not from the node under test; what it reads is what anybody may read there.

mod spoken;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use futures_util::TryStreamExt;
use poem::http::{Method, StatusCode, header};
use poem::{Body, Endpoint, Request, Response};
use protocol::Code;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio::{select, signal};
use web::{HttpError, Limits, Pages};

use crate::client::{NodeArgs, SchedulerClient, runtime};
use crate::failure::Failure;
use crate::secret::without_secrets;
use spoken::Spoken;

const EXAMPLES: &str = "\
Examples:
  quipu ui --url https://su.example
  quipu ui 0 --url http://10.0.0.5:9000   on any free port

Exit codes: 0 ended by Ctrl-C, 1 it cannot listen, 2 wrong usage.";

/// What is passed on, beside all below `/explore/v1/`.
const CALLS: [&str; 3] = ["/", "/timestamp", "/query/v1/messages"];
const EXPLORE: &str = "/explore/v1/";
/// By which names a browser on this machine knows it: with any other one a page of somebody else could read along.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];
/// What the last part of a path is that answers with bytes; all others answer with JSON.
const BYTES: &str = "/bytes";
/// Whatever comes from elsewhere is data, also when somebody opens it by itself: it would be a page of this origin otherwise,
/// and could change what the browser remembers of histories.
const DATA_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";
/// Where the browser says how the page that asks is related to this one.
const FETCH_SITE: &str = "sec-fetch-site";
/// How long it is believed whether a scheduler knows the calls of the pages.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// How long an answer may be that is put together anew for the pages, one at a time, and for how long it may come: whoever is
/// looked at decides what it sends. The longest message is seven times as long in JSON at worst.
const LONGEST_ANSWER: usize = 72 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// What a page asks for again and again as long as it is seen, and for how many times as long as it took to come its answer is
/// believed.
const WATCHED: &str = "?limit=0";
const BELIEVED: u32 = 10;
/// How long answers that are under way may take once it is to end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// How long is waited for whether tags are searched there, before there are pages.
const SEARCHES_WITHIN: Duration = Duration::from_secs(2);
const SEARCH: &str = "/query/v1/messages?limit=1";
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
        let scheduler = SchedulerClient::new(&self.node.url)?.within(LONGEST_ANSWER, PATIENCE);
        runtime()?.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
            let listener = listener.map_err(|error| Failure::Listen { port: self.port, error })?;
            let port =
                listener.local_addr().map_err(|error| Failure::Listen { port: self.port, error })?.port();
            writeln!(
                out,
                "http://127.0.0.1:{port}/ui/ shows {}; Ctrl-C ends it",
                without_secrets(scheduler.url())
            )?;
            out.flush()?;
            let interrupted = async { signal::ctrl_c().await.unwrap_or_default() };
            let limits = Limits { connections: CONNECTIONS, open_to_pages: false, ..Limits::default() };
            let searched = timeout(SEARCHES_WITHIN, scheduler.pass_on(SEARCH)).await;
            let searches = searched.is_ok_and(|told| told.is_ok_and(|told| told.status().is_success()));
            let (pages, turns) = (pages::explorer_alone(searches), Semaphore::new(1));
            let door = UiDoor { pages, scheduler, known: Mutex::default(), turns, brought: Mutex::default() };
            // Whoever sends without an end is not waited for.
            let ended = async {
                signal::ctrl_c().await.unwrap_or_default();
                sleep(ENDS_WITHIN).await;
            };
            select! {
                served = web::serve(listener, None, door, interrupted, limits) => {
                    served.map_err(|error| Failure::Listen { port, error })
                }
                () = ended => Ok(()),
            }
        })
    }
}

/// The pages, and the calls that they make.
struct UiDoor {
    pages: Pages,
    scheduler: SchedulerClient,
    known: Mutex<Known>,
    /// Answers that are put together anew take turns.
    turns: Semaphore,
    /// What was brought last of what is asked again and again.
    brought: Mutex<Option<Brought>>,
}

/// An answer that is believed for a while.
struct Brought {
    path: String,
    told: Vec<u8>,
    until: Instant,
}

/// Whether a scheduler knows the calls of the pages, and when it said so: another one may be at its address by now.
#[derive(Default)]
struct Known(Option<(bool, Instant)>);

impl Known {
    fn still(&self) -> Option<bool> {
        self.0.filter(|(_, at)| at.elapsed() < KNOWN_FOR).map(|(knows, _)| knows)
    }
}

impl UiDoor {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn knows_calls(&self) -> Result<bool, HttpError> {
        let still = self.known().still();
        if let Some(knows) = still {
            return Ok(knows);
        }
        let knows = spoken::knows_calls(&self.scheduler).await?;
        self.known().0 = Some((knows, Instant::now()));
        Ok(knows)
    }

    /// What was brought for this path, as long as it is believed.
    fn still_brought(&self, path: &str) -> Option<Vec<u8>> {
        let brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        let still = brought.as_ref().filter(|one| one.path == path && Instant::now() < one.until);
        still.map(|one| one.told.clone())
    }

    /// Brings an answer, and whether it is bytes. The newest entry of a process is asked for every few seconds, and comes with
    /// its message, which may be long: most of the time nothing is brought.
    async fn bring(&self, path: &str) -> Result<(Vec<u8>, bool), HttpError> {
        let began = Instant::now();
        // What is told now may be newer than what is believed, and nothing older may be told behind it.
        *self.brought.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let told = match spoken::answer(&self.scheduler, path).await? {
            Spoken::Json(told) => told.to_string().into_bytes(),
            Spoken::Bytes(bytes) => return Ok((bytes, true)),
        };
        if path.ends_with(WATCHED) {
            let until = Instant::now() + began.elapsed() * BELIEVED;
            let brought = Brought { path: path.to_owned(), told: told.clone(), until };
            *self.brought.lock().unwrap_or_else(PoisonError::into_inner) = Some(brought);
        }
        Ok((told, false))
    }

    /// What a scheduler that does not know these calls tells otherwise; none from one that does.
    async fn spoken(&self, path: &str) -> Result<Option<Response>, HttpError> {
        let is_known = self.known().still() == Some(true);
        if is_known {
            return Ok(None);
        }
        let _turn = self.turns.acquire().await;
        if self.knows_calls().await? {
            return Ok(None);
        }
        let (body, is_bytes) = match self.still_brought(path) {
            Some(told) => (told, false),
            None => self.bring(path).await?,
        };
        let mut answer = as_data(StatusCode::OK, is_bytes);
        answer.set_body(body);
        Ok(Some(answer))
    }
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
        if !is_asked_here(&request) {
            let text = "a page of another origin asks, expected the pages of this one alone";
            return Err(HttpError::new(Code::Forbidden, text).into());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if uri.path().starts_with(EXPLORE)
            && let Some(told) = self.spoken(path).await?
        {
            return Ok(told);
        }
        let answer = self.scheduler.pass_on(path).await;
        let answer = answer.map_err(|error| spoken::no_answer(&error))?;
        let status = answer.status();
        let mut passed = as_data(status, uri.path().ends_with(BYTES) && status.is_success());
        passed.set_body(Body::from_bytes_stream(answer.bytes_stream().map_err(io::Error::other)));
        Ok(passed)
    }
}

/// An answer that no browser takes for a page, whatever a scheduler says that it is.
fn as_data(status: StatusCode, is_bytes: bool) -> Response {
    let answer = Response::builder()
        .status(status)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_SECURITY_POLICY, DATA_POLICY)
        .header(header::CACHE_CONTROL, "no-store");
    let answer = if is_bytes {
        answer.content_type("application/octet-stream").header(header::CONTENT_DISPOSITION, "attachment")
    } else {
        answer.content_type("application/json")
    };
    answer.finish()
}

/// Whether a page of this origin asks, or a person by its address.
fn is_asked_here(request: &Request) -> bool {
    let mut sites = request.headers().get_all(FETCH_SITE).iter();
    sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
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

    #[tokio::test(start_paused = true)]
    async fn what_a_scheduler_knows_is_asked_again_after_a_while() {
        let known = Known(Some((true, Instant::now())));
        tokio::time::advance(KNOWN_FOR / 2).await;
        assert_eq!(known.still(), Some(true));
        tokio::time::advance(KNOWN_FOR).await;
        assert_eq!(known.still(), None);
    }

    #[test]
    fn whatever_a_scheduler_sends_is_data() {
        for (is_bytes, kind) in [(false, "application/json"), (true, "application/octet-stream")] {
            let answer = as_data(StatusCode::OK, is_bytes);
            assert_eq!(answer.content_type(), Some(kind));
            assert!(answer.header("content-security-policy").unwrap().contains("sandbox"));
            assert_eq!(answer.header("content-disposition").is_some(), is_bytes);
        }
    }

    #[test]
    fn pages_elsewhere_ask_nothing() {
        for (site, expected) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("", false)]
        {
            let request = Request::builder().header("sec-fetch-site", site).finish();
            assert_eq!(is_asked_here(&request), expected, "{site}");
        }
        assert!(is_asked_here(&Request::default()), "whoever is no browser says nothing");
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
