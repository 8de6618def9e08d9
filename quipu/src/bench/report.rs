//! What the benchmark tells, as a table and as JSON.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::output::{TextTable, thousands};

use super::floor::{Floor, cores};
use super::history::Flaw;
use super::lag::LagReport;
use super::workload::Description;

/// With less of the cores free than this while the floor was measured, the report says so.
const BUSY_BELOW: f64 = 0.9;

/// All that was measured; what was left out is absent.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The node.
    pub url: String,
    /// The cores of the machine that the benchmark ran on.
    pub cores: usize,
    /// What this machine can sign.
    pub floor: Option<Floor>,
    /// What was posted.
    pub workload: Option<Description>,
    /// How that went.
    pub post: Option<PostReport>,
    /// How far the projections fell behind meanwhile.
    pub projections: Option<Vec<LagReport>>,
    /// How reading it back went.
    pub read: Option<ReadReport>,
    /// How reading the same back as HyperBEAM's clients do went.
    pub read_as_aos2: Option<ReadReport>,
    /// The cost of depth.
    pub depth: Option<DepthReport>,
    /// What the check found.
    pub check: Option<CheckReport>,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// Nine of ten took no longer.
    pub p90_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// None took longer.
    pub max_ms: f64,
}

/// How posting went.
#[derive(Debug, Serialize)]
pub struct PostReport {
    /// How many messages were acknowledged.
    pub acknowledged: u64,
    /// How many were not, by the reason.
    pub errors: BTreeMap<String, u64>,
    /// The first of these reasons in full.
    pub first_error: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// Acknowledgements per second.
    pub per_second: f64,
    /// That rate divided by what all cores of this machine can sign.
    pub of_all_cores_floor: Option<f64>,
    /// That rate divided by what one core of this machine can sign.
    pub of_one_core_floor: Option<f64>,
    /// From sending a message to its acknowledgement.
    pub latency: Latency,
    /// The processor time that the client itself used meanwhile.
    pub client_cpu_seconds: f64,
}

/// How reading back went.
#[derive(Debug, Serialize)]
pub struct ReadReport {
    /// How many pages came.
    pub pages: u64,
    /// How many messages were on them.
    pub messages: u64,
    /// How many bytes of JSON they were.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Millions of bytes of JSON per second.
    pub megabytes_per_second: f64,
    /// Messages per second.
    pub messages_per_second: f64,
    /// From asking for a page to its last byte.
    pub latency: Latency,
}

/// Whether a page deep in a history takes longer than the first.
#[derive(Debug, Serialize)]
pub struct DepthReport {
    /// How many messages the pages have.
    pub limit: u32,
    /// Where the deep page starts.
    pub deep_nonce: u64,
    /// The median of the first page.
    pub first_page_ms: f64,
    /// The median of the deep page.
    pub deep_page_ms: f64,
}

/// What the check found.
#[derive(Debug, Default, Serialize)]
pub struct CheckReport {
    /// How many processes were read.
    pub processes: usize,
    /// How many messages they have, themselves included.
    pub messages: u64,
    /// How many were acknowledged, the processes included.
    pub acknowledged: u64,
    /// How many of these are there.
    pub acknowledged_found: u64,
    /// How many signatures verified, those of messages and of assignments.
    pub signatures_verified: u64,
    /// How many could not be verified, since JSON does not show all that was signed.
    pub signatures_not_verifiable: u64,
    /// How many things are wrong.
    pub flaw_count: u64,
    /// The first of them.
    pub flaws: Vec<Flaw>,
}

impl Latency {
    /// The percentiles of a record in microseconds.
    pub fn of(record_us: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        let at = |quantile| ms(record_us.value_at_quantile(quantile));
        Self { p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: ms(record_us.max()) }
    }
}

