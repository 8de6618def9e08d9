//! Readers beside the attackers: how many of their questions are answered, and how soon.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ans104::Id;
use quipu_tests::{Client, User};
use reqwest::Method;
use testing::RefusingPort;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many read what is short, and how long each waits before the next question.
const READERS: usize = 4;
const BETWEEN_READS: Duration = Duration::from_millis(20);
/// How many of a thousand questions may be refused.
const READS_REFUSED_MAX: usize = 10;

/// Some who ask for what is short, one question after the other.
pub(super) struct Readers {
    started: Instant,
    seen: Arc<Mutex<Seen>>,
    _reads: JoinSet<()>,
}

/// How they fared.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) answered: Vec<Duration>,
    pub(super) refused: usize,
}

impl Readers {
    pub(super) fn start(client: &Client, process: Id) -> Self {
        let (seen, mut reads) = (Arc::<Mutex<Seen>>::default(), JoinSet::new());
        for reader in 0..READERS {
            let (client, seen) = (client.clone(), seen.clone());
            let paths = [
                format!("/{process}?limit=5"),
                format!("/{process}/latest"),
                format!("/processes/{process}"),
                format!("/{process}?from-nonce=0&limit=2"),
            ];
            reads.spawn(async move {
                for path in paths.iter().cycle().skip(reader) {
                    let asked = Instant::now();
                    let answer = client.send(client.request(Method::GET, path)).await;
                    seen.lock().unwrap().add(answer.ok().map(|answer| answer.status), asked.elapsed());
                    sleep(BETWEEN_READS).await;
                }
            });
        }
        Self { started: Instant::now(), seen, _reads: reads }
    }

    /// How they fared till now, and how many answers they got in a second.
    pub(super) fn stop(self) -> (Seen, f64) {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.answered.sort_unstable();
        let rate = seen.answered.len() as f64 / self.started.elapsed().as_secs_f64();
        (seen, rate)
    }
}

impl Seen {
    /// Whoever is not answered at all is refused, too.
    fn add(&mut self, status: Option<u16>, took: Duration) {
        match status {
            Some(200) => self.answered.push(took),
            _ => self.refused += 1,
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.refused += other.refused;
        self.answered.sort_unstable();
    }

    /// How long nearly all answers took at most.
    pub(super) fn slow(&self) -> Duration {
        let place = self.answered.len() * 99 / 100;
        self.answered.get(place).copied().unwrap_or_default()
    }

    pub(super) fn few_are_refused(&self) -> bool {
        1000 * self.refused <= READS_REFUSED_MAX * (self.answered.len() + self.refused)
    }
}

#[tokio::test]
async fn questions_without_an_answer_are_seen_as_refused() {
    let nobody = RefusingPort::take();
    let readers =
        Readers::start(&Client::new(&format!("http://{}", nobody.address())), User::new(9).process().id);
    let enough = async {
        while readers.seen.lock().unwrap().refused <= READERS {
            sleep(BETWEEN_READS).await;
        }
    };
    timeout(Duration::from_secs(30), enough).await.expect("nothing is seen of them");
    assert!(!readers.stop().0.few_are_refused());
}
