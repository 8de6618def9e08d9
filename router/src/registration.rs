//! What schedulers say of themselves when they register: a hint, which the URL that they name has to bear out. A setting that
//! was copied with another node's URL in it leads nobody anywhere.

use log::StoreId;
use protocol::Code;
use uuid::Uuid;
use web::HttpError;

use crate::health::get;
use crate::member::{Look, Registered};
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
use crate::state::FleetChange;
use crate::told::{HeardLog, ToldLog};

/// A scheduler that registers itself.
pub(crate) struct Registration {
    pub(crate) url: SchedulerUrl,
    pub(crate) admin: Option<SchedulerUrl>,
    /// What it says of its log.
    pub(crate) told: ToldLog,
    pub(crate) said: Registered,
}

impl Router {
    /// Takes in what a scheduler says of itself. Where anything of it is new, what counts is what its URL answers.
    ///
    /// # Errors
    /// When nobody answers there, or somebody else does; nothing is taken in then.
    pub(crate) async fn register(&self, registration: Registration) -> Result<(), HttpError> {
        let Registration { url, admin, told: claimed, said } = registration;
        let known = self.fleet.at(&url);
        if known.as_ref().is_some_and(|known| known.is_forgotten()) {
            let text = format!(
                "what {url} tells counts no more at this router, until `quipu router add` adds it again"
            );
            return Err(HttpError::new(Code::InvalidParameter, text));
        }
        let has_new_admin = known.as_ref().is_none_or(|known| admin.is_some() && known.admin != admin);
        let is_known = known.as_ref().is_some_and(|known| {
            let is_led = !claimed.leads() || claimed.term <= known.term;
            known.store == Some(claimed.store) && is_led && !has_new_admin
        });
        let store = known.as_ref().and_then(|known| known.store);
        let heard = if is_known { None } else { Some(self.borne_out(&url, store, &claimed).await?) };
        if let Some(admin) = admin.as_ref().filter(|_| has_new_admin) {
            self.check_admin(&url, admin, claimed.node).await?;
        }
        if has_new_admin {
            self.change(FleetChange::Registered { url: url.clone(), admin }).await?;
        }
        let Some(member) = self.fleet.at(&url) else { return Ok(()) };
        if let Some(heard) = heard {
            let wrong = |reason| HttpError::new(Code::InvalidParameter, reason);
            self.take_told(&member, heard).await.map_err(wrong)?;
        }
        member.standing.note_registered(said);
        if member.standing.is_new() {
            self.look(&member).await;
        }
        Ok(())
    }

    /// Refuses an admin listener that is of another node, or of which that is not known although nodes are asked to lead there:
    /// whoever answers there would be told their token.
    async fn check_admin(
        &self,
        url: &SchedulerUrl,
        admin: &SchedulerUrl,
        claimed: Option<Uuid>,
    ) -> Result<(), HttpError> {
        // It is only shown, and one of an older version does not tell which node it is.
        let (Some(promoter), Some(claimed)) = (&self.promoter, claimed) else { return Ok(()) };
        let found = match get(&promoter.strangers, admin, "/health").await {
            Ok(answer) if answer.node() == Some(claimed) => return Ok(()),
            Ok(_) => "another node, or none, answers there".to_owned(),
            Err(reason) => {
                let text = format!(
                    "the admin listener {admin} of {url} does not answer this router, which asks nodes to lead there: {reason}"
                );
                return Err(HttpError::new(Code::Unavailable, text));
            }
        };
        let text = format!("{admin} is not the admin listener of the node at {url}: {found}");
        Err(HttpError::new(Code::InvalidParameter, text))
    }

    /// What answers at this URL, if that is what was said to be there.
    async fn borne_out(
        &self,
        url: &SchedulerUrl,
        store: Option<StoreId>,
        claimed: &ToldLog,
    ) -> Result<HeardLog, HttpError> {
        let wrong = |text| HttpError::new(Code::InvalidParameter, text);
        match self.hear(url, store).await {
            (Look::Away(reason), _) => {
                let text = format!(
                    "{url} does not answer this router: {reason}; expected the URL where clients find the node"
                );
                Err(HttpError::new(Code::Unavailable, text))
            }
            (Look::Other(what), _) => Err(wrong(format!("{url} is no scheduler: {what}"))),
            (_, None) => {
                Err(wrong(format!("{url} answers, and tells no store, as nodes do that register themselves")))
            }
            (_, Some(HeardLog { log: told, .. })) if told.store != claimed.store => Err(wrong(format!(
                "at {url} is the store {}, and {} registers itself with that URL: it takes its own PUBLIC_URL",
                told.store, claimed.store
            ))),
            (_, Some(HeardLog { log: told, .. })) if told.is_other(claimed.node) => Err(wrong(format!(
                "at {url} is another node than the one that registers itself with that URL: it takes its own PUBLIC_URL"
            ))),
            (_, Some(HeardLog { log: told, .. })) if told.leads() != claimed.leads() => Err(wrong(format!(
                "at {url} is a {}, and a {} registers itself with that URL: it takes its own PUBLIC_URL",
                told.role, claimed.role
            ))),
            (_, Some(heard)) => Ok(heard),
        }
    }
}
