//! The configs that other tools make of schema 1: `tests/vectors/upward-tools.jsonl` has the ids that they gave the images of
//! `upward.jsonl` and `upward-edges.jsonl`.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use downshift::document::Document;
use downshift::layer::LayerFacts;
use downshift::{Digest, Limits, UpgradeTool};
use downshift_cases::{layers, upward};

/// The digest of the config that a tool makes.
fn id(
    tool: UpgradeTool,
    manifest: &[u8],
    facts: &BTreeMap<Digest, LayerFacts>,
) -> anyhow::Result<Option<Digest>> {
    let limits = Limits::default();
    let Document::Schema1(schema1) = Document::parse(manifest, &limits)? else {
        anyhow::bail!("it is not schema 1")
    };
    let facts = |blob: &str| facts.get(&Digest::parse(blob).ok()?).cloned();
    Ok(tool.config(&schema1, &facts, &limits).map(|config| Digest::of(&config)))
}

#[test]
fn each_tool_gives_the_id_that_it_gave() -> anyhow::Result<()> {
    let ids = upward::ids()?;
    let (mut problems, mut known) = (Vec::new(), BTreeMap::new());
    for vector in upward::read()?.into_iter().chain(upward::read_edges()?) {
        let documents = vector.documents()?;
        let facts =
            documents.iter().filter_map(|(digest, blob)| Some((digest.clone(), layers::facts(blob).ok()?)));
        let facts = facts.collect();
        let given = ids.get(&vector.name).with_context(|| format!("nothing is known of {}", vector.name))?;
        for tool in UpgradeTool::ALL {
            let expected = match tool {
                UpgradeTool::Docker => vector.docker_image_id.as_str(),
                tool => match given.get(tool.name()) {
                    Some(id) => id,
                    // Not all tools have seen all images.
                    None => continue,
                },
            };
            match id(tool, vector.manifest.as_bytes(), &facts)? {
                Some(id) if id.as_str() == expected => *known.entry(tool.name()).or_insert(0) += 1,
                Some(id) => {
                    problems.push(format!("{} by {}: {id}, not {expected}", vector.name, tool.name()));
                }
                None => {}
            }
        }
    }
    ensure!(problems.is_empty(), "{} differ\n{}", problems.len(), problems.join("\n"));
    for tool in UpgradeTool::ALL {
        let known = known.get(tool.name()).copied().unwrap_or(0);
        ensure!(known >= 100, "{} ids by {} are known", known, tool.name());
    }
    Ok(())
}
