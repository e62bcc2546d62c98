//! Loudhailer: critical alerting and SMS, self-hosted, in one binary.
//!
//! This crate is the command line, the configuration and the composition of the rooms. It holds no business logic: a command
//! reads its arguments, calls a room, and prints. It is a library so that the tests can compose the product as the binary does.

mod allocator;
mod bench;
mod callbacks;
mod certificates;
mod cli;
pub mod commands;
mod config;
mod demo;
mod error;
mod figures;
mod health;
mod init;
mod keyring;
mod logging;
pub mod meters;
pub mod product;
pub mod selftest;
mod serve;
mod supervisor;
pub mod web;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Audit, Cli, Command, Keys};
use error::Result;

/// Every command there is, as its own parser knows them: for the test that tries each.
pub fn command_line() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// What the binary does, from its arguments to its exit code: 0 on success, 1 on failure, 2 on wrong usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The sandbox locks itself down before it reads anything; no thread, no runtime, no TLS may be there before.
    if matches!(cli.command, Command::SandboxWorker) {
        return sandbox::worker_main();
    }
    if matches!(cli.command, Command::Serve(_) | Command::Demo(_)) {
        allocator::settle();
    }
    crypto::install_default_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("loudhailer: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loudhailer: {error}");
            ExitCode::FAILURE
        }
    };
    // Whoever asked to leave at once does not wait for threads that are still busy.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Init(options) => init::run(&options, &product::context()),
        Command::Serve(options) => serve::run(&options).await,
        Command::Apply(options) => commands::apply(&options).await,
        Command::Export(options) => commands::export(&options).await,
        Command::History(options) => commands::history(&options).await,
        Command::RestoreVersion(options) => commands::restore_version(&options).await,
        Command::SetupLink(options) => commands::setup_link(&options).await,
        Command::Simulator(options) => commands::simulator(&options).await,
        Command::Send(options) => commands::send(&options).await,
        Command::Signal(options) => commands::signal(&options).await,
        Command::Migrate(options) => commands::migrate(&options).await,
        Command::Check(options) => commands::check(&options).await,
        Command::Audit(Audit::Verify(target)) => commands::audit_verify(&target).await,
        Command::Keys(Keys::Rotate(options)) => commands::keys::rotate(&options).await,
        Command::Keys(Keys::List(options)) => commands::keys::list(&options).await,
        Command::Keys(Keys::Retire(options)) => commands::keys::retire(&options).await,
        Command::Bench(options) => bench::run(&options).await,
        Command::BenchCarrier(options) => bench::carrier::run(&options).await,
        Command::Selftest(options) => selftest::run(&options).await,
        Command::SandboxWorker => Ok(()),
    }
}
