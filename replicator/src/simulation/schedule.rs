//! What happens in a cluster, and when: all of it follows from a seed.

use log::{FailHow, Members};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::member::Rule;

use super::cluster::Cluster;
use super::disk::node;

/// How many messages are on their way at a time.
const IN_FLIGHT: usize = 24;

#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) seed: u64,
    pub(super) voters: usize,
    pub(super) acks: u32,
    pub(super) broken: Option<Rule>,
    pub(super) steps: usize,
}

/// What schedules came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// Events that left a node.
    pub(super) shown: u64,
    /// Terms that began.
    pub(super) terms: u64,
    /// Changes of members that were begun.
    pub(super) changes: u64,
    /// Logs that were set aside.
    pub(super) parted: u64,
    /// Disks that were lost.
    pub(super) wiped: u64,
    /// Disks that were as they had been once.
    pub(super) rolled_back: u64,
    /// Leaders that asked another one to lead, which had all of their log.
    pub(super) handed: u64,
    /// Candidates that found a greater log than they can adopt.
    pub(super) gave_way: u64,
    /// Schedules whose cluster worked again at their end.
    pub(super) healed: u64,
}

impl Outcome {
    pub(super) fn add(&mut self, other: &Self) {
        self.shown += other.shown;
        self.terms += other.terms;
        self.changes += other.changes;
        self.parted += other.parted;
        self.wiped += other.wiped;
        self.rolled_back += other.rolled_back;
        self.handed += other.handed;
        self.gave_way += other.gave_way;
        self.healed += other.healed;
    }
}

/// Plays a schedule: what it came to, or what was shown that is not true for all.
pub(super) fn run(schedule: &Schedule) -> Result<Outcome, String> {
    let mut random = StdRng::seed_from_u64(schedule.seed);
    // Some begin with a log so long that what comes next goes beyond the first digest that is kept of it.
    let more = if schedule.seed % 64 == 5 { random.random_range(1_000..1_030) } else { 0 };
    let mut cluster = Cluster::with_history(schedule.voters, schedule.acks, more, schedule.broken);
    // Schedules differ in how rough they are.
    let rough = random.random_range(0..4);
    cluster.fetched_max = [1, 3, 1000][random.random_range(0..3)];
    cluster.shipped_max = if more > 0 { 5_000 } else { 1_000 };
    cluster.old_copies = schedule.seed % 16 > 7;
    for _ in 0..schedule.steps {
        step(&mut cluster, &mut random, rough);
        cluster.look()?;
    }
    heal(&mut cluster)?;
    let mut counts = cluster.counts;
    counts.shown = cluster.shown();
    Ok(counts)
}

fn step(cluster: &mut Cluster, random: &mut StdRng, rough: u32) {
    let at = random.random_range(0..cluster.machines.len());
    // Most happens around whoever leads, or believes that it does.
    let leading = cluster.leading();
    let leader = leading.get(random.random_range(0..leading.len().max(1))).copied().unwrap_or(at);
    match random.random_range(0..1000) {
        0..90 => cluster.write(leader),
        90..160 => cluster.sync(leader, random.random_range(1..4)),
        160..240 => cluster.sync(at, random.random_range(1..4)),
        240..380 => {
            let to = random.random_range(0..cluster.machines.len());
            let (back, max) = (random.random_range(0..6), random.random_range(0..8));
            if to != leader {
                cluster.ship(leader, to, back, max);
            }
        }
        380..470 => cluster.acknowledge(at),
        470..490 => cluster.stand(at),
        490..500 => cluster.cut = if cluster.cut.is_some() { None } else { Some(leader) },
        500..515 if rough > 1 => change(cluster, random, leader),
        515..528 if rough > 0 => {
            if cluster.machines[at].up.is_some() {
                cluster.crash(at)
            } else {
                cluster.start(at)
            }
        }
        528..560 => {
            if cluster.machines[at].up.is_none() {
                cluster.start(at);
            }
        }
        560..562 if rough > 1 => cluster.wipe(at),
        562..568 if rough > 0 => cluster.break_disk(at, fault(random)),
        568..574 if rough > 1 => cluster.copy_disk(at),
        574..576 if rough > 2 => _ = cluster.roll_back(at),
        576..592 => cluster.hand_over(leader, at),
        _ => deliver(cluster, random),
    }
}

fn fault(random: &mut StdRng) -> FailHow {
    match random.random_range(0..3) {
        0 => FailHow::BeforeWrite,
        some => FailHow::AfterWrite { survives: some == 1 },
    }
}

fn deliver(cluster: &mut Cluster, random: &mut StdRng) {
    if cluster.network.is_empty() {
        return;
    }
    // What is older than that does not come any more.
    let late = cluster.network.len().saturating_sub(IN_FLIGHT);
    cluster.network.drain(..late);
    let at = random.random_range(0..cluster.network.len());
    // Some come again, and some are lost.
    let message =
        if random.random_bool(0.8) { cluster.network.swap_remove(at) } else { cluster.network[at].clone() };
    if random.random_bool(0.9) {
        cluster.deliver(message);
    }
}

/// Tries some changes, of which many are no step that may be taken.
fn change(cluster: &mut Cluster, random: &mut StdRng, at: usize) {
    for _ in 0..4 {
        let machines: Vec<_> = cluster.machines.iter().map(|machine| machine.id).collect();
        let (which, some) = (random.random_range(0..4), machines[random.random_range(0..machines.len())]);
        let stranger = random.random_bool(0.1).then(|| node(random.random_range(0..12)));
        let changed = cluster.change(at, |now| {
            let Members { mut voters, mut acks } = now.clone();
            match which {
                0 => acks += 1,
                1 => acks = acks.saturating_sub(1),
                2 => _ = voters.insert(stranger.unwrap_or(some)),
                _ => _ = voters.remove(&some),
            }
            Members { voters, acks }
        });
        if changed {
            return;
        }
    }
}

/// Everything is up, and messages come: what was shown is still there, and more comes if enough voters are left.
fn heal(cluster: &mut Cluster) -> Result<(), String> {
    let count = cluster.machines.len();
    (0..count).for_each(|at| {
        if cluster.machines[at].up.is_none() {
            cluster.start(at);
        }
    });
    cluster.cut = None;
    let before = cluster.shown();
    for round in 0..10 {
        let at = round % count;
        cluster.network.clear();
        calm(cluster)?;
        if !cluster.machines.iter().flat_map(|machine| &machine.up).any(|up| up.member.leads().is_some()) {
            cluster.stand(at);
        }
        calm(cluster)?;
        (0..count).for_each(|at| cluster.write(at));
        calm(cluster)?;
    }
    cluster.counts.healed += u64::from(cluster.shown() > before);
    Ok(())
}

/// Messages are delivered, and disks work, until nothing more comes of it.
fn calm(cluster: &mut Cluster) -> Result<(), String> {
    let count = cluster.machines.len();
    for _ in 0..4 {
        for at in 0..count {
            cluster.sync(at, 1000);
            (0..count).filter(|to| *to != at).for_each(|to| cluster.ship(at, to, 0, 1000));
            cluster.acknowledge(at);
        }
        for message in std::mem::take(&mut cluster.network) {
            cluster.deliver(message);
        }
        (0..count).for_each(|at| cluster.sync(at, 1000));
        cluster.look()?;
    }
    Ok(())
}
