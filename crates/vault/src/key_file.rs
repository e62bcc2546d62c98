//! The key file: the key-encryption keys, a version a line, the highest in use. Whoever has the database
//! and this file has everything, so nobody but the server's user may read it.
//!
//! It changes in one step only: a new file with the old one's owner and mode is written beside it, synced, and takes its place.
//! A crash leaves either the old file or the new one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Error;

pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// The key-encryption keys by version. Never empty.
pub struct KeyFile {
    versions: BTreeMap<u32, KeyBytes>,
    /// Where they were read; none for keys that did not come from a file.
    path: Option<PathBuf>,
}

impl KeyFile {
    /// Draws a first key and writes it to a new file of mode 600; an existing file is left alone.
    pub fn create(path: &Path, ctx: &Context) -> Result<Self, Error> {
        let keys = Self { versions: BTreeMap::from([(1, draw(ctx))]), path: Some(path.to_owned()) };
        write_new(path, &keys.text()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::KeyFileExists { path: path.to_owned() },
            _ => Error::KeyFile { path: path.to_owned(), source },
        })?;
        Ok(keys)
    }

    /// Reads a key file; refuses one that others may read.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::KeyFile { path: path.to_owned(), source };
        let file = fs::metadata(path).map_err(failed)?;
        let mode = file.permissions().mode() & 0o777;
        // As systemd hands over a credential: root's, and read by the service through an access list, whose mask stands in the
        // group's place. The group is root's too, so nobody else gains anything.
        let credential = mode == 0o440 && (file.uid(), file.gid()) == (0, 0);
        if mode & 0o077 != 0 && !credential {
            return Err(Error::KeyFileNotPrivate { path: path.to_owned(), mode });
        }
        let keys = Self::parse(&Zeroizing::new(fs::read_to_string(path).map_err(failed)?))?;
        Ok(Self { path: Some(path.to_owned()), ..keys })
    }

    /// Adds a version to the file and gives all of them. It wraps once every node has it; then
    /// [`Vault::advance`](crate::Vault::advance) moves the rest.
    pub fn rotate(path: &Path, ctx: &Context) -> Result<Self, Error> {
        Self::change(path, |keys| {
            keys.versions.insert(keys.newest_version() + 1, draw(ctx));
        })
    }

    /// Takes versions out of the file and gives what is left. The newest always stays.
    pub fn remove(path: &Path, versions: &[u32]) -> Result<Self, Error> {
        Self::change(path, |keys| {
            let newest = keys.newest_version();
            keys.versions.retain(|version, _| *version == newest || !versions.contains(version));
        })
    }

    fn change(path: &Path, edit: impl FnOnce(&mut Self)) -> Result<Self, Error> {
        let failed = |source| Error::KeyFile { path: path.to_owned(), source };
        let folder = fs::File::open(folder_of(path)).map_err(failed)?;
        // Two changes at once would lose one of them; the kernel frees this however the process ends.
        folder.lock().map_err(failed)?;
        let mut keys = Self::load(path)?;
        edit(&mut keys);
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = Path::new(&beside);
        match fs::remove_file(beside) {
            // What an interrupted change left behind was never in use.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        write_new(beside, &keys.text()).map_err(failed)?;
        let before = fs::metadata(path).map_err(failed)?;
        let after = fs::metadata(beside).map_err(failed)?;
        if (before.uid(), before.gid()) != (after.uid(), after.gid()) {
            // Rotated by root, read by the server's user.
            std::os::unix::fs::chown(beside, Some(before.uid()), Some(before.gid())).map_err(failed)?;
        }
        fs::set_permissions(beside, before.permissions()).map_err(failed)?;
        fs::rename(beside, path).map_err(failed)?;
        folder.sync_all().map_err(failed)?;
        Ok(keys)
    }

    /// Where the keys were read, if in a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Reads the text of a key file, for secrets that do not come from a file of ours.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut versions = BTreeMap::new();
        for (place, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (version, key) = parse_line(line).ok_or(Error::KeyFileLine { line: place + 1 })?;
            if versions.insert(version, key).is_some() {
                return Err(Error::KeyFileLine { line: place + 1 });
            }
        }
        if versions.is_empty() { Err(Error::KeyFileLine { line: 0 }) } else { Ok(Self { versions, path: None }) }
    }

    /// The version that wraps from now on.
    pub fn newest_version(&self) -> u32 {
        self.versions.last_key_value().map_or(0, |(version, _)| *version)
    }

    pub(crate) fn versions(&self) -> impl Iterator<Item = (u32, &KeyBytes)> {
        self.versions.iter().map(|(version, key)| (*version, key))
    }

    fn text(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(256 + 64 * self.versions.len()));
        out.push_str("# Loudhailer key-encryption keys: a version and 32 bytes a line, the newest is used.\n");
        out.push_str("# Keep a copy apart from the database's backups: without it nothing sealed can be read.\n");
        for (version, key) in &self.versions {
            let encoded = Zeroizing::new(STANDARD.encode(**key));
            out.push_str(&version.to_string());
            out.push(' ');
            out.push_str(&encoded);
            out.push('\n');
        }
        out
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyFile").field(&self.versions.keys().collect::<Vec<_>>()).finish()
    }
}

