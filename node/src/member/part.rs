//! What runs of a member, and its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use async_trait::async_trait;
use reqwest::Url;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{self, spawn_blocking};
use tracing::warn;

use super::{MemberNode, confirming, leading, remembering, tenure};
use crate::error::NodeError;
use crate::part::{NodePart, NodeParts};

/// What runs, until it is stopped.
struct Membership {
    member: Arc<MemberNode>,
    stop: watch::Sender<bool>,
    tasks: Vec<task::JoinHandle<()>>,
    thread: JoinHandle<()>,
    /// Its sender goes when the thread ends.
    over: watch::Receiver<()>,
}

/// What a member is to do first.
pub(crate) enum Beginning {
    /// Follow this one.
    Follow(Url),
    /// Lead, if no other does.
    Lead,
}

/// Drives the member from here on.
pub(crate) fn start(
    parts: &mut NodeParts,
    member: &Arc<MemberNode>,
    beginning: Beginning,
) -> Result<(), NodeError> {
    let (stop, stopping) = watch::channel(false);
    let (ending, over) = watch::channel(());
    let tasks = vec![
        watched(member, confirming::confirm(member.clone(), stopping.clone())),
        watched(member, remembering::remember(member.clone(), stopping.clone())),
        watched(member, member.clone().supervise(stopping.clone())),
        watched(member, tenure::keep_tenures(member.clone(), stopping.clone())),
    ];
    match beginning {
        Beginning::Follow(url) => member.follow(Some(url)),
        Beginning::Lead => {
            let promised = member.published().promise;
            let known = super::lock(&member.member).url_of(promised.to).and_then(|url| Url::parse(url).ok());
            if promised.to != member.id && known.is_some() {
                member.follow(known);
            } else {
                member.may_stand.store(true, Ordering::SeqCst);
            }
        }
    }
    let (leading, runtime) = (leading::lead(member.clone(), stopping), Handle::current());
    let thread = std::thread::Builder::new().name("member".to_owned()).spawn(move || {
        // Also when it panics.
        let _ending = ending;
        runtime.block_on(leading);
    });
    let thread = thread.map_err(|error| NodeError::Thread { part: "member", error })?;
    parts.push(Membership { member: member.clone(), stop, tasks, thread, over });
    Ok(())
}

/// Does this until it is done; the node ends if it ends with a panic.
fn watched(
    member: &Arc<MemberNode>,
    work: impl Future<Output = ()> + Send + 'static,
) -> task::JoinHandle<()> {
    let (member, work) = (member.clone(), tokio::spawn(work));
    tokio::spawn(async move {
        if work.await.is_err() {
            member.fail("a task of the member ended with a panic".to_owned());
        }
    })
}

#[async_trait]
impl NodePart for Membership {
    fn name(&self) -> &'static str {
        "member"
    }

    async fn ended(&mut self) {
        let mut failed = self.member.failed.subscribe();
        tokio::select! {
            _ = failed.wait_for(Option::is_some) => {}
            () = async { while self.over.changed().await.is_ok() {} } => {}
        }
    }

    async fn stop(self: Box<Self>) {
        // What is scheduled already is released while it runs.
        self.member.close_tenure().await;
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
        let thread = self.thread;
        if !matches!(spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            warn!(
                "what drives the member ended with a panic; what was released is on the disks of others too"
            );
        }
    }
}
