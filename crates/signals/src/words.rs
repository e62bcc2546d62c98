//! The words that senders use for states and priorities.

/// Words that senders use, by what they mean. A mapping may add its own.
pub(crate) const WORDS: &[(&str, &[&str])] = &[
    (
        "firing",
        &[
            "firing",
            "trigger",
            "triggered",
            "open",
            "opened",
            "alert",
            "alerting",
            "alarm",
            "problem",
            "down",
            "failed",
            "failing",
            "active",
            "new",
            "started",
            "update",
            "critical",
            "error",
            "warning",
            "bad",
        ],
    ),
    (
        "resolved",
        &[
            "resolved",
            "resolve",
            "ok",
            "okay",
            "closed",
            "close",
            "clear",
            "cleared",
            "recovered",
            "recovery",
            "normal",
            "up",
            "inactive",
            "fixed",
            "ended",
            "end",
            "green",
            "good",
            "success",
            "healthy",
        ],
    ),
    ("critical", &["critical", "crit", "fatal", "emergency", "disaster", "sev1", "sev-1", "p1", "1"]),
    ("high", &["high", "page", "error", "err", "major", "severe", "alert", "sev2", "sev-2", "p2", "2"]),
    ("medium", &["medium", "warning", "warn", "moderate", "average", "normal", "sev3", "sev-3", "p3", "3"]),
    ("low", &["low", "minor", "sev4", "sev-4", "p4", "4"]),
    ("info", &["info", "information", "informational", "notice", "none", "debug", "sev5", "sev-5", "p5", "5"]),
];

/// The two states.
pub(crate) const STATES: [&str; 2] = ["firing", "resolved"];

/// The five priorities, most urgent first.
pub(crate) const PRIORITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
