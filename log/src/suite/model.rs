//! Random histories of enqueueing, turning, failing and crashing, against what the log must be.

use proptest::prelude::*;

use crate::local::{LocalLog, Stepper};
use crate::memory::{FailHow, Memory};
use crate::samples::{SampleProcess, fact};
use crate::{Append, Log, Receipt, Seq, Term};

use super::{OnMemory, Setup, all, events, promote, promotion};

#[derive(Clone, Debug)]
enum Step {
    /// Enqueue messages of these processes together, the last one with a wrong nonce or not.
    Enqueue {
        samples: Vec<u8>,
        wrong: bool,
    },
    Turn(usize),
    Hold(bool),
    /// Release so many events more.
    Release(usize),
    Fail(FailHow),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        Just(FailHow::BeforeWrite),
        any::<bool>().prop_map(|survives| FailHow::AfterWrite { survives }),
    ];
    prop_oneof![
        8 => (prop::collection::vec(0..4_u8, 1..4), prop::bool::weighted(0.2))
            .prop_map(|(samples, wrong)| Step::Enqueue { samples, wrong }),
        4 => (1..4_usize).prop_map(Step::Turn),
        1 => prop::bool::weighted(0.7).prop_map(Step::Hold),
        3 => (1..4_usize).prop_map(Step::Release),
        1 => how.prop_map(Step::Fail),
        1 => Just(Step::Crash),
    ]
}

/// A log and what has to be in it.
struct World {
    setup: OnMemory,
    log: LocalLog<Memory>,
    stepper: Stepper<Memory>,
    /// On disk for certain.
    durable: Vec<Append>,
    /// How many of these are released, and how many were told to be.
    released: usize,
    told: usize,
    held: bool,
    term: u64,
    /// Enqueued, in order.
    waiting: Vec<Waiting>,
    /// On disk and maybe not released: the number of events with the last of them, and what will resolve.
    unreleased: Vec<(usize, Receipt)>,
}

/// What waits for the appender, and what will resolve.
enum Waiting {
    Append(Receipt, Vec<Append>),
    Hold(Receipt<()>, bool),
}

impl World {
    fn new() -> Self {
        let setup = OnMemory::default();
        let (log, stepper) = setup.stepped();
        let (durable, waiting, unreleased) = (Vec::new(), Vec::new(), Vec::new());
        Self { setup, log, stepper, durable, released: 0, told: 0, held: false, term: 1, waiting, unreleased }
    }

    /// The next message of a process, counting on everything that waits.
    fn next(&self, number: u8, together: &[Append]) -> Append {
        if number == 0 {
            return fact("a fact");
        }
        let mut sample = SampleProcess::new(number.into());
        let waiting = self.waiting.iter().flat_map(|waiting| match waiting {
            Waiting::Append(_, batch) => batch.as_slice(),
            Waiting::Hold(..) => &[],
        });
        let mut before = self.durable.iter().chain(waiting).chain(together);
        let last = before.rfind(|append| append.process == sample.process);
        match last {
            None => sample.spawn(),
            Some(last) => {
                sample.last = last.link;
                sample.message()
            }
        }
    }

    fn enqueue(&mut self, samples: &[u8], wrong: bool) {
        let mut batch: Vec<Append> = Vec::new();
        for number in samples {
            batch.push(self.next(*number, &batch));
        }
        if wrong {
            // The same event again cannot come next.
            batch.extend(batch.last().filter(|append| append.link.is_some()).cloned());
        }
        let refused = wrong && batch.last().is_some_and(|append| append.link.is_some());
        let receipt = self.log.enqueue(Term(self.term), batch.clone()).unwrap();
        self.waiting.push(Waiting::Append(receipt, if refused { Vec::new() } else { batch }));
    }

    fn turn(&mut self, max: usize) {
        let count = self.stepper.turn(max);
        assert_eq!(count, max.min(self.waiting.len()));
        let failed = self.log.failure().is_some();
        let handled: Vec<_> = self.waiting.drain(..count).collect();
        if failed {
            return self.fail(handled);
        }
        for waiting in handled {
            match waiting {
                Waiting::Hold(mut receipt, hold) => {
                    receipt.try_now().expect("a hold is answered").unwrap();
                    self.held = hold;
                }
                Waiting::Append(mut receipt, batch) if batch.is_empty() => {
                    assert!(receipt.try_now().expect("what is refused is answered").is_err());
                }
                Waiting::Append(receipt, batch) => {
                    self.durable.extend(batch);
                    self.unreleased.push((self.durable.len(), receipt));
                }
            }
        }
        self.check();
    }

