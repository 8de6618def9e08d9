//! Whether a process is to be spawned here: a router in front of several schedulers knows, and is asked before anything
//! is spawned. Whatever it does not say clearly is a no.
//!
//! The router redirects to the scheduler that has the process, or passes the question on to it, and that one names its store
//! in the header [`STORE_HEADER`]: members of one cluster have one store, and wallets may be shared by schedulers that have not.
//!
//! One process is asked for once at a time. Whoever comes while it is asked shares a yes, and also a no, if that was asked
//! for after it came: a process may have been placed since then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError, Weak};
use std::time::Duration;

use gateway::retry_after;
use protocol::ProcessId;
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use crate::refusal::LimitRefusal;

/// The header in which a scheduler names its store, where it answers `/`.
pub const STORE_HEADER: &str = "quipu-store";

/// How long one request waits for an answer, its turn included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the router, and the scheduler that it names, have for an answer.
const ANSWER: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(2);
/// How many questions are asked at a time, and how many requests wait for their answers.
const ASKING_MAX: usize = 16;
const WAITING_MAX: usize = 1024;
/// How many processes may be remembered that are asked for no more, before they are forgotten.
const FORGOTTEN_MAX: usize = 1024;
/// How much is told of where a process is.
const SHOWN_CHARS: usize = 200;

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct PlacementOptions {
    /// The router.
    pub router: Url,
    /// The number that the router has for this scheduler, where it redirects to `su<number>.` and the scheduler there
    /// does not say which store it has.
    pub assignment: Option<String>,
}

/// The store of this scheduler, as it names it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnStore(pub String);

/// Where processes are to be spawned, as far as the router tells.
#[derive(Debug)]
pub struct Placement {
    options: PlacementOptions,
    own: OwnStore,
    http: Client,
    asking: Semaphore,
    waiting: Semaphore,
    questions: SyncMutex<HashMap<ProcessId, Weak<Question>>>,
}

type Answer = Result<(), LimitRefusal>;

/// A question about one process, asked again and again if it comes to that.
#[derive(Debug, Default)]
struct Question {
    /// How often it was begun.
    begun: AtomicU64,
    /// Held by who asks; the last answer, and which one it was.
    last: Mutex<Option<(u64, Answer)>>,
}

