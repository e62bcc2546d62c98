//! What the figures stand on: the processor, the file system under the data, how often its disk can promise that something is there.

use std::fs;
use std::path::{Path, PathBuf};

use base::Context;
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::selftest::disk;

/// File systems that live in memory: a commit there waits for nothing.
const MEMORY: &[&str] = &["tmpfs", "ramfs", "devtmpfs"];

/// Where a directory's data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    kind: String,
    device: String,
    options: String,
}

/// Describes the machine and the directory, in the order in which people read it. A directory in memory is refused: what is measured
/// there says nothing about a disk.
pub(super) fn describe(dir: &Path, context: &Context) -> Result<Map<String, Json>> {
    let place = fs::canonicalize(dir).map_err(|source| Error::file(dir, source))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = mount_of(&mounts, &place);
    if let Some(mount) = &mount
        && MEMORY.contains(&mount.kind.as_str())
    {
        return Err(Error::told(format!(
            "{} is on {}, which is memory: nothing would be measured of a disk. Choose another place with --dir",
            dir.display(),
            mount.kind
        )));
    }
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let unknown = || "unknown".to_owned();
    let (filesystem, device, options) =
        mount.map_or_else(|| (unknown(), unknown(), unknown()), |mount| (mount.kind, mount.device, mount.options));
    let facts = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "build": if cfg!(debug_assertions) { "quick (figures mean little)" } else { "release" },
        "processors": processors,
        "processor": first_after(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default(), "model name"),
        "load_before": fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default(),
        "filesystem": filesystem,
        "device": device,
        "mount_options": options,
        "fdatasync_per_second": disk::syncs_per_second(&place, context),
    });
    Ok(match facts {
        Json::Object(facts) => facts,
        _ => Map::new(),
    })
}

/// `name : value`, the first of several.
fn first_after(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// The mount that holds `place`, from the text of `/proc/self/mountinfo`: the longest mount point above it, the latest of equals.
fn mount_of(mounts: &str, place: &Path) -> Option<Mount> {
    let mut found: Option<(PathBuf, Mount)> = None;
    for line in mounts.lines() {
        let (Some((before, after)), mut ahead) = (line.split_once(" - "), line.split(' ').skip(4)) else { continue };
        let Some(point) = ahead.next().map(|text| PathBuf::from(text.replace("\\040", " "))) else { continue };
        let mut after = after.split(' ');
        let (Some(kind), Some(device)) = (after.next(), after.next()) else { continue };
        let options = before.split(' ').nth(5).unwrap_or_default().to_owned();
        let closer = found.as_ref().is_none_or(|(best, _)| point.components().count() >= best.components().count());
        if place.starts_with(&point) && closer {
            found = Some((point, Mount { kind: kind.to_owned(), device: device.to_owned(), options }));
        }
    }
    found.map(|(_, mount)| mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,errors=remount-ro
30 22 0:26 / /tmp rw,nosuid,nodev shared:12 - tmpfs tmpfs rw,size=1024k
31 22 254:16 / /srv/my\\040data rw,noatime shared:13 - xfs /dev/vdb rw
32 22 0:40 / /home rw - btrfs /dev/vdc rw";

    fn kind(place: &str) -> Option<String> {
        mount_of(MOUNTS, Path::new(place)).map(|mount| mount.kind)
    }

    #[test]
    fn the_closest_mount_holds_a_directory() {
        assert_eq!(kind("/var/lib"), Some("ext4".into()));
        assert_eq!(kind("/tmp/bench"), Some("tmpfs".into()));
        assert_eq!(kind("/tmpfiles"), Some("ext4".into()));
        assert_eq!(kind("/srv/my data/x"), Some("xfs".into()));
        let mount = mount_of(MOUNTS, Path::new("/srv/my data")).unwrap();
        assert_eq!((mount.device.as_str(), mount.options.as_str()), ("/dev/vdb", "rw,noatime"));
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn memory_is_refused_with_the_remedy() {
        let shm = Path::new("/dev/shm");
        let in_memory = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if mount_of(&in_memory, shm).is_some_and(|mount| mount.kind == "tmpfs") {
            let error = describe(shm, &crate::product::context()).unwrap_err().to_string();
            assert!(error.contains("tmpfs") && error.contains("--dir"), "{error}");
        }
    }
}
