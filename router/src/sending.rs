//! Sending a call on to whoever leads the store that its process is in, also while that changes.
//!
//! A scheduler that leads no more, or not yet, refuses what is posted to it without doing any of it; that goes to its
//! successor then. While there is none it is held for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use poem::Response;
use poem::http::StatusCode;
use protocol::Code;
use tokio::time::sleep;
use web::fleet_headers::ROLE;
use web::{ErrorForm, HttpError};

use crate::member::FleetMember;
use crate::placing::Route;
use crate::relayed::check_leads;
use crate::router::Router;
use crate::upstream::{AGAIN, COME_AGAIN, Outgoing, Unanswered, away, unknown};

/// How long what is posted is held for a successor.
const HELD: Duration = Duration::from_secs(2);
/// How many calls are held at a time.
pub(crate) const HELD_MAX: usize = 1024;
/// How often a call follows a process that has moved.
const MOVES_MAX: usize = 3;
/// Longer words of a scheduler are not told.
const WORDS_MAX: usize = 4096;

impl Router {
    /// Whoever leads the store of a scheduler.
    pub(crate) fn lead(&self, home: &Arc<FleetMember>) -> Arc<FleetMember> {
        self.fleet.lead(home.number).unwrap_or_else(|| home.clone())
    }

    /// What whoever leads the store of the scheduler at the end of this route answers to the call.
    ///
    /// # Errors
    /// When nobody answers, or the call cannot be sent.
    pub(crate) async fn pass_on(&self, route: Route, call: &Outgoing) -> Result<Response, HttpError> {
        let came = Instant::now();
        let mut place = None;
        let (mut route, mut moves) = (route, 0);
        loop {
            let lead = self.lead(&route.member);
            let refused = match self.answer_of(&lead, call).await {
                Ok(answer) if answer.status() == StatusCode::TEMPORARY_REDIRECT && moves < MOVES_MAX => {
                    // Nothing was done there.
                    match self.moved(&route, &answer).await {
                        Some(moved) => (route, moves) = (moved, moves + 1),
                        None => return self.told(&lead, answer),
                    }
                    continue;
                }
                Ok(answer) if leads_not(&answer) => refused_by(&lead, answer).await,
                Ok(answer) => return self.told(&lead, answer),
                Err(Unanswered::NotSent(refused)) => refused,
                Err(Unanswered::Failed(refused)) => return Err(refused),
            };
            if self.lead(&route.member).number != lead.number {
                // It is known by now who is to be sent it.
                continue;
            }
            let patience = if lead.lead.copies > 1 && !call.only_reads() { HELD } else { AGAIN };
            if place.is_none() {
                let Ok(taken) = self.held.try_acquire() else { return Err(refused) };
                place = Some(taken);
            }
            if came.elapsed() + AGAIN > patience + AGAIN / 2 {
                return Err(refused.with_retry_after(COME_AGAIN));
            }
            sleep(AGAIN).await;
            if lead.lead.copies > 1 {
                self.find_successor(&lead).await;
            }
        }
    }

    /// The answer for the client, unless it would lead that elsewhere.
    fn told(&self, from: &FleetMember, answer: Response) -> Result<Response, HttpError> {
        check_leads(&self.fleet, from, &answer)?;
        Ok(answer)
    }

    /// What a scheduler answers, as long as that is to be expected.
    async fn answer_of(&self, lead: &FleetMember, call: &Outgoing) -> Result<Response, Unanswered> {
        if !self.is_there(lead).await {
            return Err(Unanswered::NotSent(away(lead, &lead.standing.why_away())));
        }
        tokio::select! {
            biased;
            answer = self.upstream.pass_on(lead, call) => answer,
            why = self.is_lost(lead) => {
                lead.standing.metrics.unanswered.increment(1);
                Err(match call.only_reads() {
                    true => Unanswered::NotSent(away(lead, &why)),
                    false => Unanswered::Failed(unknown(lead, &why)),
                })
            }
        }
    }

    /// Asks who leads the store of this one, unless somebody has just asked that.
    async fn find_successor(&self, lead: &FleetMember) {
        let mut asked = lead.standing.successor_asked.lock().await;
        if asked.is_none_or(|asked| asked.elapsed() > AGAIN / 2) {
            self.ask_who_leads(lead).await;
            *asked = Some(Instant::now());
        }
    }
}

/// Whether a scheduler has done nothing of a call, since it does not lead its store.
fn leads_not(answer: &Response) -> bool {
    answer.status() == StatusCode::CONFLICT && answer.headers().contains_key(ROLE)
}

/// What a client is told of that, with the words of the scheduler.
async fn refused_by(lead: &FleetMember, answer: Response) -> HttpError {
    let told = answer.into_body().into_bytes_limit(WORDS_MAX).await.ok();
    let reason =
        told.and_then(|body| ErrorForm::text_of(&body)).unwrap_or_else(|| "it leads no more".to_owned());
    let text = format!("the scheduler {} has done nothing of this: {reason}; try again", lead.url);
    HttpError::new(Code::Unavailable, text)
}
