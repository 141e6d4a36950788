//! The page for browsers: how it is served, what it weighs, and that it works in real browsers.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::{env, io};

use anyhow::{Context, ensure};
use downshift_cases::images::sample;
use downshift_tests::front::{ENGINES, Front};
use downshift_tests::page::{Browser, Inspector, folder, source};
use downshift_tests::programs::{NODE, case_with};
use libtest_mimic::Trial;

use crate::Named;

/// The cases of `tests/js/page/`, and whether Firefox has all that they need: puppeteer cannot cut it off the network,
/// nor print with it.
const CASES: &[(&str, bool)] = &[
    ("pasted_text_keeps_its_exact_bytes", true),
    ("what_is_pasted_into_other_fields_is_no_document", true),
    ("typed_text_is_inspected_on_request", true),
    ("several_files_are_dropped_and_joined", true),
    ("files_are_opened", true),
    ("responses_are_taken_apart", true),
    ("the_server_reads_the_layers_of_what_was_fetched_from_it", true),
    ("references_are_fetched_from_the_registry", true),
    ("every_sample_has_its_verdict", true),
    ("digests_are_those_of_the_bytes_and_of_the_payload", true),
    ("the_search_finds_what_changed_the_digest", true),
    ("layers_are_joined_with_their_history", true),
    ("platforms_and_attestations_are_told_apart", true),
    ("the_config_is_read", true),
    ("the_chain_of_ids_is_a_picture_and_a_table", true),
    ("signatures_are_verified_and_explained", true),
    ("clients_and_what_they_get_are_a_table", true),
    ("explanations_end_in_a_command", true),
    ("bytes_are_shown_as_they_are", true),
    ("documents_are_converted_to_every_other_form", true),
    ("a_key_of_ones_own_signs_as_the_server_would", true),
    ("what_cannot_be_converted_says_why", true),
    ("schema_1_goes_up_with_facts_about_its_layers", true),
    ("lists_are_converted_for_a_platform", true),
    ("documents_are_compared", true),
    ("links_are_made_on_request_and_hold_every_byte", true),
    ("secrets_are_named_before_they_are_shared", true),
    ("what_is_too_long_for_a_link_is_a_file", true),
    ("broken_links_are_errors", true),
    ("buttons_copy", true),
    ("what_is_not_json_says_where", true),
    ("what_is_too_large_still_has_its_digest", true),
    ("two_kinds_in_one_contradict_each_other", true),
    ("a_broken_signature_is_malformed_and_not_wrong", true),
    ("markup_in_documents_is_text", true),
    ("what_cannot_be_seen_is_shown", true),
    ("commands_hold_no_text_of_strangers", true),
    ("a_browser_without_webassembly_is_told_so", true),
    ("it_works_without_a_network", false),
    ("documents_are_removed_and_cleared", true),
    ("a_list_of_samples_that_comes_late_replaces_no_report", true),
    ("what_is_dropped_while_another_document_is_read_is_added", true),
    ("what_is_cleared_while_it_is_inspected_stays_away", true),
    ("axe_finds_nothing_in_either_theme", true),
    ("it_fits_360_and_1600_pixels", true),
    ("everything_works_by_keyboard", true),
    ("every_focus_is_seen", true),
    ("the_theme_is_kept", true),
    ("the_one_file_works_from_the_disk", true),
    ("the_policies_keep_the_page_from_talking", true),
    ("a_manifest_of_4_mib_is_looked_at_in_parts", true),
    ("prints_as_a_document", false),
    ("samples_are_exact", true),
];

/// The page as one file.
const SINGLE: &str = "manifest-inspector.html";

/// What the page may weigh at the most, in bytes: what a first visit takes, compressed, and the one file.
const MAX_VISIT: usize = 140 * 1024;
const MAX_SINGLE: usize = 500 * 1024;

/// Lines of the page's own scripts with something on them but comments.
const MAX_LINES: usize = 2480;
/// Characters of such a line.
const MAX_LINE: usize = 150;

pub(crate) fn trials() -> Vec<Trial> {
    let trial =
        |(name, run): Named<fn() -> anyhow::Result<()>>| case_with([NODE], format!("page::{name}"), run);
    let mut trials = vec![
        trial(named!(is_served_with_types_tags_and_a_policy)),
        trial(named!(budgets)),
        trial(named!(types)),
    ];
    for browser in [Browser::Chromium, Browser::Firefox] {
        let inspector = Arc::new(Inspector::new(browser));
        for &(case, is_for_all) in CASES {
            if is_for_all || browser == Browser::Chromium {
                let inspector = Arc::clone(&inspector);
                let name = format!("{}::page::run::{case}", browser.name());
                trials.push(case_with([NODE, browser.program()], name, move || inspector.run(case)));
            }
        }
    }
    trials
}