fn draw(ctx: &Context) -> KeyBytes {
    let mut key = Zeroizing::new([0; 32]);
    ctx.chance().fill(&mut *key);
    key
}

fn parse_line(line: &str) -> Option<(u32, KeyBytes)> {
    let (version, encoded) = line.trim().split_once(' ')?;
    let version: u32 = version.parse().ok()?;
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let key: [u8; 32] = decoded.as_slice().try_into().ok()?;
    // All zeroes is what a placeholder looks like.
    (version > 0 && key != [0; 32]).then(|| (version, Zeroizing::new(key)))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // The name must outlive a crash as well as the bytes.
    fs::File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{SeededChance, SystemClock};
    use proptest::prelude::*;

    use super::*;

    fn ctx(seed: u64) -> Context {
        Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(seed)))
    }

    #[test]
    fn a_created_file_is_private_reads_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let created = KeyFile::create(&path, &ctx(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = KeyFile::load(&path).unwrap();
        assert_eq!(loaded.versions, created.versions);
        assert!(matches!(KeyFile::create(&path, &ctx(2)), Err(Error::KeyFileExists { .. })));
        assert_eq!(KeyFile::load(&path).unwrap().versions, created.versions);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        KeyFile::create(&path, &ctx(1)).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = KeyFile::load(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(KeyFile::load(&path).is_ok());
    }

    /// a new version is added beside the old ones and the file stays private.
    #[test]
    fn x_22_rotation_adds_a_version_and_keeps_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let first = KeyFile::create(&path, &ctx(1)).unwrap();
        KeyFile::rotate(&path, &ctx(2)).unwrap();
        let both = KeyFile::load(&path).unwrap();
        assert_eq!((first.newest_version(), both.newest_version()), (1, 2));
        assert_eq!(both.versions[&1], first.versions[&1]);
        assert_ne!(both.versions[&1], both.versions[&2]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// an interrupted rotation leaves a file beside that does not stop the next one; old versions leave, the newest never.
    #[test]
    fn x_22_an_interrupted_change_is_begun_anew_and_old_versions_leave() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        KeyFile::create(&path, &ctx(1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        fs::write(dir.path().join("keys.new"), "half").unwrap();
        KeyFile::rotate(&path, &ctx(2)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400, "the mode stays");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        KeyFile::rotate(&path, &ctx(3)).unwrap();
        let left = KeyFile::remove(&path, &[1, 2, 3]).unwrap();
        assert_eq!(left.versions.keys().copied().collect::<Vec<_>>(), [3]);
        assert_eq!(KeyFile::load(&path).unwrap().versions, left.versions);
    }

    /// two rotations at once make two versions.
    #[test]
    fn x_22_rotations_at_once_lose_no_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        KeyFile::create(&path, &ctx(1)).unwrap();
        std::thread::scope(|scope| {
            for seed in 2..10 {
                let path = &path;
                scope.spawn(move || KeyFile::rotate(path, &ctx(seed)).unwrap());
            }
        });
        assert_eq!(KeyFile::load(&path).unwrap().newest_version(), 9);
    }

    #[test]
    fn what_is_no_key_is_refused_by_line_and_without_its_content() {
        let good = format!("1 {}", STANDARD.encode([7; 32]));
        let zeroes = format!("1 {}", STANDARD.encode([0; 32]));
        let short = format!("2 {}", STANDARD.encode([7; 31]));
        for (text, line) in [
            (String::new(), 0),
            ("# nothing\n\n".to_owned(), 0),
            ("1 hunter2".to_owned(), 1),
            (zeroes, 1),
            (format!("{good}\n{good}"), 2),
            (format!("{good}\n{short}"), 2),
            (format!("# a\n{good}\n0 {}", STANDARD.encode([7; 32])), 3),
        ] {
            match KeyFile::parse(&text) {
                Err(error @ Error::KeyFileLine { line: found }) => {
                    assert_eq!(found, line, "{text}");
                    assert!(!error.to_string().contains("hunter2"));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn debug_shows_versions_only() {
        let keys = KeyFile::parse(&format!("3 {}", STANDARD.encode([7; 32]))).unwrap();
        assert_eq!(format!("{keys:?}"), "KeyFile([3])");
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC{0,120}") {
            let _ = KeyFile::parse(&text);
        }
    }
}
