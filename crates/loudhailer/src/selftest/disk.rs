//! How often this machine's disk can promise in a second that something is on it: what every acceptance waits for.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use base::Context;

/// How long is measured.
const LONG: Duration = Duration::from_millis(500);

/// Writes of 4 KiB with `fdatasync`, a second; one after the other, as a single writer does. Zero where it cannot be measured.
pub(crate) fn syncs_per_second(home: &Path, context: &Context) -> u64 {
    let path = home.join("disk");
    let began = context.monotonic();
    let mut count = 0_u32;
    let measured = File::create(&path).and_then(|mut file| {
        while context.monotonic().saturating_sub(began) < LONG {
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
            count += 1;
        }
        Ok(())
    });
    let took = context.monotonic().saturating_sub(began);
    // The directory goes at the end in any case.
    let _ = std::fs::remove_file(&path);
    let per_second = f64::from(count) / took.as_secs_f64().max(f64::EPSILON);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number below a million")]
    measured.map_or(0, |()| per_second.round() as u64)
}
