//! When the log of a member is another one than that of whom it follows, and when what is in it is not verified.

use std::sync::Arc;

use api::MemberCallError;
use replicator::MemberError;
use tokio::task::spawn_blocking;

use super::MemberNode;
use super::calls::{failed, refused};

impl MemberNode {
    /// The log of whom it follows is another one: if that leads, this member is apart from it until a later one leads.
    pub(crate) async fn log_differs(self: &Arc<Self>) {
        let Some(from) = self.followed_now() else { return };
        let Ok(form) = self.asking.member(&from).await else { return };
        let Some(owner) = form.node.parse().ok().filter(|_| form.role == "leading") else { return };
        let (member, term) = (self.clone(), log::Term(form.term));
        // What it cannot go on after is told where it is done.
        let _ = spawn_blocking(move || member.with(|member| member.differs_from(term, owner))).await;
    }

    /// All signatures in its log are verified, and right: from here on its copy counts.
    pub(crate) fn verified(&self) {
        let _ = self.with(|member| {
            member.set_unverified(false);
            Ok::<_, MemberError>(())
        });
        self.confirm.notify_one();
    }

    /// Refuses while what is in its log may be wrong.
    pub(super) fn check_verified(&self) -> Result<(), MemberCallError> {
        let is_unverified = self.with(|member| Ok::<_, MemberError>(member.is_unverified()));
        if is_unverified.map_err(failed)? {
            return refused(
                "the log here began with a checkpoint, and its signatures are not all verified yet, or one is wrong: see `quipu \
                 status`; nothing was changed",
            );
        }
        Ok(())
    }
}
