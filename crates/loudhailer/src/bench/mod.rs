//! `loudhailer bench`: what this machine does, through the doors. The real server is a process of its own in a private directory, the
//! carrier another, and this one is the application: SMPP over TLS, or HTTPS. Reports and asserts nothing; run it on a quiet
//! machine, twice.
#![expect(clippy::cast_precision_loss, reason = "figures for people: three digits matter")]

mod beside;
pub mod carrier;
mod client;
mod figures;
mod house;
mod machine;
mod modes;
mod usage;
mod web;
mod wire;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use crate::cli::{Bench, BenchMode};
use crate::config::Log;
use crate::error::{Error, Result};
use crate::product;
use crate::serve::asked_to_stop;
use figures::Figures;
use house::House;

/// Runs one measurement and prints its figures.
pub async fn run(options: &Bench) -> Result<()> {
    crate::logging::start(&Log { level: "error".into(), ..Log::default() });
    if cfg!(debug_assertions) {
        eprintln!("This is the quick build profile: build with --release for figures that mean something.");
    }
    let dir = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = dir.join(format!("loudhailer-bench-{}", std::process::id()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|source| Error::file(&dir, source))?;
    let dir = fs::canonicalize(&dir).map_err(|source| Error::file(&dir, source))?;
    crate::serve::allow_files();
    let done = tokio::select! {
        done = measure(options, &dir) => done,
        asked = asked_to_stop() => asked.and(Err(Error::told("stopped; what was running is ended and removed"))),
    };
    if options.keep {
        eprintln!("What it ran on is left at {}", dir.display());
    } else {
        // What is left is only a private directory; a failure to remove it hides no figure.
        let _ = fs::remove_dir_all(&dir);
    }
    done
}

async fn measure(options: &Bench, dir: &Path) -> Result<()> {
    let context = product::context();
    let mut figures = Figures::of(machine::describe(dir, &context)?);
    figures.settings(options);
    let mut house = House::make(options, dir, &context).await?;
    let done = match options.mode {
        BenchMode::Smpp => modes::smpp(options, &mut house, &mut figures).await,
        BenchMode::Rest => modes::rest(options, &mut house, &mut figures).await,
        BenchMode::Batch => modes::batch(options, &mut house, &mut figures).await,
        BenchMode::Queued => modes::queued(options, &mut house, &mut figures).await,
        BenchMode::Idle => modes::idle(options, &mut house, &mut figures).await,
        BenchMode::Alert => modes::alert(options, &mut house, &mut figures).await,
    };
    let log = fs::read_to_string(dir.join("server.log")).unwrap_or_default();
    house.stop().await;
    for line in log.lines().take(5) {
        eprintln!("the server said: {line}");
    }
    done?;
    figures.print(options.json)
}
