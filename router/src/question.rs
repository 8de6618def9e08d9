//! Asking a scheduler whether it has something.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::error::RouterError;
use crate::lookup::RouteKey;
use crate::member::FleetMember;
use crate::moving::MovedHome;
use crate::upstream::{AGAIN, client, read_up_to, said};

/// For a scheduler to say whether it has something, its turn to be asked included.
const ANSWERED: Duration = Duration::from_secs(5);
/// For all schedulers to say so of a process that is to be placed: one that is gone is seen to be away by then.
const PLACED: Duration = Duration::from_secs(10);
/// How many questions are asked at a time to one scheduler, for each purpose: one that hangs keeps nobody from the others.
const QUESTIONS_EACH: usize = 16;
/// And to all of them together, since each takes a socket: for those who read, and for those who spawn.
const QUESTIONS_READING: usize = 128;
const QUESTIONS_PLACING: usize = 64;
/// How much of an answer is read, so that the connection can be used again; of a longer one the connection is closed.
const READ_MAX: usize = 64 << 10;

/// For what something is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchPurpose {
    /// To send somebody there: what was found a moment ago counts.
    Reading,
    /// To give it a home where nobody has it.
    Placing,
}

/// One for each purpose: ids that anybody makes up take no places of spawns.
#[derive(Default)]
pub(crate) struct PerPurpose<T> {
    reading: T,
    placing: T,
}

/// Places for questions.
pub(crate) type QuestionPlaces = PerPurpose<Semaphore>;

/// Asks schedulers, so many at a time.
pub(crate) struct Asker {
    http: reqwest::Client,
    questions: QuestionPlaces,
}

/// What a scheduler says.
pub(crate) enum Said {
    Has,
    HasNot,
    /// It has it no more.
    Moved(MovedHome),
    /// It does not say; why.
    Nothing(String),
}

impl<T> PerPurpose<T> {
    pub(crate) fn of(&self, purpose: SearchPurpose) -> &T {
        match purpose {
            SearchPurpose::Reading => &self.reading,
            SearchPurpose::Placing => &self.placing,
        }
    }
}

impl QuestionPlaces {
    /// Those to one scheduler.
    pub(crate) fn to_one() -> Self {
        let places = || Semaphore::new(QUESTIONS_EACH);
        Self { reading: places(), placing: places() }
    }

    fn to_all() -> Self {
        Self { reading: Semaphore::new(QUESTIONS_READING), placing: Semaphore::new(QUESTIONS_PLACING) }
    }
}

impl Asker {
    pub(crate) fn new() -> Result<Self, RouterError> {
        let http = client(ANSWERED, QUESTIONS_EACH).map_err(RouterError::Client)?;
        Ok(Self { http, questions: QuestionPlaces::to_all() })
    }

    /// Asks one scheduler whether it has this.
    pub(crate) async fn ask(&self, member: &FleetMember, subject: RouteKey, purpose: SearchPurpose) -> Said {
        let limit = match purpose {
            SearchPurpose::Reading => ANSWERED,
            SearchPurpose::Placing => PLACED,
        };
        let asked = timeout(limit, self.ask_in_turn(member, subject, purpose)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())));
        answer.unwrap_or_else(|reason| Said::Nothing(format!("the scheduler {}: {reason}", member.url)))
    }

    async fn ask_in_turn(
        &self,
        member: &FleetMember,
        subject: RouteKey,
        purpose: SearchPurpose,
    ) -> Result<Said, String> {
        let path = match subject {
            RouteKey::Process(process) => format!("/processes/{process}"),
            RouteKey::Any(id) => format!("/{id}?limit=1"),
        };
        let _own = member.standing.questions.of(purpose).acquire().await;
        let _turn = self.questions.of(purpose).acquire().await;
        let mut answer = loop {
            if !member.standing.is_reached() {
                return Err("it is away".to_owned());
            }
            let request = self.http.get(format!("{}{path}", member.url)).timeout(ANSWERED);
            match request.send().await {
                Ok(answer) => break answer,
                // It is back in a moment, or seen to be away.
                Err(error) if error.is_connect() && purpose == SearchPurpose::Placing => sleep(AGAIN).await,
                Err(error) => return Err(said(&error)),
            }
        };
        let status = answer.status();
        // One that breaks off is none.
        let body = read_up_to(&mut answer, READ_MAX).await.unwrap_or_default();
        match status {
            StatusCode::OK if is_about(&body, subject) => Ok(Said::Has),
            StatusCode::OK => Err("what it answers is no answer of a scheduler".to_owned()),
            // Existing schedulers answer 400 to whatever they do not have.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Said::HasNot),
            status => {
                let moved = MovedHome::of(answer.headers()).filter(|_| status.is_redirection());
                moved.map(Said::Moved).ok_or_else(|| format!("it answers {status}"))
            }
        }
    }
}

/// Whether this is what a scheduler answers that has it, as far as it was read: a page of somebody in front of it is not.
fn is_about(body: &[u8], subject: RouteKey) -> bool {
    let is_json = body.trim_ascii_start().starts_with(b"{");
    let id = subject.id().to_string();
    let names_it = || body.windows(id.len()).any(|part| part == id.as_bytes());
    is_json && (matches!(subject, RouteKey::Any(_)) || names_it())
}
