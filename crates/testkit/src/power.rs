//! A power loss, after the fact. What a process did to its files is on record ([`recorded`](crate::recorded)); for any moment of it, this
//! makes the files as a disk may hold them when power goes then: what was synced, and of what was not, nothing or any part of it in any
//! order. Pages that the kernel had not been told to write are gone, a file that was created and whose directory was never synced is gone.
//!
//! A record is exact where a file system of our own would be quick: one run gives every moment, and the trace is in the order of cause
//! and effect, because strace holds a thread at each call until it has written it down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::Chance;

/// Something that happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Created,
    Write {
        at: u64,
        data: Vec<u8>,
    },
    Length(u64),
    Removed,
    /// The file, or directory, with what was done to it before the deed of this number.
    Synced {
        begun: usize,
    },
}

/// A step of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// When it was about to happen, in microseconds of the machine's clock.
    time: i64,
    path: PathBuf,
    deed: Deed,
}

/// What a process did to the files of one directory.
#[derive(Debug)]
pub struct Record {
    directory: PathBuf,
    before: BTreeSet<PathBuf>,
    steps: Vec<Step>,
}

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Unsynced {
    /// None of it is on the disk.
    Dropped,
    /// Each piece of this many bytes may be on the disk or not, whatever was written first.
    Torn(u64),
}

