//! Looking at a page as its readers do: in the sizes and colours they use, with axe-core's eyes, and at what the browser
//! complained about.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::browser::{Browser, artefact};

/// A size of a window, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// For names of files.
    pub name: &'static str,
    /// The width.
    pub width: u32,
    /// The height.
    pub height: u32,
    /// Whether it is a phone.
    pub phone: bool,
}

/// What pages are looked at on.
pub const SIZES: [Size; 2] = [
    Size { name: "desktop", width: 1280, height: 900, phone: false },
    Size { name: "phone", width: 390, height: 844, phone: true },
];

/// In these colours.
pub const THEMES: [&str; 2] = ["light", "dark"];

/// A file of npm's packages that `interop/package.json` names; they are installed when they are not there.
pub fn npm(file: &str) -> PathBuf {
    static READY: LazyLock<PathBuf> = LazyLock::new(|| {
        let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/package.json");
        let folder = artefact("interop/npm");
        std::fs::create_dir_all(&folder).expect("the folder for npm's packages");
        let (wanted, kept) = (std::fs::read(wanted).expect("the list of packages"), folder.join("package.json"));
        if std::fs::read(&kept).ok().as_ref() != Some(&wanted) || !folder.join("node_modules").is_dir() {
            std::fs::write(&kept, &wanted).expect("the list can be copied");
            let arguments = ["install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
            let status = Command::new("npm").args(arguments).current_dir(&folder).status().expect("npm starts");
            assert!(status.success(), "npm could not install what interop/package.json names");
        }
        folder.join("node_modules")
    });
    READY.join(file)
}

static AXE: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(npm("axe-core/axe.min.js")).expect("axe-core is installed"));

impl Browser {
    /// Pretends to be a screen of that size.
    pub async fn size(&self, size: Size) {
        let metrics =
            json!({ "width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": size.phone });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let touch = json!({ "enabled": size.phone, "maxTouchPoints": 5 });
        self.cdp("Emulation.setTouchEmulationEnabled", touch).await;
    }

    /// The system's colours, `light` or `dark`, as a page sees them that lets the system decide.
    pub async fn theme(&self, theme: &str) {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": theme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// What an expression is worth on the page. The page's content security policy does not stand in the way: it is for
    /// what the page loads, not for who looks at it.
    pub async fn ask(&self, expression: &str) -> Json {
        let asked = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "allowUnsafeEvalBlockedByCSP": true,
        });
        let answer = self.cdp("Runtime.evaluate", asked).await;
        let trouble = &answer["exceptionDetails"];
        let start = &expression[..expression.len().min(80)];
        assert!(trouble.is_null(), "{start}: {}", trouble["exception"]["description"]);
        answer["result"]["value"].clone()
    }

    /// What axe-core finds against WCAG 2.2 AA and its best practices: one line a finding, with the elements.
    pub async fn axe(&self) -> Vec<String> {
        if self.ask("typeof window.axe").await != "object" {
            self.ask(&format!("{}\n;0", *AXE)).await;
        }
        let run = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((one) => ({ \
                   id: one.id, help: one.help, at: one.nodes.map((node) => node.target.join(' ') + ' ' + \
                   (node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? '')) })))";
        let found = self.ask(run).await;
        let each = found.as_array().cloned().unwrap_or_default();
        each.iter()
            .map(|one| {
                let mut line = format!("axe {}: {}", text(&one["id"]), text(&one["help"]));
                for at in one["at"].as_array().into_iter().flatten().take(4) {
                    let _ = write!(line, "\n      at {}", text(at));
                }
                line
            })
            .collect()
    }

    /// A picture of the whole page, however long.
    pub async fn whole(&self, path: &Path) {
        let answer =
            self.cdp("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true })).await;
        let png = STANDARD.decode(text(&answer["data"])).expect("a picture comes as base64");
        std::fs::write(path, png).expect("the picture is written");
    }

    /// Errors and warnings that the browser wrote to its console since the last time: failed loads, violations of the
    /// content security policy, exceptions.
    pub async fn complaints(&self) -> Vec<String> {
        let found = self.driver("se/log", json!({ "type": "browser" })).await;
        let each = found.as_array().cloned().unwrap_or_default();
        each.iter().map(|one| format!("{}: {}", text(&one["level"]), text(&one["message"]))).collect()
    }

    async fn cdp(&self, command: &str, parameters: Json) -> Json {
        self.driver("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}
