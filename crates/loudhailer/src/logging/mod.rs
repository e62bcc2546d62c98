//! What is logged and how: one line per event, on standard error, so that standard output stays for what a command says.
//!
//! Every text of every event, ours or a library's, goes through [`mask`]: numbers, tokens, passwords and addresses of people
//! do not come out, and no control character does (ASVS 16.2.5, 16.4.1). What a message says is never logged at all.

mod line;
mod mask;

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Log;
use line::Lines;

/// Starts logging; the second call in a process does nothing.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = Lines::new(log.format, std::io::stderr, std::io::stderr().is_terminal());
    // A second start is a test or a command within a command; the first one counts.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
}

/// The standard library would print what a panic says as it is.
fn panicked(panic: &PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or("no reason given");
    let place = panic.location().map_or_else(|| "?".to_owned(), ToString::to_string);
    tracing::error!(place, reason = without_quotations(said), "a thread panicked");
}

/// Cut where a panic begins to quote the value that it stumbled over: that may be anybody's text.
fn without_quotations(said: &str) -> &str {
    said.find(['`', '"']).map_or(said, |quotation| &said[..quotation])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_quote() {
        let said = "byte index 1 is not a char boundary; it is inside 'ü' (bytes 1..3) of `Müller is ill`";
        assert!(!without_quotations(said).contains("ill`"));
        assert_eq!(without_quotations("index out of bounds"), "index out of bounds");
    }
}
