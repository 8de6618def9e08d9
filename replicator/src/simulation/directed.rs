//! Schedules that are written out, since what they come to is too rare to wait for.

use log::{Append, Body, Log, Members, NodeId, Term};
use protocol::ProcessId;

use super::cluster::{Cluster, Message};
use crate::member::Rule;

impl Message {
    fn to(&self) -> NodeId {
        match self {
            Self::Events(to, _)
            | Self::Acknowledgement(to, _)
            | Self::Ask(to, _)
            | Self::Answer(to, _)
            | Self::Fetch(to, _)
            | Self::Fetched(to, _)
            | Self::Stand(to) => *to,
        }
    }
}

impl Cluster {
    /// Delivers what is on its way among these, and what comes of it; the rest is lost.
    pub(super) fn pass(&mut self, among: &[usize]) {
        while !self.network.is_empty() {
            for message in std::mem::take(&mut self.network) {
                if among.iter().any(|at| self.machines[*at].id == message.to()) {
                    self.deliver(message);
                }
            }
        }
    }

    /// One who leads writes something, though nothing of it is released yet.
    fn append(&self, at: usize, term: Term) {
        let body = Body::Fact(b"written".to_vec());
        let append = Append { process: ProcessId::NODE, body, link: None, imported: false };
        let log = self.machines[at].up.as_ref().unwrap().member.log();
        drop(log.enqueue(term, vec![append]).unwrap());
    }

    /// One leads with the promise of others, in whatever term they promise; its promotion is on its own disk alone.
    pub(super) fn lead(&mut self, at: usize, with: &[usize]) {
        let among: Vec<_> = with.iter().copied().chain([at]).collect();
        for _ in 0..8 {
            self.stand(at);
            self.pass(&among);
            self.sync(at, 1000);
            self.pass(&among);
            self.sync(at, 1000);
            if self.leading().contains(&at) {
                return;
            }
        }
        panic!("{at} does not lead with {with:?}");
    }

    /// One stands for a term, and nobody hears of it: the next one is higher than that of others.
    fn pass_over_a_term(&mut self, at: usize) {
        self.stand(at);
        self.network.clear();
    }

    /// One follows another one up to so many events of its log, on disk, and says so.
    pub(super) fn follow(&mut self, leader: usize, at: usize, events: usize) {
        self.ship(leader, at, u64::MAX, events);
        self.pass(&[at, leader]);
        self.sync(at, 1000);
        self.acknowledge(at);
        self.pass(&[at, leader]);
    }
}

/// Members that have one event, which is that they are the members.
fn cluster(voters: usize, acks: u32, broken: Option<Rule>) -> Cluster {
    let mut cluster = Cluster::new(voters, acks, broken);
    cluster.look().unwrap();
    let members: Members =
        cluster.machines[0].up.as_ref().unwrap().member.memberships.newest().unwrap().clone();
    assert_eq!((members.voters.len(), members.acks), (voters, acks));
    cluster
}

/// An event of an older term gets to enough disks under a leader whose promotion does not, and is overwritten.
pub(super) fn released_before_the_promotion(broken: Option<Rule>) -> Result<(), String> {
    let mut cluster = cluster(3, 1, broken);
    cluster.lead(0, &[1]);
    cluster.follow(0, 1, 1000);
    cluster.write(0);
    cluster.sync(0, 1000);
    cluster.look()?;
    cluster.crash(0);
    cluster.lead(1, &[2]);
    cluster.crash(1);
    cluster.start(0);
    cluster.lead(0, &[2]);
    // What it had before, and not its promotion.
    cluster.follow(0, 2, 3);
    cluster.look()?;
    cluster.crash(0);
    cluster.start(1);
    cluster.lead(1, &[2]);
    for _ in 0..2 {
        cluster.follow(1, 2, 1000);
        cluster.sync(1, 1000);
    }
    cluster.look()
}

/// What one has of a former leader is acknowledged to a new one, which has something else there.
pub(super) fn matched_of_another_leader(broken: Option<Rule>) -> Result<(), String> {
    let mut cluster = cluster(4, 2, broken);
    cluster.lead(0, &[3]);
    receive(&mut cluster, 0, 3);
    cluster.crash(0);
    cluster.pass_over_a_term(1);
    cluster.lead(1, &[2]);
    // Only what is the same, so that it cannot be noticed.
    cluster.follow(1, 3, 1);
    cluster.follow(1, 2, 1000);
    cluster.look()?;
    cluster.crash(1);
    cluster.start(0);
    cluster.lead(0, &[3]);
    settle(&mut cluster, 0, &[3, 2])
}

/// What was acknowledged to one comes when it leads again, with another log.
pub(super) fn acknowledged_in_another_term(broken: Option<Rule>) -> Result<(), String> {
    let mut cluster = cluster(4, 2, broken);
    cluster.lead(0, &[3]);
    (0..3).for_each(|_| cluster.append(0, Term(2)));
    cluster.sync(0, 1000);
    receive(&mut cluster, 0, 3);
    cluster.acknowledge(3);
    let late = std::mem::take(&mut cluster.network);
    cluster.pass_over_a_term(1);
    cluster.lead(1, &[2]);
    cluster.follow(1, 0, 1000);
    cluster.lead(0, &[2]);
    cluster.network = late;
    cluster.pass(&[0]);
    cluster.follow(0, 2, 1000);
    cluster.sync(0, 1000);
    cluster.look()?;
    cluster.pass_over_a_term(1);
    cluster.lead(1, &[3]);
    settle(&mut cluster, 1, &[3, 2])
}

/// One has on disk what a leader has, and does not say so.
fn receive(cluster: &mut Cluster, leader: usize, at: usize) {
    cluster.ship(leader, at, u64::MAX, 1000);
    cluster.pass(&[at]);
    cluster.sync(at, 1000);
}

/// These follow a leader, as often as it takes when their logs have to be set aside.
fn settle(cluster: &mut Cluster, leader: usize, followers: &[usize]) -> Result<(), String> {
    for _ in 0..2 {
        for at in followers {
            cluster.follow(leader, *at, 1000);
        }
        cluster.sync(leader, 1000);
    }
    cluster.look()?;
    assert!(cluster.machines[leader].up.as_ref().unwrap().member.leads().is_some(), "nothing came of it");
    Ok(())
}
