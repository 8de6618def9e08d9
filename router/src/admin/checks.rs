//! Whether all is well with a router and its schedulers.

use std::sync::PoisonError;
use std::time::Duration;

use limits::ListAge;

use super::model::{RouterCheckForm, RouterLevelForm};
use crate::router::Router;

/// Nodes register themselves every few seconds.
const SILENT: Duration = Duration::from_secs(60);

/// All checks of a router.
pub(super) fn checks(router: &Router) -> Vec<RouterCheckForm> {
    let check = |name: &str, bad: RouterLevelForm, reason: Option<String>, well: &str| {
        let status = if reason.is_some() { bad } else { RouterLevelForm::Ok };
        RouterCheckForm { name: name.to_owned(), status, reason: reason.unwrap_or_else(|| well.to_owned()) }
    };
    let list = router.list.lock().unwrap_or_else(PoisonError::into_inner);
    let trouble = list.trouble().map(str::to_owned);
    drop(list);
    let members = router.fleet.members();
    let of_members = members.values().map(|member| {
        let (standing, url) = (&member.standing, member.url.as_str());
        // Nobody's calls go to one that does not lead, nor to one that was put away and has nothing.
        let is_put_away = router.fleet.is_put_away(member);
        let is_needed = member.is_lead() && !standing.is_reached() && !is_put_away;
        let bad = if is_needed { RouterLevelForm::Fail } else { RouterLevelForm::Warn };
        let registered = standing.registered();
        let silent = registered.as_ref().map(|registered| registered.at.elapsed());
        let silent = silent.filter(|silent| *silent > SILENT && !member.is_retired).map(|silent| {
            format!(
                "it has not registered itself for {} s: is this router still in its REGISTER_AT?",
                silent.as_secs()
            )
        });
        let is_well = is_put_away || (standing.is_reached() && (standing.is_open() || !member.is_lead()));
        let well = match member.is_lead() {
            _ if is_put_away => "it was retired, and has no process",
            true => "it takes messages",
            false => "it keeps a log that another one leads",
        };
        // Whoever follows takes no messages in any case: that it could not take the place of its leader is told by this alone.
        let failing = registered.filter(|said| !said.failing.is_empty() && !is_put_away).map(|said| {
            let lead =
                if member.is_lead() { "" } else { "; it may not be able to take the place of its leader" };
            format!("it says that its checks fail: {}{lead}", said.failing.join(", "))
        });
        let trouble = standing.trouble().filter(|_| !is_well);
        check(&format!("scheduler {url}"), bad, trouble.or(silent).or(failing), well)
    });
    let own = [
        check("placing", RouterLevelForm::Fail, router.refusal(), "processes can be spawned"),
        check("list", RouterLevelForm::Warn, trouble, "the list of schedulers is as it should be"),
    ];
    // Who and what the public listener lets in, where there are such lists.
    let lists = router.options.clients.list().into_iter().chain(router.options.items.list());
    let lists = lists.map(|list| list.now()).map(|now| RouterCheckForm {
        name: now.name.to_owned(),
        status: match now.judge() {
            ListAge::Fresh => RouterLevelForm::Ok,
            ListAge::Old => RouterLevelForm::Warn,
            ListAge::Outdated => RouterLevelForm::Fail,
        },
        reason: now.to_string(),
    });
    own.into_iter().chain(lists).chain(of_members).collect()
}