impl Record {
    /// Reads strace's lines about files in `directory`, which held `before` when they begin. Panics at a call that it does not know what to make of: a proof that overlooks
    /// a write proves nothing.
    pub fn read(lines: &str, directory: &Path, before: &[&str]) -> Self {
        let before = before.iter().map(|name| directory.join(name)).collect();
        let mut record = Self { directory: directory.to_owned(), before, steps: Vec::new() };
        let mut begun: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for line in lines.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((time, call)) = rest.trim_start().split_once(' ') else { continue };
            let time = microseconds(time);
            if call.starts_with("<... ") {
                let Some((at, first)) = begun.remove(thread) else { continue };
                let end = call.split_once("resumed>").map_or("", |(_, end)| end);
                record.take(time, &format!("{first}{end}"), at, true);
            } else if let Some(first) = call.strip_suffix(" <unfinished ...>") {
                begun.insert(thread, (record.steps.len(), first));
                // What is written may be there from now on; a sync counts when it has ended.
                record.take(time, first, record.steps.len(), false);
            } else {
                let at = record.steps.len();
                record.take(time, call, at, false);
                record.take(time, call, at, true);
            }
        }
        record
    }

    /// A call: its effect at its beginning, or at its end.
    fn take(&mut self, time: i64, call: &str, begun: usize, ended: bool) {
        let Some((name, arguments)) = call.split_once('(') else { return };
        assert!(!name.starts_with("io_uring"), "what goes through io_uring is not seen by strace: {name}");
        if ended && call.contains(") = -1 ") {
            return;
        }
        let path = match name {
            "openat" | "unlink" | "unlinkat" => quoted(arguments).map(|path| self.directory.join(path)),
            _ => described(arguments),
        };
        let Some(path) = path.filter(|path| path.starts_with(&self.directory)) else { return };
        let deed = match (name, ended) {
            ("openat", true) if arguments.contains("O_CREAT") && !self.exists(&path) => Deed::Created,
            ("openat", true) if arguments.contains("O_TRUNC") => Deed::Length(0),
            ("pwrite64", false) => {
                let Some(data) = quoted_bytes(arguments) else { return };
                let at = arguments.rsplit_once(", ").map(|(_, at)| at.split(')').next().unwrap_or_default());
                Deed::Write { at: at.and_then(|at| at.parse().ok()).expect("pwrite64 ends with an offset"), data }
            }
            ("ftruncate", false) => {
                let length =
                    arguments.rsplit_once(", ").map(|(_, length)| length.split(')').next().unwrap_or_default());
                Deed::Length(length.and_then(|length| length.parse().ok()).expect("ftruncate ends with a length"))
            }
            ("unlink" | "unlinkat", true) => Deed::Removed,
            ("fsync" | "fdatasync", true) => Deed::Synced { begun },
            ("openat" | "pwrite64" | "ftruncate" | "unlink" | "unlinkat" | "fsync" | "fdatasync", _) => return,
            // Only the database matters, and it writes with offsets.
            _ if !is_database(&path) => return,
            (other, _) => panic!("{other} on {} is not understood", path.display()),
        };
        self.steps.push(Step { time, path, deed });
    }

    fn exists(&self, path: &Path) -> bool {
        let last = self.steps.iter().rev().find(|step| step.path == path && !matches!(step.deed, Deed::Synced { .. }));
        last.map_or_else(|| self.before.contains(path), |step| step.deed != Deed::Removed)
    }

    /// Steps in all.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Steps that wait for the disk.
    pub fn syncs(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.deed, Deed::Synced { .. })).count()
    }

    /// The steps that had surely happened by `time` end here: the next one had not begun.
    pub fn until(&self, time: i64) -> usize {
        self.steps.iter().position(|step| step.time > time).unwrap_or(self.steps.len())
    }

    /// The moment before which nothing of step `cut` had happened.
    pub fn moment(&self, cut: usize) -> i64 {
        self.steps.get(cut).map_or(i64::MAX, |step| step.time)
    }

    /// Makes the files in `target`, where their state before the record lies, what they are when power goes before step `cut`.
    pub fn lose_power(&self, cut: usize, target: &Path, unsynced: Unsynced, chance: &impl Chance) {
        let paths: BTreeSet<&Path> = self.steps.iter().map(|step| step.path.as_path()).collect();
        for path in paths {
            let Ok(name) = path.strip_prefix(&self.directory) else { continue };
            if name.as_os_str().is_empty() {
                continue;
            }
            let file = target.join(name);
            let before = std::fs::read(&file).ok();
            match self.file(path, cut, before, unsynced, chance) {
                Some(content) => std::fs::write(&file, content).expect("the file can be written"),
                None => drop(std::fs::remove_file(&file)),
            }
        }
    }

    /// The content of one file, or nothing when it is not there.
    fn file(
        &self,
        path: &Path,
        cut: usize,
        before: Option<Vec<u8>>,
        unsynced: Unsynced,
        chance: &impl Chance,
    ) -> Option<Vec<u8>> {
        let mine: Vec<(usize, &Deed)> = (self.steps[..cut].iter().enumerate())
            .filter(|(_, step)| step.path == path)
            .map(|(number, step)| (number, &step.deed))
            .collect();
        let synced = mine.iter().filter_map(|(_, deed)| match deed {
            Deed::Synced { begun } => Some(*begun),
            _ => None,
        });
        let synced = synced.max().unwrap_or(0);
        // Its name is the directory's.
        let parent = path.parent().unwrap_or(path);
        let named = self.steps[..cut].iter().filter_map(|step| match &step.deed {
            Deed::Synced { begun } if step.path == parent => Some(*begun),
            _ => None,
        });
        let named = named.max().unwrap_or(0);
        let mut content = before;
        for (number, deed) in &mine {
            match deed {
                Deed::Created => content = (*number < named || keeps(unsynced, chance)).then(Vec::new),
                Deed::Removed if *number < named || keeps(unsynced, chance) => content = None,
                Deed::Length(length) if *number < synced || keeps(unsynced, chance) => {
                    if let Some(content) = &mut content {
                        content.resize(usize::try_from(*length).expect("a length"), 0);
                    }
                }
                Deed::Removed | Deed::Synced { .. } | Deed::Length(_) => {}
                Deed::Write { at, data } => {
                    let Some(content) = &mut content else { continue };
                    let piece = match unsynced {
                        _ if *number < synced => u64::MAX,
                        Unsynced::Dropped => continue,
                        Unsynced::Torn(piece) => piece,
                    };
                    put(content, *at, data, piece, chance);
                }
            }
        }
        content
    }
}

/// Whether something of what was not synced is on the disk after all.
fn keeps(unsynced: Unsynced, chance: &impl Chance) -> bool {
    matches!(unsynced, Unsynced::Torn(_)) && chance.below(2) == 0
}

/// Writes `data` at `at`, or of its pieces the ones that chance keeps.
fn put(content: &mut Vec<u8>, at: u64, data: &[u8], piece: u64, chance: &impl Chance) {
    let mut from = at;
    let end = at + data.len() as u64;
    while from < end {
        let to = if piece == u64::MAX { end } else { ((from / piece + 1) * piece).min(end) };
        if piece == u64::MAX || chance.below(2) == 0 {
            let place = |offset: u64| usize::try_from(offset).expect("an offset");
            if content.len() < place(to) {
                content.resize(place(to), 0);
            }
            content[place(from)..place(to)].copy_from_slice(&data[place(from - at)..place(to - at)]);
        }
        from = to;
    }
}

