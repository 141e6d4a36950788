//! No crate has a circle among its modules: of any two that know each other, one can be read first.
//!
//! A module is a file. It knows another one if it names something that is defined there, by `use` or by a path; what a
//! module passes on from another one counts as that other one's. Tests inside of modules do not count.

use core::str::FromStr as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path below its crate's root, which has none.
type Module = Vec<String>;

/// A module as its file has it.
#[derive(Default)]
struct Source {
    /// All paths that it names: those of `use` with their alternatives apart, and all others that lead through modules.
    paths: Vec<Vec<String>>,
    /// What it passes on: the name here, and the path.
    exports: BTreeMap<String, Vec<String>>,
}

type Sources = BTreeMap<Module, Source>;

/// Which modules each one knows, each with the path by which it does.
type Graph = BTreeMap<Module, BTreeMap<Module, String>>;

#[test]
fn no_crate_has_a_circle_among_its_modules() -> anyhow::Result<()> {
    let mut circles = Vec::new();
    let crates = crates()?;
    ensure!(crates.len() >= 10, "there are only {} crates", crates.len());
    for folder in crates {
        let sources = sources(&folder.join("src"))?;
        let graph = graph(&sources);
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        circles.extend(circles_of(&graph).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    ensure!(circles.is_empty(), "there are circles:\n{circles:#?}");
    Ok(())
}

#[test]
fn a_circle_is_found() -> anyhow::Result<()> {
    let circle = |files: &[(&str, &str)]| -> anyhow::Result<usize> {
        let sources = files.iter().map(|(path, text)| {
            let module = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            Ok((module, Source::read(text)?))
        });
        Ok(circles_of(&graph(&sources.collect::<anyhow::Result<_>>()?)).len())
    };
    // By `use`, by a path, through what the root passes on, inside of a macro, and between parent and child.
    ensure!(
        circle(&[("", ""), ("a", "use crate::{b::B, c};"), ("b", "fn f() { crate::a::g() }"), ("c", "")])?
            == 1
    );
    ensure!(circle(&[("", "pub use a::A;"), ("a", "use crate::b::B;"), ("b", "use crate::A;")])? == 1);
    ensure!(circle(&[("", ""), ("a", "use crate::b::B;"), ("b", "fn f() { m!(crate::a::A) }")])? == 1);
    ensure!(circle(&[("", ""), ("a", "use self::b::B; struct A;"), ("a::b", "use super::A;")])? == 1);
    ensure!(circle(&[("", ""), ("a", "fn f() { b::g() }"), ("a::b", "use super::A;")])? == 1);
    // What is passed on is not the parent's, siblings may know each other one way, and tests do not count.
    ensure!(
        circle(&[
            ("", ""),
            ("a", "mod b; mod c; use self::c::C;"),
            ("a::b", "use super::c::C;"),
            ("a::c", "")
        ])? == 0
    );
    ensure!(
        circle(&[
            ("", "pub use a::{A, D};"),
            ("a", "use crate::b::B;"),
            ("b", ""),
            ("c", "use crate::{A, D};")
        ])? == 0
    );
    ensure!(
        circle(&[("", ""), ("a", "use crate::b::B;"), ("b", "#[cfg(test)] mod tests { use crate::a::A; }")])?
            == 0
    );
    Ok(())
}

/// The folders of all crates.
fn crates() -> anyhow::Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests are in no project")?;
    let mut folders = vec![root.join("host"), root.join("tests"), root.join("fuzz")];
    for parent in ["crates", "tests"] {
        for entry in fs::read_dir(root.join(parent))? {
            folders.push(entry?.path());
        }
    }
    folders.retain(|folder| folder.join("Cargo.toml").is_file() && folder.join("src").is_dir());
    Ok(folders)
}

fn sources(folder: &Path) -> anyhow::Result<Sources> {
    let mut sources = Sources::new();
    read_folder(folder, &[], &mut sources)?;
    Ok(sources)
}

fn read_folder(folder: &Path, parent: &[String], sources: &mut Sources) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let module = |name: &str| parent.iter().cloned().chain([name.to_owned()]).collect::<Module>();
        if path.is_dir() {
            read_folder(&path, &module(stem), sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let read =
                Source::read(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
            let is_root = parent.is_empty() && ["lib", "main"].contains(&stem);
            let whose = if is_root || stem == "mod" { parent.to_vec() } else { module(stem) };
            let source = sources.entry(whose).or_default();
            source.paths.extend(read.paths);
            source.exports.extend(read.exports);
        }
    }
    Ok(())
}

impl Source {
    fn read(text: &str) -> anyhow::Result<Self> {
        let tokens = TokenStream::from_str(text).map_err(|error| anyhow!("it is not Rust: {error}"))?;
        let mut source = Self::default();
        source.read_tokens(&tokens.into_iter().collect::<Vec<_>>());
        Ok(source)
    }

    fn read_tokens(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        let (mut is_public, mut is_test) = (false, false);
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(attribute)) = tokens.get(at) {
                        is_test |= attribute.stream().to_string().replace(' ', "") == "cfg(test)";
                        at += 1;
                    }
                }
                TokenTree::Ident(word) if word == "pub" => is_public = true,
                // `pub(crate)`
                TokenTree::Group(group) if is_public && group.delimiter() == Delimiter::Parenthesis => {}
                TokenTree::Ident(word) if word == "use" => {
                    let mut paths = Vec::new();
                    at = read_tree(tokens, at, &[], &mut paths);
                    if !is_test {
                        let exports = paths.iter().filter(|_| is_public);
                        let named = exports.filter_map(|(name, path)| Some((name.clone()?, path.clone())));
                        self.exports.extend(named);
                        self.paths.extend(paths.into_iter().map(|(_, path)| path));
                    }
                    (is_public, is_test) = (false, false);
                }
                TokenTree::Ident(_) if is_colons(tokens, at) && !is_colons_before(tokens, at - 1) => {
                    let mut paths = Vec::new();
                    at = read_tree(tokens, at - 1, &[], &mut paths);
                    self.paths.extend(paths.into_iter().map(|(_, path)| path));
                }
                TokenTree::Group(group) => {
                    let is_body = group.delimiter() == Delimiter::Brace;
                    if !(is_test && is_body) {
                        self.read_tokens(&group.stream().into_iter().collect::<Vec<_>>());
                    }
                    if is_body {
                        (is_public, is_test) = (false, false);
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => (is_public, is_test) = (false, false),
                _ => {}
            }
        }
    }
}

