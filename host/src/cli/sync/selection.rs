//! What to have in the store: repositories and tags, by their names or by patterns of these.

use downshift::Digest;
use downshift_registry::{is_local_name, is_tag};

/// How many references a list may have.
pub(super) const MAX_SELECTIONS: usize = 100_000;

const FORM: &str = "it must be of the form NAME[:TAG[,TAG...]] or NAME@DIGEST, such as library/httpd:2.4*, where * and ? \
                    stand for any characters";

/// Repositories, and what of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// A name, or a pattern of names.
    pub(super) name: String,
    pub(super) of: Wanted,
}

/// What of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The tags that fit one of these.
    Tags(Vec<String>),
    /// What this names.
    Digest(Digest),
}

impl Selection {
    /// Every tag of every repository.
    pub(super) fn everything() -> Self {
        Self { name: "**".to_owned(), of: Wanted::Tags(vec!["*".to_owned()]) }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, of) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = Digest::parse(digest).map_err(|error| error.to_string())?;
                (name, Wanted::Digest(digest))
            }
            None => {
                // Before the last slash there may be a port.
                let last = text.rsplit_once('/').map_or(text, |(_, last)| last);
                match last.split_once(':') {
                    Some((_, tags)) => {
                        let name = text.strip_suffix(tags).and_then(|name| name.strip_suffix(':'));
                        let tags: Vec<_> = tags.split(',').map(str::to_owned).collect();
                        (name.ok_or(FORM)?, Wanted::Tags(tags))
                    }
                    None => (text, Wanted::Tags(vec!["*".to_owned()])),
                }
            }
        };
        let filled = |pattern: &str| pattern.replace("**", "x").replace(['*', '?'], "x");
        let are_tags = match &of {
            Wanted::Tags(tags) => tags.iter().all(|tag| is_tag(&filled(tag))),
            Wanted::Digest(_) => !is_pattern(name),
        };
        // What begins or ends with a pattern may stand for a part of a component as well.
        if are_tags && is_local_name(&filled(name)) {
            Ok(Self { name: name.to_owned(), of })
        } else {
            Err(FORM.to_owned())
        }
    }

    /// Those in a file: one on each line, with comments after `#`.
    pub(super) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let mut selections = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let selection = Self::parse(line);
            selections
                .push(selection.map_err(|problem| format!("line {}: `{line}`: {problem}", number + 1))?);
            if selections.len() > MAX_SELECTIONS {
                return Err(format!("it names more than `{MAX_SELECTIONS}` images"));
            }
        }
        Ok(selections)
    }

    /// Whether one has to look which repositories there are.
    pub(super) fn is_open(&self) -> bool {
        is_pattern(&self.name)
    }

    pub(super) fn fits_name(&self, name: &str) -> bool {
        fits(&self.name, name)
    }
}

impl Wanted {
    /// Whether one has to look which tags there are.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Tags(tags) if tags.iter().any(|tag| is_pattern(tag)))
    }

    /// Whether it is every tag.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::Tags(tags) if tags == &["*"])
    }

    pub(super) fn fits_tag(&self, tag: &str) -> bool {
        matches!(self, Self::Tags(tags) if tags.iter().any(|pattern| fits(pattern, tag)))
    }

    /// The tags that are named.
    pub(super) fn named_tags(&self) -> impl Iterator<Item = &String> {
        let tags = match self {
            Self::Tags(tags) => tags.as_slice(),
            Self::Digest(_) => &[],
        };
        tags.iter().filter(|tag| !is_pattern(tag))
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a text fits a pattern: `?` is any character but a slash, `*` any number of these, and `**` of all characters.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // The places in the pattern where it may be after so much of the text.
    let mut at: Vec<bool> = vec![false; pattern.len() + 1];
    let set = |at: &mut Vec<bool>, place: usize| {
        let mut place = place;
        loop {
            if let Some(here) = at.get_mut(place) {
                *here = true;
            }
            // A star stands for nothing as well.
            if pattern.get(place) != Some(&b'*') {
                break;
            }
            place += 1;
        }
    };
    set(&mut at, 0);
    for byte in text {
        let mut next = vec![false; pattern.len() + 1];
        for place in (0..pattern.len()).filter(|&place| at.get(place) == Some(&true)) {
            let of_two = |place: usize| pattern.get(place) == Some(&b'*');
            match pattern.get(place) {
                Some(b'*') => {
                    let is_double = of_two(place + 1) || place > 0 && of_two(place - 1);
                    if is_double || *byte != b'/' {
                        set(&mut next, place);
                    }
                }
                Some(b'?') if *byte != b'/' => set(&mut next, place + 1),
                Some(own) if own == byte => set(&mut next, place + 1),
                _ => {}
            }
        }
        at = next;
    }
    at.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_tags_are_named_or_fit_patterns() {
        for (pattern, text) in [
            ("library/httpd", "library/httpd"),
            ("library/*", "library/httpd"),
            ("**", "a/b/c"),
            ("a/**/d", "a/b/c/d"),
            ("2.4*", "2.4.1"),
            ("2.4*", "2.4"),
            ("*-alpine", "3-alpine"),
            ("v?.?", "v1.2"),
            ("*", ""),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("library/*", "library/a/b"),
            ("library", "library/a"),
            ("2.4?", "2.4"),
            ("a?b", "a/b"),
            ("v?.?", "v10.2"),
            ("*-alpine", "alpine"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        // It takes no longer for many stars.
        assert!(!fits(&"*a".repeat(40), &"a".repeat(39)));
    }

    #[test]
    fn references_are_read() {
        let tags = |tags: &[&str]| Wanted::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let digest = Digest::of(b"");
        let by_digest = format!("a/b@{digest}");
        for (text, name, of) in [
            ("library/httpd", "library/httpd", tags(&["*"])),
            ("library/httpd:2.4*,latest", "library/httpd", tags(&["2.4*", "latest"])),
            ("localhost:5000/app:1", "localhost:5000/app", tags(&["1"])),
            ("localhost:5000/app", "localhost:5000/app", tags(&["*"])),
            ("team/**", "team/**", tags(&["*"])),
            ("*/app-*:v?", "*/app-*", tags(&["v?"])),
            (by_digest.as_str(), "a/b", Wanted::Digest(digest.clone())),
        ] {
            assert_eq!(Selection::parse(text), Ok(Selection { name: name.to_owned(), of }), "{text}");
        }
        let of_pattern = format!("a*@{digest}");
        for text in ["", ":1", "a:", "A", "a//b", "a:b c", "../a", "a:1,", "a@sha256:0", &of_pattern] {
            assert!(Selection::parse(text).is_err(), "{text}");
        }
        let list = "# mirror\nlibrary/httpd:2.4 # the web\n\n team/**\n";
        assert_eq!(Selection::parse_list(list).map(|list| list.len()), Ok(2));
        assert!(Selection::parse_list("a\nB").is_err_and(|problem| problem.starts_with("line 2: `B`")));
    }
}
