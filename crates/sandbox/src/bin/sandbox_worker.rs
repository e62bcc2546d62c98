//! The worker alone, for the tests of this crate. The product starts its own binary with `sandbox-worker` instead.
//!
//! With an argument it locks itself down like a worker and then tries something that is forbidden, as native code that
//! broke out of the engine would. It prints `survived` if it comes through.

use std::net::TcpListener;
use std::process::{Command, ExitCode};

/// As in the product: what it asks of the system is part of what the filter has to allow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Some(attempt) = std::env::args().nth(1) else {
        return sandbox::worker_main();
    };
    if let Err(refusal) = sandbox::lock_down() {
        println!("refused: {refusal}");
        return ExitCode::FAILURE;
    }
    println!("locked down");
    match attempt.as_str() {
        "open" => drop(std::fs::File::open("/etc/passwd")),
        "create" => drop(std::fs::File::create("/tmp/loudhailer-sandbox-escape")),
        "socket" => drop(TcpListener::bind("127.0.0.1:0")),
        "exec" => drop(Command::new("/bin/true").spawn()),
        "thread" => drop(std::thread::Builder::new().spawn(|| ())),
        "list" => drop(std::fs::read_dir("/")),
        "kill" => {
            let _ = rustix::process::test_kill_process(rustix::process::getppid().unwrap_or(rustix::process::getpid()));
        }
        "memory" => println!("{}", vec![1u8; 512 * 1024 * 1024].len()),
        // Nothing forbidden: shows that the others fail for what they try.
        _ => {}
    }
    println!("survived");
    ExitCode::SUCCESS
}
