//! The page for browsers, in real ones.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::front::{ENGINES, Front};
use crate::javascript::{self, Lines};
use crate::programs::{CHROMIUM, FIREFOX, locate};
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::sample;

/// A browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    /// Debian's Chromium.
    Chromium,
    /// Debian's Firefox.
    Firefox,
}

/// A browser that starts when the first case needs it, and a server with the page and some images.
#[derive(Debug)]
pub struct Inspector {
    browser: Browser,
    running: OnceLock<Result<Running, String>>,
}

#[derive(Debug)]
struct Running {
    lines: Lines,
    _front: Front,
    _key: NamedTempFile,
}

impl Browser {
    /// Its name, with which the names of its tests begin.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
        }
    }

    /// Its program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Chromium => CHROMIUM,
            Self::Firefox => FIREFOX,
        }
    }

    /// What puppeteer calls it.
    const fn product(self) -> &'static str {
        match self {
            Self::Chromium => "chrome",
            Self::Firefox => "firefox",
        }
    }
}

impl Inspector {
    /// The page in a browser.
    #[must_use]
    pub fn new(browser: Browser) -> Self {
        Self { browser, running: OnceLock::new() }
    }

    /// Runs a case of `tests/js/page/`.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, case: &str) -> anyhow::Result<()> {
        let start = || Running::start(self.browser).map_err(|error| format!("{error:#}"));
        let running = self.running.get_or_init(start).as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
        let outcome = running.lines.ask(&json!({ "case": case }))?;
        ensure!(outcome["passed"] == true, "{}", outcome["why"].as_str().unwrap_or("it says nothing"));
        Ok(())
    }
}

impl Running {
    fn start(browser: Browser) -> anyhow::Result<Self> {
        let engine = *ENGINES.first().context("there are no engines")?;
        let front = Front::start(engine, &sample::in_every_form())?;
        let mut key = NamedTempFile::new()?;
        key.write_all(FixedKey::read()?.pem().as_bytes())?;
        let executable = locate(browser.program()).context("the browser is not installed")?;
        let mut command = javascript::script("page.mjs");
        command.arg(browser.product()).arg(executable);
        command.arg(format!("http://{}/_downshift/", front.address())).arg(folder()?).arg(key.path());
        Ok(Self { lines: Lines::start(&mut command)?, _front: front, _key: key })
    }
}

/// The folder of the page, which `cargo xtask test` has built.
///
/// # Errors
/// If it was not.
pub fn folder() -> anyhow::Result<PathBuf> {
    let folder = env::var_os("DOWNSHIFT_INSPECTOR").map(PathBuf::from);
    folder.filter(|folder| folder.is_dir()).context("there is no page: run `cargo xtask test`")
}

/// The folder of the page's source.
#[must_use]
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../www")
}
