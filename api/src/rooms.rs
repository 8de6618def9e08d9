//! How many clients are worked for at a time, and how much of the memory for answers each kind of work may have.

use std::thread;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use web::{Budget, Share};

use crate::attempt::LongAnswers;
use crate::error::CallError;
use crate::recent::RecentData;
use crate::turns::{AnswerRoom, FirstRoom, Turns};

/// How many reads per core may be on their threads at once, and as many again that go on with answers that have begun:
/// whoever gets a long answer does not keep others from theirs. More than one, because a read can wait for the disk; not
/// many more, because all others compete with the threads that sign.
const READERS_PER_CORE: usize = 2;
/// How many there may be of each at once however many cores there are: each may have a record of the longest length in
/// hand.
const READERS_MAX: usize = 8;
/// How many questions in GraphQL are answered at a time, and what each is counted as before its answer is there: a part
/// of so many of the memory for answers. All together they have a third of it, and so have lists: a third is left for
/// reads of the log, whatever Postgres is asked.
const QUESTIONS: usize = 2;
const QUESTION_PART: usize = 3 * QUESTIONS;
/// The same of lists.
const LISTS: usize = 8;
const LIST_PART: usize = 3 * LISTS;
/// How long either waits for memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many calls of the nodes that keep the log with this one are worked for at once, and how many pieces of their
/// streams are made: writes wait for both. They are few, and each confirms one thing at a time.
const MEMBERS: usize = 4;

/// The room that a node has for its clients.
pub(crate) struct Rooms {
    readers: Turns,
    /// For what comes after the first piece of an answer.
    more: Turns,
    questions: Turns,
    lists: Turns,
    /// For what other nodes that keep the log ask, and for what is shipped to them.
    members: Turns,
    shipping: Turns,
    /// The memory for that.
    shipped: RecentData,
    /// What is kept of what was shown.
    pub(crate) recent: RecentData,
    /// What was found to be long lately.
    pub(crate) long: LongAnswers,
    /// All memory for answers, in bytes.
    answers: usize,
}

impl Rooms {
    pub(crate) fn new(budget: &Budget, members_budget: &Budget) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let readers = (cores * READERS_PER_CORE).min(READERS_MAX);
        Self {
            readers: Turns::new(readers),
            more: Turns::new(readers),
            questions: Turns::new(QUESTIONS),
            lists: Turns::new(LISTS),
            members: Turns::new(MEMBERS),
            shipping: Turns::new(MEMBERS),
            shipped: RecentData::new(members_budget),
            recent: RecentData::new(budget),
            long: LongAnswers::new(),
            answers: budget.share(Share::Answers),
        }
    }

    /// For a read of the log, the index or anything else that is here, of which little is told.
    pub(crate) async fn to_look(&self) -> Result<OwnedSemaphorePermit, CallError> {
        self.readers.turn().await
    }

    /// For a read of which so many bytes are made; refused when there is no memory for so long.
    pub(crate) async fn to_read(&self, bytes: usize, patience: Duration) -> Result<AnswerRoom, CallError> {
        self.readers.room(&self.recent, bytes, patience).await
    }

    /// The same for an answer that may be short.
    pub(crate) async fn to_begin(&self, bytes: usize, patience: Duration) -> Result<FirstRoom, CallError> {
        self.readers.first_room(&self.recent, bytes, patience).await
    }

    /// For a piece that is not the first one.
    pub(crate) async fn to_go_on(&self, bytes: usize, patience: Duration) -> Result<AnswerRoom, CallError> {
        self.more.room(&self.recent, bytes, patience).await
    }

    /// The same if there is room now.
    pub(crate) fn to_go_on_now(&self, bytes: usize) -> Option<AnswerRoom> {
        self.more.try_room(&self.recent, bytes)
    }

    /// For what another node that keeps the log asks.
    pub(crate) async fn for_member(&self) -> Result<OwnedSemaphorePermit, CallError> {
        self.members.turn().await
    }

    /// For a piece of the log for such a node.
    pub(crate) async fn to_ship(&self, bytes: usize, patience: Duration) -> Result<AnswerRoom, CallError> {
        self.shipping.room(&self.shipped, bytes, patience).await
    }

    /// For the answer to a question in GraphQL.
    pub(crate) async fn for_question(&self) -> Result<AnswerRoom, CallError> {
        self.questions.room(&self.recent, self.answers / QUESTION_PART, PATIENCE).await
    }

    /// For a list of what Postgres has.
    pub(crate) async fn for_list(&self) -> Result<AnswerRoom, CallError> {
        self.lists.room(&self.recent, self.answers / LIST_PART, PATIENCE).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::EventKey;
    use protocol::{Nonce, ProcessId};
    use tokio::time::timeout;

    use super::*;
    use crate::recent::{LargeForm, LargeKey};
    use crate::render::LargeData;

    #[tokio::test]
    async fn nodes_that_keep_the_log_wait_for_no_client() {
        let (budget, members_budget) = (Budget::new(64 << 20), Budget::new(64 << 20));
        let rooms = Rooms::new(&budget, &members_budget);
        let mut taken = Vec::new();
        while let Ok(turn) = timeout(Duration::from_millis(1), rooms.to_look()).await {
            taken.push(turn.unwrap());
        }
        let mut going_on = Vec::new();
        while let Some(room) = rooms.to_go_on_now(1) {
            going_on.push(room);
        }
        let _all = budget.try_claim(Share::Answers, budget.share(Share::Answers) - going_on.len());
        assert!(!taken.is_empty() && !going_on.is_empty());
        let calls: Vec<_> = (0..MEMBERS).map(|_| rooms.for_member()).collect();
        let calls = timeout(PATIENCE, futures_util::future::try_join_all(calls)).await.expect("it waits");
        let piece = timeout(PATIENCE, rooms.to_ship(1 << 20, Duration::ZERO)).await.expect("it waits");
        assert!(calls.is_ok() && piece.is_ok());
    }

    #[tokio::test]
    async fn who_gets_a_long_answer_keeps_nobody_from_a_short_one() {
        let rooms = Rooms::new(&Budget::new(64 << 20), &Budget::default());
        let mut going_on = Vec::new();
        while let Some(room) = rooms.to_go_on_now(1) {
            going_on.push(room);
        }
        let begun = timeout(PATIENCE, rooms.to_begin(1, Duration::ZERO)).await.expect("there is a turn");
        assert!(!going_on.is_empty() && matches!(begun, Ok(FirstRoom::Any(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_third_is_left_for_reads_whatever_is_asked_and_kept() {
        let budget = Budget::new(64 << 20);
        let rooms = Rooms::new(&budget, &Budget::default());
        for nonce in 0..40 {
            let place = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(nonce)) };
            let data = LargeData::new(&vec![0; 500 << 10], Vec::new());
            rooms.recent.keep(LargeKey { place, form: LargeForm::Node }, data);
        }
        let mut asked = Vec::new();
        while let Ok(room) = timeout(2 * PATIENCE, rooms.for_question()).await {
            asked.push(room.unwrap());
        }
        while let Ok(room) = timeout(2 * PATIENCE, rooms.for_list()).await {
            asked.push(room.unwrap());
        }
        assert_eq!(asked.len(), QUESTIONS + LISTS);
        let third = budget.share(Share::Answers) / 3;
        drop(rooms.to_read(third, Duration::ZERO).await.unwrap());
    }
}
