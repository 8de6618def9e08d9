//! Confirming to the leader what is on disk here: one confirmation at a time, and the newest.

use std::sync::Arc;
use std::time::Duration;

use log::Seq;
use replicator::Acknowledgement;
use reqwest::Url;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use super::MemberNode;

/// How often it is confirmed also where nothing has changed: the leader knows by it that this node is there.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// How long until it is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// How often it is looked whether another one leads, while it is not taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Confirms until it is stopped.
pub(super) async fn confirm(member: Arc<MemberNode>, mut stopping: watch::Receiver<bool>) {
    let mut synced = member.log.synced();
    let mut sent: Option<(Acknowledgement, Url)> = None;
    let mut due = Instant::now();
    let (mut is_failing, mut looked) = (false, None::<Instant>);
    let mut target = member.target();
    loop {
        let next = synced.last().map_or(Seq::ZERO, Seq::next);
        let (given, leader) = (wanted(&member).await, target.borrow_and_update().clone());
        if let (Some(given), Some(leader)) = (given, leader)
            && (sent.as_ref() != Some(&(given, leader.clone())) || Instant::now() >= due)
        {
            let posted = tokio::select! {
                posted = member.asking.acknowledge(&leader, &given, member.options.url.as_deref()) => posted,
                // Whoever leads now is not to wait for one that does not answer.
                _ = target.changed() => continue,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            due = Instant::now() + AT_LEAST_EVERY;
            match posted {
                Ok(()) => (sent, is_failing) = (Some((given, leader)), false),
                Err(reason) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(reason, %leader, "the leader does not take what is confirmed; trying again");
                    }
                    debug!(reason, "not confirmed");
                    sent = None;
                    if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                        looked = Some(Instant::now());
                        // It may ship its log still, and lead no more. Who may take it next does not wait for that.
                        let (member, mut stopping) = (member.clone(), stopping.clone());
                        tokio::spawn(async move {
                            tokio::select! {
                                () = member.find_leader() => {}
                                _ = stopping.wait_for(|stop| *stop) => {}
                            }
                        });
                    }
                    sleep(AGAIN).await;
                }
            }
            continue;
        }
        tokio::select! {
            is_open = synced.reached(next) => if !is_open { return },
            () = member.confirm.notified() => {}
            () = sleep_until(due.max(Instant::now() + AGAIN)) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// What can be confirmed now.
async fn wanted(member: &Arc<MemberNode>) -> Option<Acknowledgement> {
    let member = member.clone();
    let asked = spawn_blocking(move || member.with(|member| member.acknowledgement()));
    asked.await.ok()?.ok().flatten()
}
