//! A node from its start to its end, in the order in which things must come and go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use api::{ApiNode, ApiOptions, ApiParts, RenderMetrics, WriteSide};
use gateway::{Gateway, HeightFeed, HeightOptions, Http, HttpGateway, HttpOptions};
use log::Log;
use projections::{Follower, Jobs, Position, PostgresWriter, Projection, Queries, UploadsHandle};
use scheduler::{Clock, Heights, Scheduler, SchedulerOptions, SchedulerParts, SystemClock};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task;
use tokio::time::timeout;
use tracing::{info, warn};

use super::defaults;
use super::doors::Doors;
use super::replays::{Replayable, replays};
use super::settings::Settings;
use super::signals::Signals;
use super::store::{Store, failed, newest_height};
use super::telemetry;
use super::uploading::Uploading;
use crate::failure::Failure;

/// A node that serves.
pub(super) struct Running {
    log: Arc<dyn Log>,
    scheduler: Scheduler,
    jobs: Jobs,
    public: SocketAddr,
    admin: SocketAddr,
    signals: Signals,
    stop_serving: watch::Sender<bool>,
    servers: Vec<task::JoinHandle<()>>,
    stop_following: watch::Sender<bool>,
    follower: JoinHandle<()>,
    postgres: Option<PostgresThread>,
    uploads: Option<task::JoinHandle<()>>,
}

impl Running {
    /// Starts everything; the node serves when this returns.
    pub(super) async fn start(settings: Settings) -> Result<Self, Failure> {
        let settings = Arc::new(settings);
        // From here on a signal ends the node in order, however early it comes.
        let signals = Signals::listen().map_err(failed)?;
        // Before anything that counts is made: what it counts with is taken when it is made.
        let metrics = settings.tuning.enable_metrics.then(telemetry::start).transpose().map_err(failed)?;
        // Both doors are taken before the log is opened: a port in use must not cost a catch-up first.
        let doors = Doors::open(&settings).await?;
        let for_opening = settings.clone();
        let store = task::spawn_blocking(move || Store::open(&for_opening)).await.map_err(failed)??;
        let Store { log, index, follower } = store;
        let http = Http::new(HttpOptions::default()).map_err(failed)?;
        let gateway: Arc<dyn Gateway> = Arc::new(HttpGateway::new(http, settings.endpoints.clone()));
        let heights: Arc<dyn Heights> = Arc::new(heights(&settings, gateway.clone(), log.as_ref()).await?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);

        let (stop_following, following) = watch::channel(false);
        let indexed = follower.position();
        let wake_index = follower.wake();
        let mut positions = vec![indexed.clone()];
        let (uploads, uploading) = start_uploads(&settings, log.clone(), following.clone()).await?.unzip();
        positions.extend(uploads.as_ref().map(UploadsHandle::position));
        let replayable = Replayable {
            log: log.clone(),
            index: index.clone(),
            wake_index,
            postgres: settings.postgres.clone(),
            uploads: uploads.clone(),
            runtime: Handle::current(),
        };
        let jobs = Jobs::open(&settings.data, replays(replayable));
        let postgres = start_postgres(&settings, log.clone(), &following, &mut positions)?;
        let follower = start_following("index", follower, following)?;
        let parts = SchedulerParts {
            log: log.clone(),
            index: index.clone(),
            indexed,
            gateway,
            heights: heights.clone(),
            clock: clock.clone(),
            signer: settings.wallet.clone(),
        };
        let scheduler = Scheduler::start(parts, &scheduler_options(&settings)).map_err(failed)?;
        let node = Arc::new(ApiNode::new(ApiParts {
            log: log.clone(),
            index,
            writes: WriteSide::Open(scheduler.clone()),
            address: scheduler.address(),
            heights,
            clock,
            projections: positions,
            uploads,
            jobs: Some(jobs.clone()),
            queries: queries(&settings, log.as_ref())?,
            options: api_options(&settings, metrics),
        }));
        let (public, admin) = doors.addresses().map_err(failed)?;
        let (stop_serving, stopping) = watch::channel(false);
        tokio::spawn(api::watch_checks(node.clone(), stopping.clone()));
        let servers = doors.serve(node, settings.tuning.admin_token.clone(), &stopping);
        info!(
            address = %scheduler.address(), %public, %admin,
            "scheduling on http://{public}, admin listener on http://{admin}",
        );
        Ok(Self {
            log,
            scheduler,
            jobs,
            public,
            admin,
            signals,
            stop_serving,
            servers,
            stop_following,
            follower,
            postgres,
            uploads: uploading,
        })
    }

    /// Where clients find it.
    pub(super) fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where its operator finds it.
    pub(super) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Serves until SIGTERM or SIGINT, then ends in order: nothing new is accepted, what was accepted is answered,
    /// the index gets what is left, the log is closed last.
    pub(super) async fn until_stopped(mut self) -> Result<(), Failure> {
        self.signals.wait().await;
        info!("stopping: finishing what was accepted");
        self.stop().await
    }

