//! Programs in Python that we did not write: an environment of their own, made when it is not there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::artefact;

/// A Python that has what `interop/requirements.txt` names; `interop/run` uses the same one.
pub fn python() -> PathBuf {
    static READY: LazyLock<PathBuf> = LazyLock::new(|| {
        let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/requirements.txt");
        let folder = artefact("interop/venv");
        let kept = folder.join("requirements.txt");
        if std::fs::read(&kept).ok() != std::fs::read(&wanted).ok() {
            let run = |program: &Path, arguments: &[&str]| {
                let status = Command::new(program).args(arguments).status().expect("Python starts");
                assert!(status.success(), "Python could not install what interop/requirements.txt names");
            };
            run(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()]);
            let list = wanted.to_string_lossy();
            run(&folder.join("bin/pip"), &["install", "-q", "--disable-pip-version-check", "-r", &list]);
            std::fs::copy(&wanted, &kept).expect("the list can be copied");
        }
        folder.join("bin/python")
    });
    READY.clone()
}
