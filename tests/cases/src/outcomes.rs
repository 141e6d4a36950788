//! `tests/cases/outcomes.md`: what each client gets of each stored image, as tables that people read.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, bail, ensure};
use downshift::{Form, Platform};

use crate::files;

/// The tables of the file.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The clients, in the order of the file.
    pub clients: Vec<Client>,
    /// The names of the images, which are their tags, in the order of the file.
    pub images: Vec<String>,
    /// The values of `If-None-Match`, in which `DIGEST` stands for the digest that is reported, and the status that
    /// each gives where there is a manifest.
    pub conditions: Vec<(Option<String>, u16)>,
    /// `Cache-Control` and `Vary` by what is asked for and what comes.
    headers: BTreeMap<(String, String), [Option<String>; 2]>,
    /// By title, by client and column.
    tables: BTreeMap<String, BTreeMap<(String, String), Cell>>,
    /// The letters of the reasons that are listed.
    reasons: Vec<String>,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Its `User-Agent`.
    user_agent: Option<String>,
    /// The lines of its `Accept` header.
    accept: Vec<String>,
    /// Whether there is such a client.
    pub is_real: bool,
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The manifest as it is stored, or as it was reported.
    Same,
    /// Stored schema 1 with a signature of the server's.
    Signed,
    /// Stored schema 1 without its signature.
    Unsigned,
    /// The manifest for this platform that a list or index has, as it is stored.
    Child(Platform),
    /// The first of them, whose layers are compressed with zstd, where [`Child`](Self::Child) is one whose are not.
    ZstdChild(Platform),
    /// The image, or that for this platform, in another form.
    Converted(Form, Platform),
    /// The image, or the first for this platform, in this form, with plain layers in the place of those that are compressed
    /// with zstd.
    Plain(Form, Platform),
    /// An error with this status and, if it is ours, this reason.
    Refused(u16, Option<String>),
}

/// The titles of the tables.
pub mod title {
    /// What tags give under the strict policy.
    pub const BY_TAG: &str = "By tag";
    /// What the digests of stored manifests give under the strict policy.
    pub const BY_STORED_DIGEST: &str = "By the stored digest";
    /// What the digests give that were reported to somebody for a converted manifest of this form.
    pub const BY_REPORTED_DIGEST: &str = "By a reported digest";
    /// What is added to the title of a table for the cells that differ under the reference policy.
    pub const REFERENCE_POLICY: &str = ", with `--policy reference`";
}

impl Outcomes {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or has something else in it.
    pub fn read() -> anyhow::Result<Self> {
        let path = files::path("cases/outcomes.md");
        let text =
            fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("`{}`", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut outcomes = Self {
            clients: Vec::new(),
            images: Vec::new(),
            conditions: Vec::new(),
            headers: BTreeMap::new(),
            tables: BTreeMap::new(),
            reasons: text.lines().filter_map(reason).collect(),
        };
        for section in text.split("\n## ").skip(1) {
            let (title, text) = section.split_once('\n').context("a section is empty")?;
            for (header, rows) in tables(text) {
                outcomes.add(title, &header, &rows).with_context(|| format!("`{title}`"))?;
            }
        }
        Ok(outcomes)
    }

    fn add(&mut self, title: &str, header: &[&str], rows: &[Vec<&str>]) -> anyhow::Result<()> {
        for row in rows {
            ensure!(row.len() == header.len(), "the row of `{}` has another number of cells", row[0]);
            match title {
                "Clients" => self.clients.push(Client::read(row[0], row[1], row[2])),
                "Images" => self.images.push(row[0].to_string()),
                "Conditions" => self.conditions.push((optional(row[0]), row[1].parse()?)),
                "Headers" => {
                    let key = (row[0].to_string(), row[1].to_string());
                    self.headers.insert(key, [optional(row[2]), optional(row[3])]);
                }
                _ => self.add_row(title, header, row)?,
            }
        }
        Ok(())
    }

    fn add_row(&mut self, title: &str, header: &[&str], row: &[&str]) -> anyhow::Result<()> {
        let client = row[0];
        ensure!(self.clients.iter().any(|known| known.name == client), "there is no client `{client}`");
        for (column, cell) in header.iter().zip(row).skip(1) {
            let (cell, reason) = cell.split_once(" (").unwrap_or((cell, ""));
            if cell == "=" {
                continue;
            }
            if !reason.is_empty() {
                let letter = reason.trim_end_matches(')');
                ensure!(self.reasons.iter().any(|known| known == letter), "there is no reason `{letter}`");
            }
            let cell = Cell::read(cell).with_context(|| format!("`{client}` and `{column}`"))?;
            let table = self.tables.entry(title.to_string()).or_default();
            let before = table.insert((client.to_string(), (*column).to_string()), cell);
            ensure!(before.is_none(), "`{client}` and `{column}` are there twice");
        }
        Ok(())
    }

    /// `Cache-Control` and `Vary`, where they are there, of an `answer` to a request for a `reference`, by the words of
    /// the table.
    ///
    /// # Errors
    /// If the table does not say.
    pub fn headers(&self, reference: &str, answer: &str) -> anyhow::Result<&[Option<String>; 2]> {
        let headers = self.headers.get(&(reference.to_string(), answer.to_string()));
        headers.with_context(|| format!("there are no headers for `{reference}` and `{answer}`"))
    }

    /// What `client` gets of `column` by the last of the tables `titles` that says so.
    #[must_use]
    pub fn find(&self, titles: &[&str], client: &str, column: &str) -> Option<&Cell> {
        let key = (client.to_string(), column.to_string());
        titles.iter().rev().find_map(|&title| self.tables.get(title)?.get(&key))
    }
}

impl Client {
    fn read(name: &str, user_agent: &str, accept: &str) -> Self {
        let user_agent = optional(user_agent);
        let accept = accept.split(" + ").filter(|&line| line != "-").map(written_out).collect();
        let is_real = user_agent.is_some();
        Self { name: name.to_string(), user_agent, accept, is_real }
    }