    async fn stop(self) -> Result<(), Failure> {
        self.stop_serving.send_replace(true);
        let answered = async {
            self.scheduler.close().await;
            for server in self.servers {
                // A server that panicked has said so; the others still end in order.
                let _ = server.await;
            }
        };
        if timeout(defaults::SHUTDOWN, answered).await.is_err() {
            warn!(
                "some clients took too long; what they sent is scheduled or refused, they did not hear which"
            );
        }
        // Before whatever puts to use what they made.
        let jobs = self.jobs;
        task::spawn_blocking(move || jobs.close()).await.map_err(failed)?;
        self.stop_following.send_replace(true);
        let (log, follower) = (self.log, self.follower);
        let closed = task::spawn_blocking(move || {
            let followed = follower.join();
            log.seal();
            followed
        });
        if closed.await.map_err(failed)?.is_err() {
            warn!("the index ended with a panic; it catches up at the next start");
        }
        if let Some(postgres) = self.postgres {
            postgres.end().await?;
        }
        if let Some(uploads) = self.uploads {
            let _ = uploads.await;
        }
        info!("stopped");
        Ok(())
    }
}

async fn heights(
    settings: &Settings,
    gateway: Arc<dyn Gateway>,
    log: &dyn Log,
) -> Result<HeightFeed, Failure> {
    let options = HeightOptions { file: Some(settings.data.join("height.json")), ..HeightOptions::default() };
    std::fs::create_dir_all(&settings.data).map_err(failed)?;
    let heights = HeightFeed::start(gateway, options);
    if let Some(height) = newest_height(log).map_err(failed)? {
        heights.seed(height);
    }
    // Mostly the gateway answers at once, and then the first message need not be refused.
    if timeout(defaults::FIRST_HEIGHT, heights.wait_known()).await.is_err() {
        warn!(
            "no block height is known yet; reads are answered, scheduling begins when the gateway tells one"
        );
    }
    Ok(heights)
}

async fn start_uploads(
    settings: &Settings,
    log: Arc<dyn Log>,
    stop: watch::Receiver<bool>,
) -> Result<Option<(UploadsHandle, task::JoinHandle<()>)>, Failure> {
    let uploading = Uploading {
        endpoints: settings.endpoints.clone(),
        log,
        data: settings.data.clone(),
        rewind_events_max: settings.tuning.database.projection_rewind_max,
    };
    let runtime = Handle::current();
    let started = task::spawn_blocking(move || uploading.start(&runtime, stop)).await.map_err(failed)??;
    if started.is_none() {
        info!("UPLOAD_NODE_URL is not set: nothing is uploaded");
    }
    Ok(started)
}

fn queries(settings: &Settings, log: &dyn Log) -> Result<Option<Queries>, Failure> {
    let options = settings.postgres.as_ref();
    options.map(|options| Queries::new(options, log.identity().store)).transpose().map_err(failed)
}

/// What follows the log into Postgres.
struct PostgresThread {
    thread: JoinHandle<()>,
    give_up: watch::Sender<bool>,
}

impl PostgresThread {
    /// Waits for its end, which was asked for; not for ever for a database that says nothing.
    async fn end(self) -> Result<(), Failure> {
        let mut joined = task::spawn_blocking(move || self.thread.join());
        let ended = match timeout(defaults::POSTGRES_SHUTDOWN, &mut joined).await {
            Ok(ended) => ended,
            Err(_) => {
                warn!("Postgres does not answer; what it lacks it gets after the next start");
                self.give_up.send_replace(true);
                joined.await
            }
        };
        if ended.map_err(failed)?.is_err() {
            warn!("what writes to Postgres ended with a panic; it catches up at the next start");
        }
        Ok(())
    }
}

fn start_postgres(
    settings: &Settings,
    log: Arc<dyn Log>,
    stop: &watch::Receiver<bool>,
    positions: &mut Vec<Position>,
) -> Result<Option<PostgresThread>, Failure> {
    let Some(options) = &settings.postgres else { return Ok(None) };
    let (give_up, given_up) = watch::channel(false);
    let writer = PostgresWriter::new(options.clone(), log.identity(), Handle::current(), given_up);
    let follower = Follower::new(writer, log);
    positions.push(follower.position());
    let thread = start_following("postgres", follower, stop.clone())?;
    Ok(Some(PostgresThread { thread, give_up }))
}

fn start_following<P: Projection + 'static>(
    name: &str,
    follower: Follower<P>,
    stop: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Failure> {
    let runtime = Handle::current();
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || follower.run(&runtime, stop)).map_err(failed)
}

fn api_options(settings: &Settings, metrics: Option<RenderMetrics>) -> ApiOptions {
    ApiOptions {
        max_body: defaults::MAX_BODY,
        max_read_memory: settings.tuning.max_read_memory,
        metrics,
        data: Some(settings.data.clone()),
    }
}

fn scheduler_options(settings: &Settings) -> SchedulerOptions {
    SchedulerOptions {
        process_assignment: settings.tuning.enable_process_assignment,
        deep_hash_checks: settings.tuning.enable_deep_hash_checks,
        processes_cached: settings.tuning.process_cache_size,
        ..SchedulerOptions::default()
    }
}
