//! A Postgres of a test's own with standbys: what it commits is on one of them, too, and one takes its place when it is
//! lost.

use crate::link::Link;
use crate::postgres::Postgres;
use crate::wait::until;

/// One server that is written to, and those that follow it. Clients come through one port, whichever that is.
pub struct ReplicatedPostgres {
    primary: Postgres,
    standbys: Vec<(String, Postgres)>,
    link: Link,
}

impl ReplicatedPostgres {
    /// Starts a server and two that follow it, of which one at least has what is committed.
    ///
    /// # Panics
    /// When there is no Postgres on this machine, or it does not start.
    pub async fn start() -> Self {
        let primary = Postgres::start_durable();
        let standbys = ["one", "other"].map(|name| (name.to_owned(), primary.standby(name)));
        let link = Link::to(primary.port()).await;
        let replicated = Self { primary, standbys: standbys.into(), link };
        replicated.wait_for_one().await;
        replicated
    }

    /// Where the database `quipu` is that is written to.
    pub fn url(&self) -> String {
        self.primary.url_on(self.link.port())
    }

    /// The server that is written to.
    pub fn primary(&self) -> &Postgres {
        &self.primary
    }

    /// The way to it.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Stops all that follow where they are: what is committed waits.
    pub fn stop_standbys(&self) {
        self.standbys.iter().for_each(|(_, standby)| standby.stop_answering());
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.standbys.iter().for_each(|(_, standby)| standby.go_on());
    }

    /// Kills the server that is written to (SIGKILL). The one takes its place that has most, the others follow that.
    ///
    /// # Panics
    /// When that does not come to be.
    pub async fn fail_over(&mut self) {
        self.primary.kill();
        let received = |postgres: &Postgres| {
            // What it has received is all replayed soon, since nothing more comes.
            let asked = "select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint";
            postgres.sql("postgres", asked).trim().parse::<u64>().expect("it is a number")
        };
        let most = (0..self.standbys.len()).max_by_key(|place| received(&self.standbys[*place].1));
        let (_, next) = self.standbys.remove(most.expect("there is another one"));
        next.sql("postgres", "select pg_promote()");
        for (name, standby) in &self.standbys {
            let to = next.followed_as(name);
            standby.sql("postgres", &format!("alter system set primary_conninfo = '{to}'"));
            standby.sql("postgres", "select pg_reload_conf()");
        }
        self.primary = next;
        self.wait_for_one().await;
        self.link.lead_to(self.primary.port());
    }

    /// Has the server wait for one of those that follow, once one does.
    async fn wait_for_one(&self) {
        until("a standby follows", async || {
            let following = "select count(*) > 0 from pg_stat_replication where state = 'streaming'";
            (self.primary.sql("postgres", following) == "t").then_some(())
        })
        .await;
        let names: Vec<&str> = self.standbys.iter().map(|(name, _)| name.as_str()).collect();
        let wait = format!("alter system set synchronous_standby_names = 'ANY 1 ({})'", names.join(", "));
        self.primary.sql("postgres", &wait);
        self.primary.sql("postgres", "select pg_reload_conf()");
        until("commits wait", async || {
            let waiting = "select count(*) > 0 from pg_stat_replication where sync_state = 'quorum'";
            (self.primary.sql("postgres", waiting) == "t").then_some(())
        })
        .await;
    }
}
