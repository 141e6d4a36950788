//! The pages of a registry's list, one after the other.

use core::fmt;
use std::collections::BTreeSet;

use downshift_registry::link::next_query;

/// The pages of a list.
pub(super) struct Pages<'p> {
    path: &'p str,
    /// How many there may be.
    most: usize,
    /// The query of the next one; none at the end.
    next: Option<String>,
    seen: BTreeSet<String>,
}

/// Why there is no end of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endless {
    Circle,
    TooMany { most: usize },
}

impl<'p> Pages<'p> {
    /// Those of the list at `path`, at most so many.
    pub(super) fn new(path: &'p str, most: usize) -> Self {
        Self { path, most, next: Some(String::new()), seen: BTreeSet::new() }
    }

    /// Where the next page is, if there is one more.
    pub(super) fn next(&mut self) -> Result<Option<String>, Endless> {
        let Some(query) = self.next.take() else { return Ok(None) };
        let target = if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) };
        if !self.seen.insert(query) {
            return Err(Endless::Circle);
        }
        if self.seen.len() > self.most {
            return Err(Endless::TooMany { most: self.most });
        }
        Ok(Some(target))
    }

    /// Goes on to where the `Link` headers of a page lead.
    pub(super) fn go_on<'l>(&mut self, links: impl IntoIterator<Item = &'l str>) {
        self.next = links.into_iter().find_map(next_query);
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circle => f.write_str("its pages lead in a circle"),
            Self::TooMany { most } => write!(f, "it has more than `{most}` pages"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/v2/a/tags/list";

    /// The targets that are asked for where the pages have these links, and why it does not go on.
    fn follow(links: &[Option<&str>], most: usize) -> (Vec<String>, Option<Endless>) {
        let (mut pages, mut targets, mut links) = (Pages::new(PATH, most), Vec::new(), links.iter());
        loop {
            match pages.next() {
                Ok(Some(target)) => targets.push(target),
                Ok(None) => return (targets, None),
                Err(endless) => return (targets, Some(endless)),
            }
            pages.go_on(links.next().copied().flatten());
        }
    }

    #[test]
    fn lists_end_where_they_lead_in_a_circle() {
        let [one, two] = ["</v2/a/tags/list?last=1>; rel=next", "<https://elsewhere/x?last=2>; rel=\"next\""];
        let all = [PATH.to_owned(), format!("{PATH}?last=1"), format!("{PATH}?last=2")];
        let ends = |links: &[Option<&str>]| follow(links, 10);
        assert_eq!(ends(&[]), (all[..1].to_vec(), None));
        assert_eq!(ends(&[Some(one), Some(two)]), (all.to_vec(), None));
        assert_eq!(ends(&[Some(one), Some(one)]), (all[..2].to_vec(), Some(Endless::Circle)));
        assert_eq!(ends(&[Some(one), Some(two), Some(one)]), (all.to_vec(), Some(Endless::Circle)));
        let many = follow(&[Some(one), Some(two)], 2);
        assert_eq!(many, (all[..2].to_vec(), Some(Endless::TooMany { most: 2 })));
    }
}
