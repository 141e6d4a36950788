//! The `Link` header (RFC 8288), with which lists go on.

use alloc::string::{String, ToString};

/// Bytes of a query that are followed. Registries put a tag or a token into it.
const MAX_QUERY_BYTES: usize = 2048;

/// The query of the next page, such as `n=10&last=1.0`, if there is one. Of the URL nothing else is of use: the path
/// is known, and another host would not be asked.
#[must_use]
pub fn next_query(header: &str) -> Option<String> {
    // Between commas, but a comma may stand in a URL as well: what counts begins with `<`.
    let link = header.split('<').skip(1).find(|link| is_next(link))?;
    let (url, _) = link.split_once('>')?;
    let (_, query) = url.split_once('?')?;
    let in_query = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'#' | b'\\');
    let is_query = !query.is_empty() && query.len() <= MAX_QUERY_BYTES && query.bytes().all(in_query);
    is_query.then(|| query.to_string())
}

/// Whether the parameters of a link, from its URL on, say that it leads to the next page.
fn is_next(link: &str) -> bool {
    let Some((_, parameters)) = link.split_once('>') else { return false };
    parameters.split([';', ',']).filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        let relations = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && relations.split(' ').any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_the_next_page_is_found() {
        for header in [
            r#"</v2/a/tags/list?n=2&last=v1>; rel="next""#,
            r#"<https://example.org/v2/a/tags/list?n=2&last=v1>; rel=next"#,
            r#"</v2/a/tags/list?n=1>; rel="first", </x?n=2&last=v1>; title=x; REL="prefetch Next""#,
        ] {
            assert_eq!(next_query(header).as_deref(), Some("n=2&last=v1"), "{header}");
        }
        assert_eq!(next_query("<?a=b,c>;rel=next").as_deref(), Some("a=b,c"));
    }

    #[test]
    fn what_leads_nowhere_is_none() {
        for header in [
            "",
            "x",
            "</a>; rel=next",
            "</a?>; rel=next",
            "</a?n=1>; rel=prev",
            "</a?n=1",
            "</a?n=\"\n>;rel=next",
        ] {
            assert_eq!(next_query(header), None, "{header}");
        }
    }
}