impl Report {
    /// A report that nothing is in yet.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            cores: cores(),
            floor: None,
            workload: None,
            post: None,
            projections: None,
            read: None,
            read_as_aos2: None,
            depth: None,
            check: None,
        }
    }

    /// The report as a table.
    pub fn render(&self) -> String {
        let mut table = TextTable::default();
        table.heading(format!("{} from {} cores", self.url, self.cores));
        if let Some(floor) = &self.floor {
            floor_rows(&mut table, floor);
        }
        if let Some(post) = &self.post {
            post_rows(&mut table, post, self.workload.as_ref(), self.cores);
        }
        if let Some(projections) = &self.projections {
            table.heading("projections");
            for lag in projections {
                table.row(&lag.name, lag.text());
            }
        }
        if let Some(read) = &self.read {
            read_rows(&mut table, read, self.read_as_aos2.as_ref(), self.depth.as_ref());
        }
        if let Some(check) = &self.check {
            check_rows(&mut table, check);
        }
        table.render()
    }
}

fn floor_rows(table: &mut TextTable, floor: &Floor) {
    table.heading(format!("floor: {} signatures", floor.key_type));
    table.row("one core", format!("{:.0}/s", floor.one_core_per_second));
    table.row(format!("{} cores", floor.cores), format!("{:.0}/s", floor.all_cores_per_second));
    table.row("each takes", format!("{:.0} µs of a core", floor.cpu_us_per_signature));
    if floor.free_share < BUSY_BELOW {
        let free = floor.free_share * 100.0;
        table.row(
            "beware",
            format!("the machine is busy: {free:.0} % of its cores were free, ratios mean little"),
        );
    }
}

fn post_rows(table: &mut TextTable, post: &PostReport, workload: Option<&Description>, cores: usize) {
    table.heading("post");
    if let Some(workload) = workload {
        let Description { processes, messages, data_bytes, total_bytes, .. } = workload;
        let (messages, total) = (thousands(*messages as u64), *total_bytes as f64 / 1e6);
        let signer = format!("{:?}", workload.signer).to_lowercase();
        let size = format!("{data_bytes} bytes of data each ({total:.1} MB)");
        table.row("workload", format!("{messages} messages to {processes} processes, {size}, {signer} keys"));
    }
    table.row("acknowledged", format!("{} in {:.2} s", thousands(post.acknowledged), post.seconds));
    table.row("rate", format!("{:.0}/s", post.per_second));
    if let (Some(all), Some(one)) = (post.of_all_cores_floor, post.of_one_core_floor) {
        table.row(
            "of the floor",
            format!("{:.1} % of {cores} cores, {:.1} % of one", all * 100.0, one * 100.0),
        );
    }
    table.row("latency", post.latency.text());
    let per_message = post.client_cpu_seconds * 1e6 / post.acknowledged.max(1) as f64;
    let share = post.client_cpu_seconds / post.seconds / cores as f64 * 100.0;
    table.row("client", format!("{per_message:.0} µs of a core per message, {share:.1} % of {cores} cores"));
    for (kind, count) in &post.errors {
        table.row("not acknowledged", format!("{}: {kind}", thousands(*count)));
    }
    if let Some(error) = &post.first_error {
        table.row("first error", error);
    }
}

fn read_rows(
    table: &mut TextTable,
    read: &ReadReport,
    aos2: Option<&ReadReport>,
    depth: Option<&DepthReport>,
) {
    table.heading("read");
    let (pages, messages) = (thousands(read.pages), thousands(read.messages));
    table.row("pages", format!("{pages} with {messages} messages in {:.2} s", read.seconds));
    let (megabytes, rate) = (read.megabytes_per_second, read.messages_per_second);
    table.row("rate", format!("{megabytes:.0} MB/s of JSON, {rate:.0} messages/s"));
    table.row("latency", read.latency.text());
    if let Some(aos2) = aos2 {
        let (megabytes, rate) = (aos2.megabytes_per_second, aos2.messages_per_second);
        let ratio = rate / read.messages_per_second;
        table.row(
            "as aos-2",
            format!("{megabytes:.0} MB/s of JSON, {rate:.0} messages/s, {ratio:.2} of that rate"),
        );
    }
    if let Some(depth) = depth {
        let DepthReport { limit, deep_nonce, first_page_ms, deep_page_ms } = depth;
        let medians = format!("{first_page_ms:.2} ms at nonce 0, {deep_page_ms:.2} ms at nonce {deep_nonce}");
        table.row(format!("page of {limit}"), medians);
    }
}

