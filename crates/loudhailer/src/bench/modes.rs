//! One measurement each: what is started, driven and read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outbound::HttpMethod;
use serde_json::json;

use super::beside::Beside;
use super::carrier::Count;
use super::client::{Drive, Driven, Progress, bind, drive};
use super::figures::{Figures, Used};
use super::house::{House, idle as idle_bind};
use super::web::{self, Ask};
use crate::cli::Bench;
use crate::error::{Error, Result};
use crate::selftest::PEOPLE;

/// Messages that warm everything up before what counts.
const WARM: u64 = 4_000;
/// How long the carrier may get nothing while something is under way.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages in a request of the batch mode.
const BATCH: u64 = 1_000;

/// What was accepted, what was used for it, and how long it took until the carrier had it.
struct Run {
    driven: Driven,
    used: Used,
    end: f64,
}

/// Measures one drive from its first submit until the carrier has everything.
async fn run(options: &Bench, house: &mut House, work: impl AsyncFnOnce(&House) -> Result<Driven>) -> Result<Run> {
    let pid = house.pid();
    run_of(pid, options, house, work).await
}

/// The same of another process than the server.
async fn run_of(
    pid: u32,
    options: &Bench,
    house: &mut House,
    work: impl AsyncFnOnce(&House) -> Result<Driven>,
) -> Result<Run> {
    let database = options.database.is_some();
    let before = house.carrier.count().await?;
    let used = Used::now(pid, before.used, database);
    let began = house.context.now();
    let driven = work(house).await?;
    let after = house.carrier.wait_for(before.submits + driven.accepted, PATIENCE).await?;
    // What was sent last is written down and told a moment later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let used = Used::now(pid, house.carrier.count().await?.used, database).since(used);
    let micros = (after.last_submit - began.as_micros()).max(1);
    let end = (micros as f64 / 1e6).max(driven.took.as_secs_f64().min(micros as f64 / 1e6));
    Ok(Run { driven, used, end })
}

async fn through_smpp(house: &House, plan: Drive) -> Result<Driven> {
    let progress = Arc::new(Progress::default());
    drive(&plan, &progress).await.map_err(|error| Error::told(format!("{error} ({})", house.path.display())))
}

/// Starts the server, fills its history when it shall have one, and warms it up.
async fn ready(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    let started = house.start().await?;
    figures.number("start_to_ready_ms", started.as_secs_f64() * 1_000.0);
    let warm = Drive { messages: WARM, seconds: None, rate: None, ..house.drive(options) };
    run(options, house, async |house: &House| through_smpp(house, warm).await).await?;
    if options.history > 0 {
        house.end().await;
        let began = house.context.monotonic();
        house.fill(options, options.history).await?;
        figures.number("history_filled_in_s", house.context.monotonic().saturating_sub(began).as_secs_f64());
        let started = house.start().await?;
        figures.number("start_to_ready_with_history_ms", started.as_secs_f64() * 1_000.0);
        let warm = Drive { messages: WARM, seconds: None, rate: None, ..house.drive(options) };
        run(options, house, async |house: &House| through_smpp(house, warm).await).await?;
    }
    Ok(())
}

/// An application by SMPP: as fast as it goes, then at half of that.
pub async fn smpp(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    ready(options, house, figures).await?;
    house.carrier.forget_gaps().await?;
    let plan = house.drive(options);
    let full = run(options, house, async |house: &House| through_smpp(house, plan).await).await?;
    figures.driven("", &full.driven, &full.used, full.end);
    let gap = house.carrier.count().await?.longest_gap;
    figures.number("longest_gap_at_the_carrier_ms", gap as f64 / 1_000.0);
    if options.rate.is_none() && options.seconds.is_none() && !options.no_half {
        let rate = full.driven.accepted as f64 / full.end / 2.0;
        let messages = options.messages / 2;
        let plan = Drive { rate: Some(rate), messages, ..house.drive(options) };
        let half = run(options, house, async |house: &House| through_smpp(house, plan).await).await?;
        figures.driven("half_load_", &half.driven, &half.used, half.end);
    }
    if let Some(script) = &options.beside {
        let beside = Beside::start(house, script, options.carrier_sessions).await?;
        let plan = Drive { address: beside.address, rate: None, seconds: None, ..house.drive(options) };
        let warm = Drive { messages: WARM, ..plan.clone() };
        run_of(beside.pid(), options, house, async |house: &House| through_smpp(house, warm).await).await?;
        let other = run_of(beside.pid(), options, house, async |house: &House| through_smpp(house, plan).await).await?;
        figures.driven("beside_", &other.driven, &other.used, other.end);
        let rate = |run: &Run| run.driven.accepted as f64 / run.end;
        figures.number("times_the_one_beside", rate(&full) / rate(&other));
        beside.stop().await;
    }
    Ok(())
}