fn is_served_with_types_tags_and_a_policy() -> anyhow::Result<()> {
    let engine = *ENGINES.first().context("there are no engines")?;
    let front = Front::start(engine, &[("latest", sample::schema2())])?;
    ensure!(
        front.send("GET", "/_downshift", &[])?.header("location") == Some("/_downshift/"),
        "it leads elsewhere"
    );
    for (path, bytes) in files()? {
        let target = if path == "index.html" { "/_downshift/".into() } else { format!("/_downshift/{path}") };
        let plain = front.send("GET", &target, &[])?;
        ensure!(plain.status == 200 && plain.body == bytes, "{target}: {plain:?}");
        ensure!(plain.header("content-encoding").is_none(), "{target}: {plain:?}");
        let zipped = front.send("GET", &target, &[("Accept-Encoding", "deflate, gzip, br")])?;
        ensure!(
            zipped.header("content-encoding") == Some("gzip") && zipped.body.starts_with(&[0x1f, 0x8b]),
            "{target}: {zipped:?}"
        );
        for (response, coding) in [(&plain, "identity"), (&zipped, "gzip;q=0.5")] {
            let header = |name| {
                response.header(name).with_context(|| format!("{target} has no `{name}`: {response:?}"))
            };
            ensure!(
                header("cache-control")? == "no-cache" && header("vary")? == "Accept-Encoding",
                "{response:?}"
            );
            ensure!(header("content-type")? == media_type(&path), "{response:?}");
            ensure!(
                header("x-content-type-options")? == "nosniff" && header("referrer-policy")? == "no-referrer",
                "{response:?}"
            );
            let policy = header("content-security-policy")?;
            for part in
                ["default-src 'none'", "connect-src 'self'", "trusted-types 'none'", "frame-ancestors 'none'"]
            {
                ensure!(policy.split("; ").any(|it| it == part), "`{policy}` has no `{part}`");
            }
            let known = [("Accept-Encoding", coding), ("If-None-Match", header("etag")?)];
            let again = front.send("GET", &target, &known)?;
            ensure!(again.status == 304 && again.body.is_empty(), "{target}: {again:?}");
            ensure!(again.header("etag") == response.header("etag"), "{target}: {again:?}");
        }
        ensure!(plain.header("etag") != zipped.header("etag"), "{target} has one tag for two codings");
        let head = front.send("HEAD", &target, &[])?;
        ensure!(
            head.status == 200 && head.header("content-length") == Some(&bytes.len().to_string()),
            "{head:?}"
        );
    }
    for path in
        ["/_downshift/none", "/_downshift//index.html", "/_downshift/../Cargo.toml", "/_downshift/%2e%2e/x"]
    {
        ensure!(front.send("GET", path, &[])?.status == 404, "{path}");
    }
    ensure!(front.send("GET", "/_downshiftx", &[])?.status == 404, "`/_downshiftx` is something");
    ensure!(front.send("POST", "/_downshift/", &[])?.status == 405, "it takes what is posted");
    Ok(())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// What a first visit takes: the page, all that it names, and the list of samples; what converts, and what shows reports,
/// comes after it while there is nothing else to do. And the page's own scripts, which are to stay such that they can
/// be read in an hour.
fn budgets() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets/page.tsv");
    let files = files()?;
    let index = files.get("index.html").context("there is no page")?;
    let index = str::from_utf8(index)?;
    let is_named = |path: &str| path != SINGLE && index.contains(&format!("\"{path}\""));
    let is_first = |path: &str| is_named(path) || matches!(path, "index.html" | "samples/index.json");
    let mut visit = 0;
    for path in files.keys().filter(|path| is_first(path)) {
        visit += fs::read(folder()?.join(format!("{path}.gz")))?.len();
    }
    let single = files.get(SINGLE).context("there is no single file")?.len();
    let mut lines = 0;
    for (path, script) in scripts()? {
        for line in code(&script) {
            lines += 1;
            ensure!(line.chars().count() <= MAX_LINE, "a line of `{path}` is too long: {line}");
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                ensure!(!line.contains(markup), "`{path}` has `{markup}`");
            }
        }
    }
    ensure!(visit <= MAX_VISIT, "a first visit takes `{visit}` bytes");
    ensure!(single <= MAX_SINGLE, "the one file has `{single}` bytes");
    ensure!(lines <= MAX_LINES, "the scripts have `{lines}` lines");
    let costs = [
        ("first visit, compressed, bytes", visit, 1024),
        ("one file, bytes", single, 1024),
        ("scripts, lines", lines, 10),
    ];
    if env::var_os("DOWNSHIFT_BLESS").is_some() {
        let mut table = String::new();
        for (name, cost, granularity) in costs {
            writeln!(table, "{name}\t{}", cost.next_multiple_of(granularity))?;
        }
        return fs::write(&path, table).with_context(|| format!("`{}` cannot be written", path.display()));
    }
    let table = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    for (name, cost, _) in costs {
        let budget = table.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<usize>().ok());
        let budget = budget.with_context(|| format!("`{name}` has no budget"))?;
        ensure!(
            cost <= budget,
            "`{name}` is {cost}, and may be {budget}: make it less, or bless the budgets"
        );
    }
    Ok(())
}

/// Whether TypeScript finds the scripts to be as their comments say.
fn types() -> anyhow::Result<()> {
    let project = source().join("..");
    let output =
        Command::new(project.join("node_modules/.bin/tsc")).arg("--project").arg(source()).output()?;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The lines of a script with something on them but a comment.
fn code(script: &str) -> impl Iterator<Item = &str> {
    let is_code = |line: &&str| {
        !(line.is_empty() || ["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark)))
    };
    script.lines().filter(is_code)
}

/// The page's own scripts.
fn scripts() -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    read_all(&source(), &source(), &mut found)?;
    let scripts = found.into_iter().filter(|(path, _)| path.ends_with(".js"));
    scripts.map(|(path, bytes)| Ok((path, String::from_utf8(bytes)?))).collect()
}

/// The files of the built page.
fn files() -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    read_all(&folder()?, &folder()?, &mut found)?;
    found.retain(|path, _| !path.ends_with(".gz"));
    Ok(found)
}

fn read_all(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(root, &path, found)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            found.insert(name.display().to_string(), fs::read(&path)?);
        }
    }
    Ok(())
}
