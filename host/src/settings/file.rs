//! The file of settings, in TOML.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Auth, Settings};
use crate::bounded;
use crate::error::Error;

/// Bytes of a file of settings: room for some thousand registries.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// How like a known key an unknown one must be to be taken for a slip: 1 is the same, 0 nothing like it.
const LIKENESS: f64 = 0.7;

/// Reads what a file says, and nothing else. Paths in it begin where it is.
///
/// # Errors
/// [`Error::Unreadable`], and [`Error::Unusable`] with the line: for an unknown key with the one that may be meant.
pub(crate) fn read(path: &Path) -> Result<Table, Error> {
    let text = String::from_utf8(bounded::read_file(path, MAX_FILE_BYTES)?)
        .map_err(|error| Error::unusable(path, error))?;
    let unusable = |error: toml::de::Error| Error::unusable(path, explain(&error, &text));
    // As a whole, for the types and the keys; what is not said is not known from that.
    toml::from_str::<Settings>(&text).map_err(unusable)?;
    let mut table: Table = text.parse().map_err(unusable)?;
    begin_paths(&mut table, path.parent().unwrap_or(Path::new("")));
    Ok(table)
}

/// Says on one line what is wrong, and where.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
    let message = error.message();
    // As serde words it: unknown field `a`, expected one of `b`, `c`.
    let mut names = message.split('`').skip(1).step_by(2);
    let problem = match (message.strip_prefix("unknown field "), names.next()) {
        (Some(_), Some(unknown)) => match nearest(unknown, names) {
            Some(known) => format!("there is no key `{unknown}`; the nearest is `{known}`"),
            None => format!("there is no key `{unknown}`"),
        },
        _ => message.lines().collect::<Vec<_>>().join(", "),
    };
    format!("line {line}: {problem}")
}

/// The name that is most like `unknown`, which may be a slip for it; of all if there is none like it, so that there is
/// one to look for.
fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| {
        let unknown = unknown.to_lowercase().replace('_', "-");
        let likeness = strsim::jaro_winkler(&unknown, name);
        // A word of several is nothing that the distance of letters sees.
        if likeness < LIKENESS && name.contains(&unknown) { LIKENESS } else { likeness }
    };
    known.map(|name| (likeness(name), name)).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// Makes the paths in a table begin in `folder`.
fn begin_paths(table: &mut Table, folder: &Path) {
    let begin = |value: &mut Value| {
        if let Value::String(path) = value {
            *path = folder.join(&*path).display().to_string();
        }
    };
    for folder in table.get_mut("store-links").and_then(Value::as_array_mut).into_iter().flatten() {
        begin(folder);
    }
    for key in ["store", "pulp", "data", "key", "guest", "tls-certificate", "tls-key"] {
        table.get_mut(key).map(begin);
    }
    if let Some(Value::String(auth)) = table.get_mut("auth")
        && let Ok(Auth::Htpasswd(path)) = auth.parse()
    {
        *auth = Auth::Htpasswd(PathBuf::from(folder).join(path)).to_string();
    }
    for upstream in table.get_mut("upstream").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in ["password-file", "docker-config", "ca", "proxy-password-file"] {
            upstream.get_mut(key).map(begin);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn refused(text: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path()).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_are_told_with_the_nearest_known_one() {
        for (text, expected) in [
            ("tag_ttl = 3", "line 1: there is no key `tag_ttl`; the nearest is `tag-ttl`"),
            ("\n\nlistn = 3", "line 3: there is no key `listn`; the nearest is `listen`"),
            ("certificate = 3", "the nearest is `tls-certificate`"),
            (
                "[[upstream]]\nurl = \"a\"\nprefx = \"b\"",
                "line 3: there is no key `prefx`; the nearest is `prefix`",
            ),
        ] {
            assert!(refused(text).contains(expected), "{}", refused(text));
        }
    }

    #[test]
    fn what_is_wrong_is_told_on_one_line_with_its_number() {
        for (text, expected) in [
            ("store = \"a\"\ntag-ttl = \"b\"", "line 2: invalid type: string \"b\", expected u64"),
            ("store = \"a\"\nstore = \"b\"", "line 2: "),
            ("\npolicy = \"lax\"", "line 2: "),
            ("listen = 5000", "line 1: "),
            ("store =", "line 1: "),
        ] {
            let refused = refused(text);
            assert!(refused.contains(expected) && !refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn paths_begin_where_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("downshift.toml");
        let text = "store-links = [\"a\", \"/b\"]\ndata = \"state\"\nkey = \"/key\"\nauth = \"htpasswd:users\"\n[[upstream]]\nurl = \"a\"\nca = \"ca\"\nproxy-password-file = \"p\"";
        std::fs::write(&path, text).unwrap();
        let table = read(&path).unwrap();
        let below = |name: &str| folder.path().join(name).display().to_string();
        assert_eq!(table["data"].as_str(), Some(&*below("state")));
        assert_eq!(table["store-links"][0].as_str(), Some(&*below("a")));
        assert_eq!(table["store-links"][1].as_str(), Some("/b"));
        assert_eq!(table["key"].as_str(), Some("/key"));
        assert_eq!(table["auth"].as_str(), Some(&*format!("htpasswd:{}", below("users"))));
        assert_eq!(table["upstream"][0]["ca"].as_str(), Some(&*below("ca")));
        assert_eq!(table["upstream"][0]["proxy-password-file"].as_str(), Some(&*below("p")));
    }
}
