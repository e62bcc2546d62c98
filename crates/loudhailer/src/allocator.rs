//! How the allocator keeps memory in commands that run for long: what is free goes back to the system after a tenth of a second, and
//! pages are small ones. Its settings come from the environment and are read before the first line of this program, so the
//! program starts itself over with them. See docs/adr/0009-allocator.md.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const SETTINGS: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "100"), ("MIMALLOC_ALLOW_THP", "0")];

/// Starts the program over in this process, unless whoever started it said how memory is to be kept. When that fails it goes on as
/// it is, and only keeps more memory.
pub(crate) fn settle() {
    let missing: Vec<_> = SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    let mut arguments = env::args_os();
    if missing.is_empty() {
        return;
    }
    if let (Some(name), Ok(program)) = (arguments.next(), env::current_exe()) {
        // Returns only when it failed.
        let _ = Command::new(program).arg0(name).args(arguments).envs(missing).exec();
    }
}