    /// Whether its `Accept` names a form as Distribution reads it: exactly, and whatever parameters follow.
    #[must_use]
    pub fn names(&self, form: Form) -> bool {
        let mut elements = self.accept.iter().flat_map(|line| line.split(','));
        elements.any(|element| element.split(';').next().map(str::trim) == Some(form.media_type()))
    }

    /// The headers of its requests for manifests.
    #[must_use]
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let user_agent = self.user_agent.iter().map(|text| ("User-Agent", text.as_str()));
        user_agent.chain(self.accept.iter().map(|line| ("Accept", line.as_str()))).collect()
    }
}

impl Cell {
    fn read(text: &str) -> anyhow::Result<Self> {
        let (word, platform) = match text.split_once(' ') {
            Some((word, architecture)) => (word, format!("linux/{architecture}").parse()?),
            None => (text, Platform::linux_amd64()),
        };
        Ok(match word {
            "same" => Self::Same,
            "signed" => Self::Signed,
            "unsigned" => Self::Unsigned,
            "child" => Self::Child(platform),
            "zstd-child" => Self::ZstdChild(platform),
            _ => match (form(word), word.parse()) {
                (Some(form), _) => Self::Converted(form, platform),
                _ if let Some(form) = word.strip_prefix("plain-").and_then(form) => {
                    Self::Plain(form, platform)
                }
                (None, Ok(status)) => Self::Refused(status, None),
                _ if word.contains('-') || word == "artifact" => Self::Refused(400, Some(word.to_string())),
                _ => bail!("`{text}` says nothing"),
            },
        })
    }
}

/// The tables in `text`: for each the cells of its header, and those of its rows.
fn tables(text: &str) -> Vec<(Vec<&str>, Vec<Vec<&str>>)> {
    let mut tables = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut rows = paragraph
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
            .map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>());
        if let Some(header) = rows.next() {
            tables.push((header, rows.collect()));
        }
    }
    tables
}

/// The text of a cell, if it is not empty.
fn optional(cell: &str) -> Option<String> {
    Some(cell.trim_matches('`')).filter(|&text| text != "-").map(ToString::to_string)
}

/// The letter of a listed reason: `* a: because …`
fn reason(line: &str) -> Option<String> {
    let (letter, _) = line.strip_prefix("* ")?.split_once(": ")?;
    (letter.len() == 1).then(|| letter.to_string())
}

/// A line of an `Accept` header, with media types in the place of the names of forms.
fn written_out(line: &str) -> String {
    let element = |element: &str| {
        let (name, parameters) = element.split_at(element.find(';').unwrap_or(element.len()));
        form(name).map_or_else(|| element.to_string(), |form| format!("{}{parameters}", form.media_type()))
    };
    line.split(", ").map(element).collect::<Vec<_>>().join(", ")
}

fn form(name: &str) -> Option<Form> {
    Form::ALL.into_iter().find(|form| form.name() == name)
}
