//! What a member does all the time: it releases what enough others have, begins and ends scheduling, and says when what is
//! written waits too long.

use std::sync::Arc;
use std::time::Duration;

use api::WriteSide;
use log::{Log, Seq, Term};
use replicator::{MemberError, MemberRole, MemberView};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::MemberNode;

/// How often it looks when nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long what is written may wait for others before nothing more is taken.
const WAITS_MAX: Duration = Duration::from_secs(5);
/// How often a leader looks who else is to keep the log, or leads.
const CARE_EVERY: Duration = Duration::from_millis(250);

/// What was so when it was looked last.
struct Watched {
    schedules_in: Option<Term>,
    role: MemberRole,
    cared: Instant,
    is_waiting: bool,
}

/// Works until it is stopped, on a thread of its own: releasing reads the log.
pub(super) async fn lead(member: Arc<MemberNode>, mut stopping: watch::Receiver<bool>) {
    let mut synced = member.log.synced();
    let role = MemberRole::Following;
    let mut watched = Watched { schedules_in: None, role, cared: Instant::now(), is_waiting: false };
    loop {
        let next = synced.last().map_or(Seq::ZERO, Seq::next);
        let seen = member.with(|member| {
            member.release()?;
            Ok::<_, MemberError>((member.role(), member.leads()))
        });
        let Ok((role, leads)) = seen else { return };
        member.turn(&mut watched, role, leads);
        tokio::select! {
            is_open = synced.reached(next) => if !is_open { break },
            () = member.changed.notified() => {}
            () = sleep(LOOK_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
    member.outlasts_its_disk(stopping).await;
}

impl MemberNode {
    /// Nothing more gets to disk. Where a write failed, whoever follows serves what is here until the store is opened again.
    async fn outlasts_its_disk(&self, mut stopping: watch::Receiver<bool>) {
        if self.log.failure().is_some() && !self.is_in_lead() {
            let _ = stopping.wait_for(|stop| *stop).await;
        }
    }

    fn turn(self: &Arc<Self>, watched: &mut Watched, role: MemberRole, leads: Option<Term>) {
        if role != watched.role {
            self.tell(role);
            watched.role = role;
        }
        let waits = self.waiting(leads);
        if waits.is_some() != watched.is_waiting {
            watched.is_waiting = waits.is_some();
            match &waits {
                Some(reason) => warn!(%reason, "takes no messages"),
                None => info!("what is written is confirmed again"),
            }
        }
        // Before writes come here.
        self.log.set_unconfirmed(waits.map(Into::into));
        if leads != watched.schedules_in {
            watched.schedules_in = leads;
            match leads {
                Some(term) => self.begin_tenure(term),
                None => self.end_tenure(self.side(role)),
            }
        }
        if leads.is_none() {
            self.show_side(role);
        }
        if leads.is_some() && watched.cared.elapsed() >= CARE_EVERY {
            watched.cared = Instant::now();
            if let Err(error) = self.care_for_members() {
                error!(%error, "cannot look after the members");
            }
        }
    }

    /// Each change is a line.
    fn tell(&self, role: MemberRole) {
        let (term, events) = (self.term(), self.synced());
        let promise = self.with(|member| Ok::<_, MemberError>(member.promise()));
        let promised = promise.map_or(term, |promise| promise.term);
        match role {
            MemberRole::Apart => error!(
                %term,
                events,
                "the log of this node is another one than the leader's: `quipu divergence` shows what differs, `quipu rejoin` \
                 sets it aside"
            ),
            MemberRole::Following => {
                info!(%term, %promised, events, "follows, and takes nothing of an earlier term")
            }
            MemberRole::Promising => info!(%term, %promised, events, "asks for promises"),
            MemberRole::Confirming => info!(%term, %promised, events, "waits for its term to be confirmed"),
            MemberRole::Leading => info!(%term, %promised, events, "its term is confirmed"),
        }
    }

    /// Where writes go while it does not lead.
    fn side(&self, role: MemberRole) -> WriteSide {
        match role {
            MemberRole::Following | MemberRole::Apart if self.followed_now().is_some() => {
                self.follows.clone()
            }
            _ => WriteSide::Unsure(UNSURE.into()),
        }
    }

    /// Shows where writes go while it does not lead, which changes with whom it follows.
    fn show_side(&self, role: MemberRole) {
        let wanted = self.side(role);
        if std::mem::discriminant(&wanted) != std::mem::discriminant(&self.writes.side()) {
            self.writes.set(wanted, None);
        }
    }

    /// Why what is written does not leave this node, or is not to be written at all.
    pub(super) fn waiting(&self, leads: Option<Term>) -> Option<String> {
        if let Some(why) = self.leaving() {
            return Some(why.to_owned());
        }
        let set = self.options.acks.unwrap_or(0);
        let seen = self.with(|member| {
            let acks = member.members().map_or(0, |members| members.acks);
            Ok::<_, MemberError>((member.voters(), acks, member.is_fewer_by_word(set)))
        });
        let (voters, acks, by_word) = seen.ok()?;
        if leads.is_some() && acks < set && !by_word {
            let there = match acks {
                0 => "there is none yet".to_owned(),
                acks => format!("only {acks} can be waited for"),
            };
            return Some(format!(
                "REPLICATION_ACKS={set} other nodes have to have each message, and {there}: start `quipu standby --voter`"
            ));
        }
        let waited = self.log.unreleased_for().filter(|waited| *waited >= WAITS_MAX)?;
        if leads.is_none() {
            return Some(UNSURE.to_owned());
        }
        let (own, others) = (self.synced(), voters.iter().filter(|voter| voter.node != self.id));
        let others: Vec<_> = others.collect();
        let behind = others.iter().filter(|voter| voter.events.is_none_or(|events| events < own)).count();
        let (all, seconds) = (others.len(), waited.as_secs());
        let have = if behind == 1 { "has" } else { "have" };
        Some(format!(
            "{behind} of {all} other members {have} not confirmed what was written for {seconds} s, and {acks} must"
        ))
    }
}

/// What clients are told by a member of which it is not known who leads.
pub(super) const UNSURE: &str = "this node keeps its log with others, and it is not known yet which of them leads: nothing is \
                                 scheduled before another one confirms that this one does";
