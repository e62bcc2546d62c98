//! What the kernel knows of this process (`proc(5)`).

use std::fs;

use crate::meters;

/// Ticks of the kernel's clock in a second; Linux has shown this value to programs on every machine for decades.
const TICKS: f64 = 100.0;
/// Where user and system time stand in `/proc/self/stat`, counted from behind the name.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// Puts the process's figures into the meters; what cannot be read keeps its value.
pub fn read() {
    if let Some((user, system)) = processor_time() {
        meters::CPU.set(&["user"], user);
        meters::CPU.set(&["system"], system);
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        if let Some(kibibytes) = field(&status, "VmRSS:") {
            meters::MEMORY.set(kibibytes * 1024.0);
        }
        if let Some(threads) = field(&status, "Threads:") {
            meters::THREADS.set(threads);
        }
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        meters::FILES.set(u32::try_from(files.count()).unwrap_or(u32::MAX).into());
    }
}

fn processor_time() -> Option<(f64, f64)> {
    times(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Processor time in seconds. The program's name is in brackets and may hold anything, so it is counted from behind it.
fn times(stat: &str) -> Option<(f64, f64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(USER)? / TICKS, ticks(SYSTEM)? / TICKS))
}

/// The number behind a name, its unit left out.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1000 200 1844";
        assert_eq!(times(stat), Some((2.5, 0.5)));
        assert_eq!(times("nonsense"), None);
    }

    #[test]
    fn fields_are_read_without_their_unit() {
        assert_eq!(field("Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t9\n", "VmRSS:"), Some(2048.0));
        assert_eq!(field("Name:\tx\n", "VmRSS:"), None);
    }
}
