//! What happens in which order, and what must be so after each step.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedMutRandom;
use rand::{Rng, SeedableRng};

use super::Broken;
use super::engine::Engine;
use super::node::{Node, Step};

const STEPS: usize = 120;

/// How much happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) released: usize,
    pub(super) takeovers: usize,
    pub(super) deposed: usize,
    pub(super) unknown: usize,
    pub(super) failovers: usize,
    /// Records that an engine lost with its leader.
    pub(super) lost: usize,
}

impl Outcome {
    pub(super) fn add(&mut self, other: &Self) {
        self.released += other.released;
        self.takeovers += other.takeovers;
        self.deposed += other.deposed;
        self.unknown += other.unknown;
        self.failovers += other.failovers;
        self.lost += other.lost;
    }

    fn count(&mut self, step: &Step) {
        match step {
            Step::Nothing => {}
            Step::Leads => self.takeovers += 1,
            Step::Deposed => self.deposed += 1,
            Step::Unknown => self.unknown += 1,
        }
    }
}

/// Everything that left any node, in its order.
#[derive(Default)]
struct Shown(Vec<String>);

impl Shown {
    /// What a node shows is what all have shown, and maybe more.
    fn look(&mut self, node: &Node) -> Result<(), String> {
        for (place, text) in node.shown().iter().enumerate() {
            match self.0.get(place) {
                Some(before) if before != text => {
                    return Err(format!("event {place} is {text:?} and was {before:?}"));
                }
                Some(_) => {}
                None => self.0.push(text.clone()),
            }
        }
        Ok(())
    }
}

pub(super) async fn run(seed: u64, broken: Option<Broken>) -> Result<Outcome, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let engine = Arc::new(Engine::new(random.random(), broken));
    let mut nodes: Vec<_> = (1..=3).map(|number| Node::new(number, engine.clone(), broken)).collect();
    let (mut shown, mut outcome) = (Shown::default(), Outcome::default());
    for number in 0..STEPS {
        let node = random.random_range(0..nodes.len());
        let node = &mut nodes[node];
        match random.random_range(0..100) {
            0..3 => {
                outcome.failovers += 1;
                outcome.lost += engine.fail_over();
            }
            3..8 => engine.deliver(),
            8..11 => node.crash(),
            11..12 => node.wipe(),
            // One that leads stands still while others take over, since it has a turn only now and then.
            12..22 if !node.leads() => outcome.count(&node.stand().await?),
            22..50 => node.append(format!("{number}")),
            _ => outcome.count(&node.turn().await?),
        }
        shown.look(node)?;
    }
    engine.calm();
    let one = nodes.choose_mut(&mut random).expect("there are some");
    one.stand().await?;
    for _ in 0..STEPS {
        one.turn().await?;
        if one.is_quiet() {
            break;
        }
    }
    shown.look(one)?;
    if !one.is_quiet() || one.shown().len() != shown.0.len() {
        return Err(format!("{} events left nodes, and {} are there", shown.0.len(), one.shown().len()));
    }
    outcome.released = shown.0.len();
    Ok(outcome)
}
