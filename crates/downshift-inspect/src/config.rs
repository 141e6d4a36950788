//! Image configs, as people want to see them: whatever can be read is shown.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use downshift::Platform;
use downshift_json::{Kind, Value};

use crate::report::{HistoryEntry, ImageConfig, Pair};

/// A string that says something.
pub(crate) fn text(object: Value<'_>, name: &str) -> Option<String> {
    let text = object.field(name)?.as_text()?;
    (!text.is_empty()).then(|| text.into_owned())
}

/// An array of strings, or the one string that is also allowed; nothing for null.
fn texts(object: Value<'_>, name: &str) -> Option<Vec<String>> {
    let value = object.field(name)?;
    match value.kind() {
        Kind::Array => Some(value.elements().map(|element| element.text().into_owned()).collect()),
        Kind::String => Some(vec![value.text().into_owned()]),
        _ => None,
    }
}

fn names(object: Value<'_>, name: &str) -> Vec<String> {
    let members = object.field(name).into_iter().flat_map(Value::members);
    members.map(|(name, _)| name.text().into_owned()).collect()
}

/// What an image runs with, by its config or by the newest record of schema 1.
pub(crate) fn image(root: Value<'_>) -> ImageConfig {
    let mut image = ImageConfig {
        created: text(root, "created"),
        author: text(root, "author"),
        docker_version: text(root, "docker_version"),
        diff_ids: root.field("rootfs").and_then(|rootfs| texts(rootfs, "diff_ids")).unwrap_or_default(),
        ..ImageConfig::default()
    };
    let Some(config) = root.field("config").filter(|config| config.kind() == Kind::Object) else {
        return image;
    };
    image.user = text(config, "User");
    image.working_dir = text(config, "WorkingDir");
    image.entrypoint = texts(config, "Entrypoint");
    image.cmd = texts(config, "Cmd");
    image.env = texts(config, "Env").unwrap_or_default().iter().map(|entry| split(entry)).collect();
    image.labels = config.field("Labels").map(crate::parts::pairs).unwrap_or_default();
    image.exposed_ports = names(config, "ExposedPorts");
    image.volumes = names(config, "Volumes");
    image.stop_signal = text(config, "StopSignal");
    image.shell = texts(config, "Shell");
    image.health_check = config.field("Healthcheck").and_then(|check| texts(check, "Test"));
    image
}

pub(crate) fn split(entry: &str) -> Pair {
    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
    Pair::new(name, value)
}

/// The platform that a config says.
pub(crate) fn platform(root: Value<'_>) -> Option<Platform> {
    let architecture = text(root, "architecture")?;
    // What Docker took for granted before there were others.
    let os = text(root, "os").unwrap_or_else(|| "linux".into());
    Some(Platform { os, architecture, variant: text(root, "variant") })
}

/// The history of a config, oldest first, not yet joined to layers.
pub(crate) fn history(root: Value<'_>) -> Vec<HistoryEntry> {
    let entries = root.field("history").into_iter().flat_map(Value::elements);
    entries
        .map(|entry| HistoryEntry {
            created: text(entry, "created"),
            created_by: text(entry, "created_by"),
            author: text(entry, "author"),
            comment: text(entry, "comment"),
            empty: entry.field("empty_layer").is_some_and(|empty| empty.kind() == Kind::True),
            layer: None,
        })
        .collect()
}

/// A record of schema 1 as a history entry.
pub(crate) fn record(root: Value<'_>) -> HistoryEntry {
    let command = root.field("container_config").and_then(|config| texts(config, "Cmd"));
    HistoryEntry {
        created: text(root, "created"),
        created_by: command.map(|command| command.join(" ")).filter(|command| !command.is_empty()),
        author: text(root, "author"),
        comment: text(root, "comment"),
        empty: root.field("throwaway").is_some_and(|throwaway| throwaway.kind() == Kind::True),
        layer: None,
    }
}
