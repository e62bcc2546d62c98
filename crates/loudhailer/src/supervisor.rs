//! What systemd is told (`sd_notify(3)`): ready, reloading, stopping, how many are bound, and a sign of life as long as there is
//! one. Without its socket in the environment nothing is told, and that is no error.

use std::time::Duration;

use http::App;
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::product::Product;

/// How often the status line is told anew.
const STATUS: Duration = Duration::from_secs(10);

fn tell(states: &[NotifyState<'_>]) {
    // Nobody listening is the usual case in tests and containers.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}

/// Everything answers.
pub fn ready(words: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(words)]);
}

/// SIGHUP was heard; [`ready`] follows. `Type=notify-reload` wants the time with it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic time for the supervisor"),
    }
}

/// The end began.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: answers under way are finished")]);
}

/// One line about how it goes.
pub fn status(product: &Product) -> String {
    let carriers = product.carriers.status();
    let bound = carriers.iter().filter(|carrier| carrier.sessions_bound > 0).count();
    format!("serving; {bound} of {} carriers bound", carriers.len())
}

/// Tells the status, and gives a sign of life twice as often as the watchdog wants, for as long as `/healthz` would say "ok".
/// A server that is stuck stops giving it, and is started anew.
pub async fn run(app: App, product: Product, stop: CancellationToken) {
    let watchdog = sd_notify::watchdog_enabled();
    let pace = watchdog.map_or(STATUS, |within| (within / 2).clamp(Duration::from_millis(100), STATUS));
    let mut told = String::new();
    while tokio::time::timeout(pace, stop.cancelled()).await.is_err() {
        let words = status(&product);
        if words != told {
            tell(&[NotifyState::Status(&words)]);
            told = words;
        }
        if watchdog.is_some() {
            if app.health().await.alive() {
                tell(&[NotifyState::Watchdog]);
            } else {
                tracing::error!("something is stuck; the supervisor's watchdog is not fed any more");
            }
        }
    }
}
