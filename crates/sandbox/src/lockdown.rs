//! What the child gives up before it reads the first byte of anything that a customer wrote.
//!
//! Order matters: limits first, then no way to be inspected, then the filter, which forbids changing any of it. Each step
//! that fails ends the start: a worker that is not locked down does not serve.

use std::fs;
use std::io::Cursor;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{BpfMap, TargetArch, apply_filter, compile_from_json};

/// Memory above what the worker starts with.
const MEMORY: u64 = 64 * 1024 * 1024;
/// Processor seconds in a worker's life; the pool replaces it long before.
const CPU_SECONDS: u64 = 600;

/// The filter, as data. Everything that is not listed ends the process at once.
///
/// `read` only from descriptor 0 and `write` only to 1 and 2: descriptors that a supervisor leaked into the server cannot even be
/// named. `mmap` only for private memory that is not executable: 32 is `MAP_ANONYMOUS`, 4 is `PROT_EXEC`. `prctl` only for
/// `PR_SET_VMA`, with which the allocator gives its memory a name. The rest is what the allocator, an abort and leaving need.
const FILTER: &str = r#"{"worker": {
  "mismatch_action": "kill_process",
  "match_action": "allow",
  "filter": [
    {"syscall": "read", "args": [{"index": 0, "type": "dword", "op": "eq", "val": 0}]},
    {"syscall": "write", "args": [{"index": 0, "type": "dword", "op": "eq", "val": 1}]},
    {"syscall": "write", "args": [{"index": 0, "type": "dword", "op": "eq", "val": 2}]},
    {"syscall": "brk"},
    {"syscall": "mmap", "args": [
      {"index": 2, "type": "dword", "op": {"masked_eq": 4}, "val": 0},
      {"index": 3, "type": "dword", "op": {"masked_eq": 32}, "val": 32}
    ]},
    {"syscall": "munmap"},
    {"syscall": "mremap"},
    {"syscall": "madvise"},
    {"syscall": "prctl", "args": [{"index": 0, "type": "dword", "op": "eq", "val": 1398164801}]},
    {"syscall": "getrandom"},
    {"syscall": "clock_gettime"},
    {"syscall": "futex"},
    {"syscall": "sigaltstack"},
    {"syscall": "rt_sigreturn"},
    {"syscall": "rt_sigprocmask"},
    {"syscall": "restart_syscall"},
    {"syscall": "exit"},
    {"syscall": "exit_group"}
  ]
}}"#;

/// Locks this process down for good, as a worker does. Must be called while it has one thread; on an error the process must
/// not go on to read anything from a customer.
pub fn lock_down() -> Result<(), String> {
    let threads = fs::read_dir("/proc/self/task").map_err(|error| format!("/proc cannot be read: {error}"))?.count();
    if threads != 1 {
        return Err(format!("it has {threads} threads, and the filter would hold for one"));
    }
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nproc, 0)?;
    limit(Resource::Cpu, CPU_SECONDS)?;
    limit(Resource::As, address_space()? + MEMORY)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| format!("not dumpable: {error}"))?;
    let mut filters: BpfMap = compile_from_json(Cursor::new(FILTER), architecture()?)
        .map_err(|error| format!("the system call filter: {error}"))?;
    let filter = filters.remove("worker").ok_or("the system call filter is empty")?;
    // Nothing can be opened from here on: not before the filter is compiled, which reads no file but might one day.
    limit(Resource::Nofile, 0)?;
    // Sets no_new_privs as well.
    apply_filter(&filter).map_err(|error| format!("the system call filter: {error}"))
}

/// Keeps other processes of the same user from looking into this one, and its memory out of core files: for the parent of
/// workers, which holds keys.
pub fn forbid_inspection() -> std::io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

fn limit(resource: Resource, value: u64) -> Result<(), String> {
    let both = Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(resource, both).map_err(|error| format!("limit {resource:?}: {error}"))
}

/// Bytes of address space in use: program, libraries, stack.
fn address_space() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc cannot be read: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes =
        line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|number| number.trim().parse::<u64>().ok());
    Ok(kilobytes.ok_or("/proc/self/status is not understood")? * 1024)
}

fn architecture() -> Result<TargetArch, String> {
    std::env::consts::ARCH.try_into().map_err(|_| "there is no system call filter for this processor".to_owned())
}
