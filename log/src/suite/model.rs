//! Random histories of enqueueing, turning, failing and crashing, against what the log must be.

use proptest::prelude::*;

use crate::local::{LocalLog, Stepper};
use crate::memory::{FailHow, Memory};
use crate::samples::{SampleProcess, fact};
use crate::{Append, Log, Receipt};

use super::{OnMemory, Setup, all, enqueue, events};

#[derive(Clone, Debug)]
enum Step {
    /// Enqueue messages of these processes together, the last one with a wrong nonce or not.
    Enqueue {
        samples: Vec<u8>,
        wrong: bool,
    },
    Turn(usize),
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
        1 => how.prop_map(Step::Fail),
        1 => Just(Step::Crash),
    ]
}

/// A log and what has to be in it.
struct World {
    setup: OnMemory,
    log: LocalLog<Memory>,
    stepper: Stepper<Memory>,
    /// Durable for certain.
    durable: Vec<Append>,
    /// Enqueued, in order, with what will resolve.
    waiting: Vec<(Receipt, Vec<Append>)>,
}

impl World {
    fn new() -> Self {
        let setup = OnMemory::default();
        let (log, stepper) = setup.stepped();
        Self { setup, log, stepper, durable: Vec::new(), waiting: Vec::new() }
    }

    /// The next message of a process, counting on everything that waits.
    fn next(&self, number: u8, together: &[Append]) -> Append {
        if number == 0 {
            return fact("a fact");
        }
        let mut sample = SampleProcess::new(number.into());
        let waiting = self.waiting.iter().flat_map(|(_, batch)| batch);
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
        let receipt = enqueue(&self.log, batch.clone());
        self.waiting.push((receipt, if refused { Vec::new() } else { batch }));
    }

    fn turn(&mut self, max: usize) {
        let count = self.stepper.turn(max);
        assert_eq!(count, max.min(self.waiting.len()));
        let failed = self.log.failure().is_some();
        let handled: Vec<_> = self.waiting.drain(..count).collect();
        let mut unsure = Vec::new();
        for (mut receipt, batch) in handled {
            let verdict = receipt.try_now().expect("a handled request is answered");
            assert_eq!(verdict.is_ok(), !failed && !batch.is_empty());
            if failed { unsure.extend(batch) } else { self.durable.extend(batch) }
        }
        assert_eq!(all(&self.log), events(&self.durable));
        if failed {
            for (mut receipt, _) in self.waiting.drain(..) {
                assert!(receipt.try_now().expect("a queued request is answered").is_err());
            }
            self.reopen(&unsure);
        }
    }

    /// Opens the store again; what a failed sync wrote is there as a whole or not at all.
    fn reopen(&mut self, unsure: &[Append]) {
        self.waiting.clear();
        (self.log, self.stepper) = self.setup.stepped();
        let found = all(&self.log);
        if found.len() != self.durable.len() {
            self.durable.extend_from_slice(unsure);
        }
        assert_eq!(found, events(&self.durable));
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
        assert_eq!(summary.events, world.durable.len() as u64);
    }
}
