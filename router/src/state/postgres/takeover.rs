//! Taking over what an existing router has in the same database: its tables `schedulers` and `process_schedulers`, which
//! are left as they are.

use sqlx::PgConnection;
use tracing::{info, warn};

use super::away;
use super::schedulers::{all, keep};
use crate::list::{ListedScheduler, SchedulerFlags, read_wallets};
use crate::scheduler_url::SchedulerUrl;
use crate::state::changing::changed;
use crate::state::{FleetChange, StateError};

/// What is no id is left out: 43 characters of base64url, without bits that do not count.
const TAKE: &str = "with taken as ( \
    insert into quipu_router.homes (process, scheduler) \
    select decode(translate(p.process_id, '-_', '+/') || '=', 'base64'), m.number \
    from process_schedulers p join unnest($1::integer[], $2::integer[]) m (row_id, number) on m.row_id = p.scheduler_row_id \
    where p.process_id ~ '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' \
    order by p.row_id on conflict (process) do nothing returning process, scheduler) \
    insert into quipu_router.events (kind, process, scheduler) select 'taken over', process, scheduler from taken";

const COUNT: &str = "update quipu_router.schedulers s set processes = \
    (select count(*) from quipu_router.homes h where h.scheduler = s.number)";

/// Number, URL, `no_route`, `wallets_to_route` and `wallets_only`.
type ExistingRow = (i32, String, Option<bool>, Option<String>, Option<bool>);

/// Takes over what is there, and says how much.
///
/// # Errors
/// When it cannot be read or written; nothing of it stays then.
pub(super) async fn take_over(connection: &mut PgConnection) -> Result<(), StateError> {
    let (is_there,): (bool,) = sqlx::query_as(
        "select to_regclass('schedulers') is not null and to_regclass('process_schedulers') is not null",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(away)?;
    if !is_there {
        return Ok(());
    }
    let rows: Vec<ExistingRow> = sqlx::query_as(
        "select row_id, url, no_route, wallets_to_route, wallets_only from schedulers order by row_id",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(away)?;
    let (mut listed, mut places): (Vec<ListedScheduler>, Vec<(i32, SchedulerUrl)>) = (Vec::new(), Vec::new());
    for (row, text, no_route, wallets, wallets_only) in rows {
        let url: SchedulerUrl = match text.parse() {
            Ok(url) => url,
            Err(error) => {
                warn!(row, %error, "a scheduler of the existing router is not taken over, nor are its processes");
                continue;
            }
        };
        places.push((row, url.clone()));
        // The same one with another slash at its end is one all the same.
        if listed.iter().any(|listed| listed.url == url) {
            continue;
        }
        let wallets = read_wallets(&url, wallets.unwrap_or_default().split(',')).unwrap_or_else(|error| {
            warn!(%error, "the wallets of a scheduler of the existing router are not taken over");
            Default::default()
        });
        let (no_route, wallets_only) = (no_route == Some(true), wallets_only == Some(true));
        listed.push(ListedScheduler { url, flags: SchedulerFlags { no_route, wallets, wallets_only } });
    }
    for scheduler in changed(&all(connection).await?, FleetChange::Listed(listed)) {
        keep(connection, &scheduler).await?;
    }
    let known = all(connection).await?;
    let number = |url: &SchedulerUrl| known.iter().find(|known| known.url == *url).map(|known| known.number);
    let places: Vec<(i32, i32)> =
        places.iter().filter_map(|(row, url)| Some((*row, super::column(number(url)?)))).collect();
    let (rows, numbers): (Vec<i32>, Vec<i32>) = places.into_iter().unzip();
    let taken = sqlx::query(TAKE).bind(&rows).bind(&numbers).execute(&mut *connection).await.map_err(away)?;
    sqlx::query(COUNT).execute(&mut *connection).await.map_err(away)?;
    let (there,): (i64,) = sqlx::query_as("select count(*) from process_schedulers")
        .fetch_one(&mut *connection)
        .await
        .map_err(away)?;
    let left_out = u64::try_from(there).unwrap_or(0).saturating_sub(taken.rows_affected());
    info!(
        schedulers = known.len(),
        processes = taken.rows_affected(),
        left_out,
        "took over what the existing router has in this database"
    );
    Ok(())
}