fn is_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains(".db") && !name.ends_with(".lock") && !name.ends_with("-shm")
}

fn microseconds(time: &str) -> i64 {
    time.replace('.', "").parse().expect("strace -ttt writes seconds and microseconds")
}

/// The path in `<…>` behind a descriptor.
fn described(arguments: &str) -> Option<PathBuf> {
    let inner = arguments.split_once('<')?.1.split_once('>')?.0;
    Some(String::from_utf8(bytes(inner)?).ok()?.into())
}

fn quoted(arguments: &str) -> Option<PathBuf> {
    Some(String::from_utf8(quoted_bytes(arguments)?).ok()?.into())
}

fn quoted_bytes(arguments: &str) -> Option<Vec<u8>> {
    let inner = arguments.split_once('"')?.1;
    let (inner, rest) = inner.split_once('"')?;
    assert!(!rest.starts_with("..."), "strace shortened what was written");
    bytes(inner)
}

/// Bytes as `-xx` writes them.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use base::SeededChance;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\x{byte:02x}");
            text
        })
    }

    /// A file `d/x.db` that is there with "aaaa", and `d/x.db-wal`, which comes into being.
    fn record() -> Record {
        let (db, wal, dir) = (hex(b"/d/x.db"), hex(b"/d/x.db-wal"), hex(b"/d"));
        let lines = [
            format!("7 1.000001 pwrite64(3<{db}>, \"{}\", 2, 0) = 2", hex(b"bb")),
            format!("7 1.000002 fdatasync(3<{db}> <unfinished ...>"),
            format!("8 1.000003 pwrite64(3<{db}>, \"{}\", 2, 2) = 2", hex(b"cc")),
            "7 1.000004 <... fdatasync resumed>) = 0".to_owned(),
            format!("7 1.000005 openat(AT_FDCWD<{}>, \"{wal}\", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4<{wal}>", hex(b"/")),
            format!("7 1.000006 pwrite64(4<{wal}>, \"{}\", 2, 0) = 2", hex(b"ww")),
            format!("7 1.000007 fsync(4<{wal}>) = 0"),
            format!("7 1.000008 fsync(5<{dir}>) = 0"),
            format!("7 1.000009 ftruncate(3<{db}>, 3) = 0"),
        ];
        Record::read(&lines.join("\n"), Path::new("/d"), &["x.db"])
    }

    fn after(cut: usize) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let (record, chance) = (record(), SeededChance::new(1));
        let of = |path: &str, before| record.file(Path::new(path), cut, before, Unsynced::Dropped, &chance);
        (of("/d/x.db", Some(b"aaaa".to_vec())), of("/d/x.db-wal", None))
    }

    #[test]
    fn what_is_not_synced_is_gone_and_what_is_stays() {
        assert_eq!(record().len(), 8);
        assert_eq!(after(1), (Some(b"aaaa".to_vec()), None), "written, not synced");
        assert_eq!(after(3), (Some(b"bbaa".to_vec()), None), "what was written during the sync is not in it");
        assert_eq!(after(6), (Some(b"bbaa".to_vec()), None), "a file without a name");
        assert_eq!(after(7), (Some(b"bbaa".to_vec()), Some(b"ww".to_vec())));
        assert_eq!(after(8), (Some(b"bbaa".to_vec()), Some(b"ww".to_vec())), "its length is not synced either");
    }

    #[test]
    fn moments_and_steps_fit() {
        let record = record();
        assert_eq!((record.until(1_000_003), record.moment(2), record.syncs()), (2, 1_000_004, 3));
        assert_eq!((record.until(i64::MAX), record.moment(8)), (8, i64::MAX));
    }

    #[test]
    fn a_torn_state_keeps_any_part() {
        let record = record();
        let states: BTreeSet<_> = (0..64)
            .map(|seed| {
                let chance = SeededChance::new(seed);
                record.file(Path::new("/d/x.db"), 1, Some(b"aaaa".to_vec()), Unsynced::Torn(1), &chance).unwrap()
            })
            .collect();
        let all: BTreeSet<Vec<u8>> = ["aaaa", "baaa", "abaa", "bbaa"].map(|state| state.as_bytes().to_vec()).into();
        assert_eq!(states, all);
    }
}
