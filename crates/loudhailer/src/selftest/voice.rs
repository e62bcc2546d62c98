//! What a person sees while it runs: a line for each phase on standard error, with a count that moves where that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;

/// Tells how far a run is.
#[derive(Debug)]
pub struct Voice {
    loud: bool,
    live: bool,
    /// Whether a line is open that the next count writes over.
    open: Mutex<bool>,
}

impl Voice {
    /// Speaks on standard error.
    pub fn aloud() -> Self {
        Self { loud: true, live: std::io::stderr().is_terminal(), open: Mutex::new(false) }
    }

    /// Says nothing: for tests.
    pub const fn silent() -> Self {
        Self { loud: false, live: false, open: Mutex::new(false) }
    }

    /// A phase began, or something happened that stays on the screen.
    pub fn say(&self, words: &str) {
        if !self.loud {
            return;
        }
        let Ok(mut open) = self.open.lock() else { return };
        let before = if std::mem::take(&mut *open) { "\n" } else { "" };
        // A terminal that is gone is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{before}{words}");
    }

    /// A count within a phase: only where it can be written over.
    pub fn count(&self, words: &str) {
        if !self.live {
            return;
        }
        let Ok(mut open) = self.open.lock() else { return };
        *open = true;
        let mut out = std::io::stderr();
        let _ = write!(out, "\r\x1b[2K  {words}").and_then(|()| out.flush());
    }
}