/// Single sends by REST.
pub async fn rest(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    ready(options, house, figures).await?;
    let (messages, at_once) = (options.messages, options.requests);
    figures.set("requests_in_flight", at_once);
    let work = async |house: &House| web::drive(house, Ask::Single, messages, at_once).await;
    let run = run(options, house, work).await?;
    figures.driven("", &run.driven, &run.used, run.end);
    Ok(())
}

/// Batches by REST.
pub async fn batch(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    ready(options, house, figures).await?;
    let (requests, at_once) = (options.messages.div_ceil(BATCH), options.requests.min(8));
    figures.set("messages_in_a_request", BATCH);
    figures.set("requests_in_flight", at_once);
    let work = async |house: &House| web::drive(house, Ask::Batch(BATCH), requests, at_once).await;
    let run = run(options, house, work).await?;
    figures.driven("", &run.driven, &run.used, run.end);
    Ok(())
}

/// Messages for a carrier that is dead; a restart by SIGKILL; and the carrier's return.
pub async fn queued(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    ready(options, house, figures).await?;
    // What the accept speed is when the carrier lives, to compare.
    let plan = Drive { messages: options.messages.min(100_000), ..house.drive(options) };
    let living = run(options, house, async |house: &House| through_smpp(house, plan).await).await?;
    figures.driven("carrier_up_", &living.driven, &living.used, living.end);
    house.carrier.set_up(false).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = house.carrier.count().await?;
    // Receipts come when the carrier does.
    let progress = Arc::new(Progress::default());
    let plan = Drive { messages: options.queued, ..house.drive(options) };
    let waiting = Drive { receipts: false, ..plan.clone() };
    let used = Used::now(house.pid(), before.used, options.database.is_some());
    let driven = drive(&Drive { receipts: plan.receipts, ..waiting }, &until_accepted(&progress, &plan)).await?;
    let used = Used::now(house.pid(), before.used, options.database.is_some()).since(used);
    let took = driven.took.as_secs_f64();
    figures.driven("carrier_down_", &driven, &used, took);
    figures.number("memory_with_the_queue_mb", house.usage().resident);
    house.kill().await?;
    let started = house.start().await?;
    figures.number("killed_to_ready_ms", started.as_secs_f64() * 1_000.0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    figures.number("memory_after_restart_mb", house.usage().resident);
    let (began, before) = (house.context.monotonic(), house.carrier.count().await?);
    house.carrier.set_up(true).await?;
    let count = house.carrier.wait_for(before.submits + driven.accepted, Duration::from_secs(90)).await?;
    let took = house.context.monotonic().saturating_sub(began).as_secs_f64();
    figures.number("drained_at_the_carrier", (count.submits - before.submits) as f64);
    figures.number("drained_per_second", driven.accepted as f64 / took);
    figures.number("memory_most_mb", house.usage().most);
    Ok(())
}

/// A drive whose receipts nobody waits for ends with its last answer.
fn until_accepted(progress: &Arc<Progress>, plan: &Drive) -> Arc<Progress> {
    let (watched, wanted, context) = (Arc::clone(progress), plan.messages, plan.context.clone());
    let began = context.monotonic();
    tokio::spawn(async move {
        while watched.accepted.load(Ordering::Relaxed) < wanted
            && context.monotonic().saturating_sub(began) < Duration::from_mins(10)
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        watched.stop.store(true, Ordering::Relaxed);
    });
    Arc::clone(progress)
}

/// Applications that are bound and say nothing.
pub async fn idle(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    let started = house.start().await?;
    figures.number("start_to_ready_ms", started.as_secs_f64() * 1_000.0);
    let none = house.usage();
    let began = house.context.monotonic();
    let mut binds = Vec::new();
    let mut binding = tokio::task::JoinSet::new();
    let mut next = 0;
    while next < options.binds || !binding.is_empty() {
        if next < options.binds && binding.len() < 16 {
            let (system_id, source) = idle_bind(next);
            let plan = Drive { system_id, ..house.drive(options) };
            binding.spawn(async move { bind(&plan, source).await });
            next += 1;
        } else if let Some(done) = binding.join_next().await {
            binds.push(done.map_err(|error| Error::told(error.to_string()))??);
        }
    }
    let took = house.context.monotonic().saturating_sub(began).as_secs_f64();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (with, before) = (house.usage(), house.usage().cpu);
    tokio::time::sleep(Duration::from_secs(5)).await;
    figures.set("binds", binds.len());
    figures.number("binds_per_second", binds.len() as f64 / took);
    figures.number("memory_without_mb", none.resident);
    figures.number("memory_mb", with.resident);
    figures.number("memory_of_a_bind_kb", (with.resident - none.resident) * 1024.0 / binds.len().max(1) as f64);
    figures.number("idle_cpu_percent", (house.usage().cpu - before) / 5.0 * 100.0);
    drop(binds);
    Ok(())
}

/// Pages beside bulk at four fifths of the most: with nothing queued, and with many queued for the same carrier.
pub async fn alert(options: &Bench, house: &mut House, figures: &mut Figures) -> Result<()> {
    ready(options, house, figures).await?;
    let quiet = pages(house, 0, 100).await?;
    figures.number("alone_signal_to_submit_p50_ms", quiet.percentile(50.0));
    figures.number("alone_signal_to_submit_p99_ms", quiet.percentile(99.0));
    let plan = Drive { messages: options.messages.min(100_000), ..house.drive(options) };
    let full = run(options, house, async |house: &House| through_smpp(house, plan).await).await?;
    let most = full.driven.accepted as f64 / full.end;
    figures.number("bulk_most_per_second", most);
    let mut first = 100;
    for queued in [0, options.queued] {
        let prefix = format!("queued_{queued}_");
        if queued > 0 {
            house.carrier.set_up(false).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let progress = Arc::new(Progress::default());
            let plan = Drive { messages: queued, ..house.drive(options) };
            drive(&plan, &until_accepted(&progress, &plan)).await?;
            house.carrier.set_up(true).await?;
            // Bound again and at work.
            let before = house.carrier.count().await?.submits;
            house.carrier.wait_for(before + 1_000, PATIENCE).await?;
        }
        let progress = Arc::new(Progress::default());
        let rate = most * 0.8;
        let plan = Drive { rate: Some(rate), seconds: Some(Duration::from_mins(10)), ..house.drive(options) };
        let bulk = tokio::spawn({
            let progress = Arc::clone(&progress);
            async move { drive(&plan, &progress).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let beside = pages(house, first, options.pages).await;
        first += options.pages;
        progress.stop.store(true, Ordering::Relaxed);
        let bulk = bulk.await.map_err(|error| Error::told(error.to_string()))??;
        let beside = beside?;
        figures.number(&format!("{prefix}bulk_per_second"), bulk.accepted as f64 / bulk.took.as_secs_f64());
        figures.number(&format!("{prefix}signal_to_submit_p50_ms"), beside.percentile(50.0));
        figures.number(&format!("{prefix}signal_to_submit_p99_ms"), beside.percentile(99.0));
    }
    Ok(())
}

/// Signals at twenty a second, each a page of its own; how long each took from before its request to its `submit_sm`.
async fn pages(house: &mut House, first: u64, count: u64) -> Result<super::usage::Times> {
    let client = house.program(false)?;
    let url = format!("https://localhost:{}{}", house.https.port(), house.door);
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut sending = tokio::task::JoinSet::new();
    for number in first..first + count {
        pace.tick().await;
        let (client, url, context) = (client.clone(), url.clone(), house.context.clone());
        sending.spawn(async move {
            let name = format!("B-9{number:05}");
            let body =
                json!({ "key": name, "title": format!("Bench {name}"), "group": format!("g{}", number % PEOPLE) });
            let at = context.now();
            let answer = client.send(HttpMethod::POST, &url, Some(&body)).await;
            answer.is_ok_and(|answer| answer.status == 202).then_some((name, at))
        });
    }
    let sent: HashMap<_, _> = sending.join_all().await.into_iter().flatten().collect();
    if (sent.len() as u64) < count {
        return Err(Error::told(format!("only {} of {count} signals were accepted", sent.len())));
    }
    for _ in 0..300 {
        let Count { pages, .. } = house.carrier.count().await?;
        let mut times = super::usage::Times::default();
        let mut found = 0;
        for (name, at) in pages {
            if let Some(sent) = sent.get(&name) {
                found += 1;
                times.add(u64::try_from(at - sent.as_micros()).unwrap_or(0));
            }
        }
        if found >= sent.len() {
            return Ok(times);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Error::told("half a minute was not enough for the pages to reach the carrier"))
}
