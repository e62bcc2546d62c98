//! Style sheets, scripts and pictures: embedded in the binary, served under names that carry their hash, so that a browser
//! keeps them for a year and never shows an old one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use rust_embed::Embed;

#[derive(Embed)]
#[folder = "assets/"]
#[exclude = "vendor/SHA256SUMS"]
struct Files;

/// One embedded file under its hashed name.
#[derive(Debug)]
pub struct Asset {
    /// The bytes.
    pub bytes: Cow<'static, [u8]>,
    /// The media type, with charset where there is one.
    pub media_type: &'static str,
}

struct Index {
    /// `loudhailer.css` to `/assets/loudhailer.4f1c2a9b.css`.
    paths: BTreeMap<String, String>,
    /// `loudhailer.4f1c2a9b.css` to the file.
    files: BTreeMap<String, Asset>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { paths: BTreeMap::new(), files: BTreeMap::new() };
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let hash: String = file.metadata.sha256_hash()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        let base = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let (stem, ending) = base.rsplit_once('.').unwrap_or((&base, ""));
        let hashed = format!("{stem}.{hash}.{ending}");
        index.files.insert(hashed.clone(), Asset { bytes: file.data, media_type: media_type(ending) });
        index.paths.insert(base, format!("/assets/{hashed}"));
    }
    index
});

fn media_type(ending: &str) -> &'static str {
    match ending {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The path of the embedded file called `name`; a name that is not embedded gives a path that answers 404, which the page
/// tests catch.
pub fn path(name: &str) -> &'static str {
    INDEX.paths.get(name).map_or("/assets/missing", String::as_str)
}

/// The file behind a hashed name.
pub fn find(hashed: &str) -> Option<&'static Asset> {
    INDEX.files.get(hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_found_under_its_hashed_name() {
        for name in ["loudhailer.css", "demo.css", "icons.svg", "favicon.svg", "app.js", "htmx-2.0.11.min.js"] {
            let path = path(name);
            let hashed = path.strip_prefix("/assets/").unwrap();
            assert!(find(hashed).is_some_and(|asset| !asset.bytes.is_empty()), "{name} at {path}");
        }
        assert!(find("loudhailer.css").is_none(), "only hashed names are served");
    }
}
