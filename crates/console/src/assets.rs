//! Style sheets, scripts and pictures: embedded in the binary, served under names that carry their hash, so that a browser
//! keeps them for a year and never shows an old one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "assets/"]
struct Files;

/// One embedded file under its hashed name.
#[derive(Debug)]
pub struct Asset {
    /// The bytes.
    bytes: Bytes,
    /// The same, smaller; none where that would not help.
    gzip: Option<Bytes>,
    /// The media type, with charset where there is one.
    pub media_type: &'static str,
}

impl Asset {
    /// The bytes for a client that reads these codings, and the coding they are in. Only assets are compressed: they are the
    /// same for everybody. A page that holds a token beside something a stranger chose must not be (BREACH).
    pub fn coded(&self, accepted: Option<&str>) -> (Option<&'static str>, Bytes) {
        let reads = accepted.is_some_and(|accepted| {
            accepted.split(',').any(|one| {
                let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
                coding.trim().eq_ignore_ascii_case("gzip")
                    && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
            })
        });
        match &self.gzip {
            Some(gzip) if reads => (Some("gzip"), gzip.clone()),
            _ => (None, self.bytes.clone()),
        }
    }
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        out.extend([byte >> 4, byte & 15].iter().filter_map(|half| char::from_digit(u32::from(*half), 16)));
        out
    })
}

fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let small = encoder.finish().ok()?;
    (small.len() + 100 < bytes.len()).then(|| small.into())
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
        let hash = hex(&file.metadata.sha256_hash()[..6]);
        let base = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let (stem, ending) = base.rsplit_once('.').unwrap_or((&base, ""));
        let hashed = format!("{stem}.{hash}.{ending}");
        let bytes = match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let asset = Asset { gzip: gzip(&bytes), bytes, media_type: media_type(ending) };
        index.files.insert(hashed.clone(), asset);
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

    fn asset(name: &str) -> &'static Asset {
        find(path(name).strip_prefix("/assets/").unwrap()).unwrap()
    }

    #[test]
    fn a_client_gets_the_coding_it_reads() {
        let css = asset("loudhailer.css");
        for plain in [None, Some("br"), Some("gzip;q=0, br"), Some("")] {
            assert_eq!(css.coded(plain).0, None, "{plain:?}");
        }
        for small in ["gzip", "br, GZIP;q=0.5", "deflate , gzip"] {
            let (coding, bytes) = css.coded(Some(small));
            assert_eq!(coding, Some("gzip"), "{small}");
            assert!(bytes.starts_with(&[0x1f, 0x8b]));
        }
    }

    /// What the first page loads, without the page itself, leaves room for it in 60 KB.
    #[test]
    fn the_first_load_is_small() {
        let names = [
            "loudhailer.css",
            "icons.svg",
            "favicon.svg",
            "app.js",
            "htmx-2.0.11.min.js",
            "live.js",
            "keys.js",
            "idiomorph-ext-0.8.0.min.js",
        ];
        let bytes: usize = names.iter().map(|name| asset(name).coded(Some("gzip")).1.len()).sum();
        assert!(bytes < 40_000, "{bytes}");
    }

    /// E-09: what we did not write is what its authors published.
    #[test]
    fn vendored_scripts_are_the_published_ones() {
        let sums = include_str!("../assets/vendor/SHA256SUMS");
        let mut seen = 0;
        for line in sums.lines().filter(|line| !line.trim().is_empty()) {
            let (sum, name) = line.split_once("  ").unwrap();
            let bytes = asset(name.trim()).coded(None).1;
            assert_eq!(hex(&crypto::sha256(&bytes)), sum, "{name}");
            seen += 1;
        }
        assert_eq!(seen, 2);
    }
}