impl Placement {
    /// Asks for this store; nobody is asked yet.
    ///
    /// # Errors
    /// When the machine's certificates or resolver cannot be used.
    pub fn new(options: PlacementOptions, own: OwnStore) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .user_agent(concat!("quipu/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .pool_max_idle_per_host(ASKING_MAX)
            .redirect(redirect::Policy::none())
            .build()?;
        let (asking, waiting) = (Semaphore::new(ASKING_MAX), Semaphore::new(WAITING_MAX));
        Ok(Self { options, own, http, asking, waiting, questions: SyncMutex::default() })
    }

    /// How many sockets are open at most for it.
    pub const SOCKETS_MAX: usize = 4 * ASKING_MAX;

    /// Refuses a process that is not to be spawned here.
    ///
    /// # Errors
    /// When it belongs elsewhere, or nobody says where it belongs.
    pub async fn check(&self, process: ProcessId) -> Result<(), LimitRefusal> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(unknown("too many requests wait for the router"));
        };
        let late = || Err(unknown("the router did not answer in time"));
        timeout(PATIENCE, self.ask_once(process)).await.unwrap_or_else(|_| late())
    }

    async fn ask_once(&self, process: ProcessId) -> Answer {
        let question = self.question(process);
        let came = question.begun.load(Ordering::SeqCst);
        let mut last = question.last.lock().await;
        if let Some((number, answer)) = &*last
            && (answer.is_ok() || *number > came)
        {
            return answer.clone();
        }
        let number = question.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let _turn = self.asking.acquire().await.map_err(|_| unknown("nobody is asked any more"))?;
        let answer = self.ask(process).await;
        *last = Some((number, answer.clone()));
        answer
    }

    fn question(&self, process: ProcessId) -> Arc<Question> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = questions.get(&process).and_then(Weak::upgrade) {
            return question;
        }
        if questions.len() >= FORGOTTEN_MAX {
            questions.retain(|_, question| question.strong_count() > 0);
        }
        let question = Arc::<Question>::default();
        questions.insert(process, Arc::downgrade(&question));
        question
    }

    /// Asks the router, and the scheduler that it names.
    async fn ask(&self, process: ProcessId) -> Answer {
        let mut url = self.options.router.clone();
        url.query_pairs_mut().append_pair("process-id", &process.to_string());
        let answer = self.get(url, "the router").await?;
        let status = answer.status();
        // Any other refusal, as of one request too many, says nothing of the process.
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) {
            return Err(LimitRefusal::NotPlaced(process));
        }
        if status.is_success()
            && let Some(store) = answer.headers().get(STORE_HEADER)
        {
            let at = || answer.url().origin().ascii_serialization().chars().take(SHOWN_CHARS).collect();
            let is_own = store.as_bytes() == self.own.0.as_bytes();
            return if is_own { Ok(()) } else { Err(LimitRefusal::PlacedElsewhere { process, at: at() }) };
        }
        let Some(place) = location(&answer) else {
            let reason = format!("the router answered {status}, expected a redirect to a scheduler");
            return Err(unknown_for(&reason, retry_after(answer.headers())));
        };
        let elsewhere = || {
            let at = place.origin().ascii_serialization().chars().take(SHOWN_CHARS).collect();
            Err(LimitRefusal::PlacedElsewhere { process, at })
        };
        if let Some(number) = &self.options.assignment {
            let host = place.host_str().unwrap_or_default();
            let first = host.split('.').next().unwrap_or_default();
            return if first == format!("su{number}") { Ok(()) } else { elsewhere() };
        }
        let answer = self.get(place.clone(), "the scheduler that the router names").await?;
        let store = answer.headers().get(STORE_HEADER).map(|store| store.as_bytes().to_owned());
        match store {
            Some(store) if store == self.own.0.as_bytes() => Ok(()),
            Some(_) => elsewhere(),
            None if answer.status().is_success() => elsewhere(),
            None => {
                let reason = format!("the scheduler that the router names answered {}", answer.status());
                Err(unknown_for(&reason, retry_after(answer.headers())))
            }
        }
    }

    async fn get(&self, url: Url, whom: &str) -> Result<Response, LimitRefusal> {
        let sent = self.http.get(url).send().await;
        sent.map_err(|error| {
            let reason = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
            unknown(&format!("{whom} {reason}"))
        })
    }
}

/// Where an answer leads: a scheduler, without what was asked of it.
fn location(answer: &Response) -> Option<Url> {
    if !answer.status().is_redirection() {
        return None;
    }
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let mut place = answer.url().join(location).ok()?;
    place.set_query(None);
    place.set_fragment(None);
    matches!(place.scheme(), "http" | "https").then_some(place)
}

fn unknown(reason: &str) -> LimitRefusal {
    unknown_for(reason, None)
}

