//! What happens to the disks of machines.

use log::{FailHow, MemoryDisk, NodeId};

use super::cluster::Cluster;
use super::disk::{KeptPromise, checkpoint, node, open};
use crate::member::Rule;
use crate::promise::Keeper;

impl Cluster {
    /// The next write of a machine's disk fails, and what was written may be there or not.
    pub(super) fn break_disk(&mut self, at: usize, how: FailHow) {
        self.machines[at].disk.fail_next_commit(how);
    }

    /// The machine gets a new disk. What comes up on it is another node, which nobody counts before it is taken in.
    pub(super) fn wipe(&mut self, at: usize) {
        self.crash(at);
        let machine = &mut self.machines[at];
        if self.broken != Some(Rule::WipedIsNew) {
            machine.id = node(self.next_node);
            self.next_node += 1;
        }
        machine.kept = KeptPromise::new();
        machine.copied = None;
        machine.disk = MemoryDisk::new();
        // It is held from the beginning, as every copy is.
        let (log, mut stepper) = open(&machine.disk);
        let held = log.hold(true).unwrap();
        stepper.turn(1);
        held.wait().unwrap();
        self.counts.wiped += 1;
    }

    /// Somebody keeps the state of a machine's disk.
    pub(super) fn copy_disk(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        if let Some(up) = &machine.up {
            let disk = checkpoint(up.member.log(), up.member.synced());
            machine.copied = Some((disk, *machine.kept.synced.lock().unwrap()));
        }
    }

    /// The disk is what it was then, and what comes up on it another node; whether there was such a state.
    pub(super) fn roll_back(&mut self, at: usize) -> bool {
        let Some((disk, kept)) = self.machines[at].copied.take() else { return false };
        self.crash(at);
        let machine = &mut self.machines[at];
        if self.broken != Some(Rule::RolledBackIsNew) {
            machine.id = node(self.next_node);
            self.next_node += 1;
        }
        machine.disk = disk;
        machine.kept = KeptPromise::new();
        machine.kept.keep(kept).unwrap();
        machine.kept.sync();
        self.counts.rolled_back += 1;
        true
    }

    /// Who set out from another history gets a copy of the leader's, or an old one of somebody else's: its own log is set
    /// aside.
    pub(super) fn rejoin(&mut self, at: usize, leader: NodeId) {
        let up =
            self.machines.iter().enumerate().filter(|(other, machine)| *other != at && machine.up.is_some());
        let mut others: Vec<_> = up.map(|(other, _)| other).collect();
        if !self.old_copies {
            others.retain(|other| self.machines[*other].id == leader);
        }
        let from = others.get(self.network.len().checked_rem(others.len()).unwrap_or(0));
        let Some(from) = from.and_then(|from| self.machines[*from].up.as_ref()) else { return };
        let disk = checkpoint(from.member.log(), from.member.synced());
        let Some(up) = self.machines[at].up.take() else { return };
        up.member.set_aside().unwrap();
        self.machines[at].disk = disk;
        self.start(at);
        self.counts.parted += 1;
    }
}
