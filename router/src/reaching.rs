//! Whether a scheduler is to be sent anything, and whether an answer of it is still to be expected: one that is frozen keeps
//! connections, and answers nothing on them.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::health::existing;
use crate::member::{FleetMember, Look};
use crate::router::Router;

/// For one that is away to answer that it is back, to who has something for it.
const BACK: Duration = Duration::from_secs(1);
/// For how long that counts for all who come with something: shorter than until one of them tries again.
const COUNTS: Duration = Duration::from_millis(125);
/// How often it is looked whether an answer is still to be expected.
const LOOK: Duration = Duration::from_millis(500);
/// How long a call may be on its way to one that is away.
const AWAY: Duration = Duration::from_secs(10);

/// Whether one that is away was back when it was asked last.
#[derive(Default)]
pub(crate) struct AskedBack(tokio::sync::Mutex<Option<(Instant, bool)>>);

impl Router {
    /// Whether something can be sent to it. One that is away is asked first, once for all who come.
    pub(crate) async fn is_there(&self, member: &FleetMember) -> bool {
        if member.standing.is_reached() {
            return true;
        }
        let mut asked = member.standing.asked_back.0.lock().await;
        if let Some((at, is_back)) = *asked
            && at.elapsed() < COUNTS
        {
            return is_back;
        }
        let is_back = match timeout(BACK, self.hear(&member.url, member.store)).await {
            Ok((Look::Open | Look::Refusing(_), Some(heard))) => self.take_told(member, heard).await.is_ok(),
            Ok((Look::Open, None)) => {
                timeout(BACK, existing(&self.asking, member)).await.is_ok_and(|found| found.is_ok())
            }
            Ok((Look::Refusing(_), None)) => member.store.is_none(),
            Ok((Look::Away(_) | Look::Other(_), _)) | Err(_) => false,
        };
        *asked = Some((Instant::now(), is_back));
        is_back
    }

    /// Waits until no answer is to be expected any more from one that was taken for the leader: another one leads by now, or it
    /// is away and has had its time. Why that is.
    pub(crate) async fn is_lost(&self, lead: &FleetMember) -> String {
        let since = Instant::now();
        loop {
            sleep(LOOK).await;
            if let Some(now) = self.fleet.lead(lead.number).filter(|now| now.number != lead.number) {
                return format!("{} has taken its place", now.url);
            }
            if !lead.standing.is_reached() && since.elapsed() >= AWAY {
                return "it is away".to_owned();
            }
        }
    }
}