/// Reads a path, or the tree of one in `use`, and says where it ends: each path with the name that it gets.
fn read_tree(
    tokens: &[TokenTree],
    mut at: usize,
    before: &[String],
    paths: &mut Vec<(Option<String>, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => {
                if word != "self" || path.is_empty() {
                    path.push(word.to_string());
                }
                at += 1;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let mut next = 0;
                while let Some(token) = inner.get(next) {
                    let is_comma = matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    next =
                        if is_comma { next + 1 } else { read_tree(&inner, next, &path, paths).max(next + 1) };
                }
                return at + 1;
            }
            // A glob.
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                paths.push((None, path));
                return at + 1;
            }
            _ => break,
        }
        if !is_colons(tokens, at) {
            break;
        }
        at += 2;
    }
    let mut name = path.last().cloned();
    if let Some(TokenTree::Ident(word)) = tokens.get(at)
        && word == "as"
    {
        name = tokens.get(at + 1).map(ToString::to_string);
        at += 2;
    }
    paths.push((name, path));
    at
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(at) && is_colon(at + 1)
}

fn is_colons_before(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_colons(tokens, at - 2)
}

fn graph(sources: &Sources) -> Graph {
    let known = |(module, source): (&Module, &Source)| {
        let known = source.paths.iter().filter_map(|path| {
            let other = resolve(sources, module, path, 0)?;
            Some((other, path.join("::")))
        });
        (module.clone(), known.filter(|(other, _)| other != module).collect())
    };
    sources.iter().map(known).collect()
}

/// The module that defines what `path` leads to, if it is of this crate.
fn resolve(sources: &Sources, from: &Module, path: &[String], depth: usize) -> Option<Module> {
    let (mut module, mut rest) = match path.first()?.as_str() {
        "crate" => (Module::new(), path.get(1..)?),
        "self" => (from.clone(), path.get(1..)?),
        "super" => (from.get(..from.len().checked_sub(1)?)?.to_vec(), path.get(1..)?),
        name if sources.contains_key(&child(from, name)) => (from.clone(), path),
        _ => return None,
    };
    while let Some((name, after)) = rest.split_first() {
        if name == "super" {
            module.pop()?;
        } else if sources.contains_key(&child(&module, name)) {
            module.push(name.clone());
        } else {
            // What is passed on, perhaps several times, is another module's.
            let passed_on = sources.get(&module).and_then(|source| source.exports.get(name));
            let further = passed_on.filter(|_| depth < 8);
            return further.and_then(|path| resolve(sources, &module, path, depth + 1)).or(Some(module));
        }
        rest = after;
    }
    Some(module)
}

fn child(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// One circle for each module that is the first, by name, of one.
fn circles_of(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for start in graph.keys() {
        if !seen.contains(start)
            && let Some(circle) = way(graph, start, start)
        {
            let steps = circle.iter().zip(circle.iter().cycle().skip(1));
            let path = |from, to| graph.get(from).and_then(|known| known.get(to)).map_or("", String::as_str);
            let shown: Vec<_> =
                steps.map(|(from, to)| format!("{} has `{}`", name(from), path(from, to))).collect();
            found.push(shown.join(", "));
            seen.extend(circle);
        }
    }
    found
}

/// The shortest way from one module to another.
fn way(graph: &Graph, from: &Module, to: &Module) -> Option<Vec<Module>> {
    let mut ways = vec![vec![from.clone()]];
    let mut visited = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in graph.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
                if next == to {
                    return Some(way);
                }
                if visited.insert(next.clone()) {
                    longer.push(way.iter().cloned().chain([next.clone()]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

fn name(module: &Module) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("::") }
}