fn check_rows(table: &mut TextTable, check: &CheckReport) {
    table.heading("check");
    let (messages, processes) = (thousands(check.messages), check.processes);
    table.row("read", format!("{messages} messages of {processes} processes, these included"));
    let (found, all) = (thousands(check.acknowledged_found), thousands(check.acknowledged));
    table.row("acknowledged", format!("{found} of {all} found"));
    let (verified, not) = (thousands(check.signatures_verified), check.signatures_not_verifiable);
    table.row("signatures", format!("{verified} verified, {} not verifiable", thousands(not)));
    match check.flaw_count {
        0 => table.row("result", "all as it must be"),
        count => table.row("result", format!("flaws: {}", thousands(count))),
    }
    for flaw in &check.flaws {
        table.row("flaw", flaw.to_string());
    }
}

impl Latency {
    fn text(&self) -> String {
        let Self { p50_ms, p90_ms, p99_ms, max_ms } = self;
        format!("p50 {p50_ms:.1}  p90 {p90_ms:.1}  p99 {p99_ms:.1}  max {max_ms:.1} ms")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::KeyType;

    use super::*;
    use crate::bench::post::latencies;

    #[test]
    fn percentiles_are_those_of_the_record() {
        let mut record = latencies().unwrap();
        for us in 1..=1000 {
            record.saturating_record(us * 1000);
        }
        let latency = Latency::of(&record);
        for (found, expected) in [
            (latency.p50_ms, 500.0),
            (latency.p90_ms, 900.0),
            (latency.p99_ms, 990.0),
            (latency.max_ms, 1000.0),
        ] {
            assert!((found / expected - 1.0).abs() < 0.002, "{found} is not {expected}");
        }
        let nothing = Latency::of(&latencies().unwrap());
        assert_eq!((nothing.p50_ms, nothing.max_ms), (0.0, 0.0));
    }

    #[test]
    fn what_was_left_out_is_not_told() {
        let mut report = Report::new("http://h");
        assert_eq!(report.render().lines().count(), 1);
        report.floor = Some(floor(1.0));
        let shown = report.render();
        assert!(shown.contains("floor: RSA-4096 signatures\n"), "{shown}");
        assert!(
            shown.contains("  one core    800/s\n") && shown.contains("  2 cores     1600/s\n"),
            "{shown}"
        );
        assert!(!shown.contains("check") && !shown.contains("busy"));
        report.floor = Some(floor(0.5));
        assert!(report.render().contains("50 % of its cores were free"));
    }

    #[test]
    fn what_is_read_in_two_forms_is_told_as_a_ratio() {
        let latency = Latency::of(&latencies().unwrap());
        let read = |messages_per_second| ReadReport {
            pages: 1,
            messages: 2,
            bytes: 3,
            seconds: 1.0,
            megabytes_per_second: 4.0,
            messages_per_second,
            latency,
        };
        let mut report = Report::new("http://h");
        report.read = Some(read(80_000.0));
        report.read_as_aos2 = Some(read(62_000.0));
        let shown = report.render();
        let line = "as aos-2  4 MB/s of JSON, 62000 messages/s, 0.78 of that rate";
        assert!(shown.contains(line), "{shown}");
    }

    fn floor(free_share: f64) -> Floor {
        Floor {
            key_type: KeyType::Rsa,
            cores: 2,
            one_core_per_second: 800.4,
            all_cores_per_second: 1599.6,
            cpu_us_per_signature: 1250.0,
            free_share,
        }
    }
}
