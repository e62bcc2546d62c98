//! The child's life: lock down, say hello, answer tasks one by one, leave when the parent has gone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::engine;
use crate::lockdown::lock_down;
use crate::protocol::{Hello, frame, read_blocking};

/// The whole program of a worker process: call it first thing in `main`, before any thread is started, when the first
/// argument is `sandbox-worker`. Never reads the environment, a file, or anything but standard input.
///
/// It ends when its standard input does, so that no worker outlives its parent. (`PR_SET_PDEATHSIG` is not used: it fires
/// when the *thread* that started the child ends, and run-time threads come and go.)
pub fn worker_main() -> ExitCode {
    // A panic is answered by leaving; what it would print could hold a customer's text.
    std::panic::set_hook(Box::new(|_| {}));
    // Once through the engine before the doors close: lazily made things (hash keys, the environment) are there then.
    let _ = engine::answer(
        br#"{"context": {"a": 1}, "each": null, "pieces": [{"mode": "template", "source": "{{ a }}"}]}"#,
    );
    let refusal = lock_down().err();
    let refused = refusal.is_some();
    let mut out = io::stdout().lock();
    if greet(&mut out, Hello { refusal }).is_err() || refused {
        return ExitCode::FAILURE;
    }
    match serve(&mut io::stdin().lock(), &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn greet(out: &mut impl io::Write, hello: Hello) -> io::Result<()> {
    out.write_all(&frame(&hello)?)?;
    out.flush()
}

fn serve(input: &mut impl io::Read, out: &mut impl io::Write) -> io::Result<()> {
    while let Some(body) = read_blocking(input)? {
        let answer = catch_unwind(AssertUnwindSafe(|| engine::answer(&body)))
            .unwrap_or_else(|_| Err(io::Error::other("the engine panicked")))?;
        out.write_all(&answer)?;
        out.flush()?;
    }
    Ok(())
}