    fn fail(&mut self, handled: Vec<Waiting>) {
        let mut unsure = Vec::new();
        for waiting in handled {
            match waiting {
                Waiting::Hold(mut receipt, _) => assert!(receipt.try_now().expect("it is answered").is_err()),
                Waiting::Append(mut receipt, batch) => {
                    assert!(receipt.try_now().expect("a handled request is answered").is_err());
                    unsure.extend(batch);
                }
            }
        }
        for waiting in self.waiting.drain(..) {
            if let Waiting::Append(mut receipt, _) = waiting {
                assert!(receipt.try_now().expect("a queued request is answered").is_err());
            }
        }
        for (_, mut receipt) in self.unreleased.drain(..) {
            assert!(receipt.try_now().expect("who waits for a release is answered").is_err());
        }
        assert_eq!(all(&self.log), events(&self.durable[..self.released]));
        self.reopen(&unsure);
    }

    fn release(&mut self, more: usize) {
        self.told = self.told.max(self.released + more);
        self.log.release(Seq::new(self.told as u64 - 1));
        self.check();
    }

    /// What is shown, who is answered, and where processes stand, is what is released.
    fn check(&mut self) {
        let released = if self.held { self.told.min(self.durable.len()) } else { self.durable.len() };
        self.released = self.released.max(released);
        let shown = events(&self.durable[..self.released]);
        assert_eq!(all(&self.log), shown);
        for (events, mut receipt) in std::mem::take(&mut self.unreleased) {
            match receipt.try_now() {
                Some(verdict) => {
                    assert!(events <= self.released);
                    assert_eq!(verdict.unwrap().get() as usize, events - 1);
                }
                None => {
                    assert!(events > self.released);
                    self.unreleased.push((events, receipt));
                }
            }
        }
        for number in 1..4 {
            let process = SampleProcess::new(number).process;
            let newest = shown.iter().rfind(|event| event.process == process);
            let head = self.log.head(process).unwrap();
            assert_eq!(
                head.map(|head| (head.seq, head.last.map(|link| link.nonce))),
                newest.map(|event| (event.seq, event.nonce))
            );
        }
    }

    /// Opens the store again; what a failed sync wrote is there as a whole or not at all.
    fn reopen(&mut self, unsure: &[Append]) {
        self.waiting.clear();
        self.unreleased.clear();
        (self.log, self.stepper) = self.setup.stepped();
        let there = self.log.synced().last().map_or(0, |last| last.next().get() as usize);
        if there != self.durable.len() {
            self.durable.extend_from_slice(unsure);
        }
        assert_eq!(there, self.durable.len());
        self.held = self.log.is_held();
        let shown = self.log.tail().last().map_or(0, |last| last.next().get() as usize);
        assert!(if self.held { shown <= self.released } else { shown == there });
        (self.released, self.told) = (shown, shown);
        self.check();
        self.term = self.log.identity().term.0;
        if self.held {
            // A held log is opened without the right to write.
            self.term += 1;
            self.waiting
                .push(Waiting::Append(promote(&self.log, self.term), vec![promotion(self.term).append()]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn acknowledged_is_durable_and_refused_is_nowhere(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Enqueue { samples, wrong } => world.enqueue(&samples, wrong),
                Step::Turn(max) => world.turn(max),
                Step::Hold(hold) => {
                    world.waiting.push(Waiting::Hold(world.log.hold(hold).unwrap(), hold));
                }
                Step::Release(more) => world.release(more),
                Step::Fail(how) => world.setup.0.fail_next_commit(how),
                Step::Crash => world.reopen(&[]),
            }
        }
        let summary = world.log.verify(None, &mut |notice| {
            if let crate::Notice::Fault(fault) = notice {
                panic!("{fault}");
            }
        });
        assert!(summary.is_sound());
        assert_eq!(summary.events, world.released as u64);
    }
}