fn unknown_for(reason: &str, wait: Option<Duration>) -> LimitRefusal {
    LimitRefusal::PlaceUnknown { reason: reason.into(), wait }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;

    use super::*;
    use crate::testing::{Served, until};

    const OWN: &str = "8764e767-2db3-40f5-8016-fc72a3c0996c";
    const OTHER: &str = "5b8a4a3e-2db3-40f5-8016-fc72a3c0996c";

    fn process() -> ProcessId {
        Id::from_bytes([7; 32]).into()
    }

    fn placement(router: &Served, assignment: Option<&str>) -> Placement {
        let options = PlacementOptions { router: router.url("/"), assignment: assignment.map(str::to_owned) };
        Placement::new(options, OwnStore(OWN.to_owned())).unwrap()
    }

    async fn check(placement: &Placement) -> &'static str {
        match placement.check(process()).await {
            Ok(()) => "here",
            Err(LimitRefusal::PlacedElsewhere { .. }) => "elsewhere",
            Err(LimitRefusal::NotPlaced(_)) => "nowhere",
            Err(LimitRefusal::PlaceUnknown { .. }) => "unknown",
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_process_is_here_where_the_router_leads_to_this_store() {
        let (router, scheduler) = (Served::start().await, Served::start().await);
        let placement = placement(&router, None);
        let location = scheduler.url(&format!("/?process-id={}", process()));
        for status in [301, 302, 307, 308] {
            router.answer_with("/?process-id=", status, &[("location", location.as_str())], "");
            for (store, expected) in [(OWN, "here"), (OTHER, "elsewhere"), ("", "elsewhere")] {
                scheduler.answer_with("/", 200, &[(STORE_HEADER, store)], "{}");
                assert_eq!(check(&placement).await, expected, "{status} {store}");
            }
        }
        // What does not name its store is another kind of scheduler, whatever its wallet is.
        scheduler.answer(200, "{}");
        scheduler.answer_with("/", 200, &[], "{\"address\":\"of this wallet\"}");
        assert_eq!(check(&placement).await, "elsewhere");
        scheduler.answer_with("/", 503, &[], "");
        assert_eq!(check(&placement).await, "unknown");
        drop(scheduler);
        assert_eq!(check(&placement).await, "unknown");
    }

    #[tokio::test]
    async fn a_router_that_passes_on_names_the_store_itself() {
        let router = Served::start().await;
        let placement = placement(&router, None);
        for (store, expected) in [(OWN, "here"), (OTHER, "elsewhere")] {
            router.answer_with("/?process-id=", 200, &[(STORE_HEADER, store)], "{}");
            assert_eq!(check(&placement).await, expected);
        }
    }

    #[tokio::test]
    async fn what_the_router_does_not_say_clearly_is_a_no() {
        let router = Served::start().await;
        let placement = placement(&router, None);
        for (status, location, expected) in [
            (200, None, "unknown"),
            (404, None, "nowhere"),
            (400, None, "nowhere"),
            (401, None, "unknown"),
            (403, None, "unknown"),
            (408, None, "unknown"),
            (429, None, "unknown"),
            (500, None, "unknown"),
            (307, None, "unknown"),
            (307, Some("ftp://scheduler.example/"), "unknown"),
            (307, Some("http://"), "unknown"),
        ] {
            let headers: Vec<_> = location.iter().map(|place| ("location", *place)).collect();
            router.answer_with("/", status, &headers, "");
            assert_eq!(check(&placement).await, expected, "{status} {location:?}");
        }
        router.answer_with("/", 429, &[("retry-after", "7")], "");
        let refused = placement.check(process()).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(7), "{refused}");
        drop(router);
        assert_eq!(check(&placement).await, "unknown");
    }

    #[tokio::test]
    async fn an_assignment_is_compared_with_the_name_of_the_host() {
        let router = Served::start().await;
        let placement = placement(&router, Some("7"));
        for (host, expected) in [
            ("su7.example", "here"),
            ("su70.example", "elsewhere"),
            ("su8.example", "elsewhere"),
            ("su7example.example", "elsewhere"),
            ("other.su7.example", "elsewhere"),
        ] {
            let location = format!("https://{host}/?process-id={}", process());
            router.answer_with("/", 307, &[("location", &location)], "");
            assert_eq!(check(&placement).await, expected, "{host}");
        }
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_is_answered_together() {
        const MANY: usize = 500;
        let router = Served::start().await;
        router.answer_with("/", 404, &[], "");
        router.hold(true);
        let placement = Arc::new(placement(&router, None));
        let ask = || {
            let placement = placement.clone();
            tokio::spawn(async move { check(&placement).await })
        };
        let first = ask();
        until(|| router.asked() == 1).await;
        let asking: Vec<_> = (1..MANY).map(|_| ask()).collect();
        until(|| placement.waiting.available_permits() == WAITING_MAX - MANY).await;
        router.hold(false);
        assert_eq!(first.await.unwrap(), "nowhere");
        for asked in asking {
            assert_eq!(asked.await.unwrap(), "nowhere");
        }
        // Once for the first, and once for all who came after that had been asked.
        assert_eq!(router.asked(), 2);
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_question_to_others_and_few_wait() {
        let router = Served::start().await;
        router.answer_with("/", 404, &[], "");
        router.hold(true);
        let placement = Arc::new(placement(&router, None));
        let asking = {
            let placement = placement.clone();
            tokio::spawn(async move { placement.check(process()).await })
        };
        until(|| router.asked() == 1).await;
        asking.abort();
        asking.await.unwrap_err();
        let taken = placement.waiting.try_acquire_many(1024).unwrap();
        assert_eq!(check(&placement).await, "unknown");
        drop(taken);
        router.hold(false);
        assert_eq!(check(&placement).await, "nowhere");
    }
}
