//! The tags of a repository, page by page.

use downshift_registry::{Problem, is_tag};
use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;

use super::super::pages::Pages;
use super::super::refusal::Refusal;
use super::front::{Front, Question};

/// Bytes of a page. Registries without pages give everything at once.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Tags of a repository.
const MAX_TAGS: usize = 100_000;

/// Pages of a list.
const MAX_PAGES: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

/// All tags of a repository, as the server lists them.
pub(super) async fn list(front: &Front, repository: &str) -> Result<Vec<String>, Refusal> {
    let mut tags = Vec::new();
    let list = format!("v2/{repository}/tags/list");
    let mut pages = Pages::new(&list, MAX_PAGES);
    while let Some(path) = pages.next().map_err(|endless| too_long(repository, &endless.to_string()))? {
        let question = Question { method: Method::GET, path, headers: HeaderMap::new(), repository };
        let response = front.ask(&question).await?;
        pages.go_on(response.headers().get_all(LINK).iter().filter_map(|link| link.to_str().ok()));
        let page = front.read(response, MAX_PAGE_BYTES).await?;
        let page: Page = serde_json::from_slice(&page)
            .map_err(|_| Problem::Invalid("its tag list is not JSON".to_owned()))?;
        tags.extend(page.tags.unwrap_or_default().into_iter().filter(|tag| is_tag(tag)));
        if tags.len() > MAX_TAGS {
            return Err(too_long(repository, &format!("it has more than `{MAX_TAGS}` tags")));
        }
    }
    Ok(tags)
}

fn too_long(repository: &str, problem: &str) -> Refusal {
    Refusal {
        reason: "too-many-tags".to_owned(),
        cause: format!("the list of tags of `{repository}` cannot be used: {problem}"),
        remedy: "name the images that clients need".to_owned(),
    }
}
