//! Schedules that are written out, since what they come to is too rare to wait for.

use log::{Members, NodeId};

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
            | Self::Fetched(to, _) => *to,
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
