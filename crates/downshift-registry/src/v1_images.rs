//! Images as version 1 has them: one for each entry of a schema 1 manifest's history.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift::document::Document;
use downshift::{Digest, Failure, Fault, Limits};
use downshift_json::{Json, Object, array, string};

use crate::message::NO_STORE;
use crate::route::is_v1_id;
use crate::v1_token::cookie;
use crate::{Body, Response, V1Token};

/// The version of the last registry that spoke version 1 (docker-registry 0.9.1). Docker before 0.7 takes nothing for a registry
/// that does not say one.
const VERSION: &str = "0.9.1";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// An image: what a layer is of, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Image {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// What version 1 says of it, in JSON.
    pub json: String,
    /// The digest of its layer.
    pub layer: Digest,
}

/// An image and all those below it, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Images(Vec<V1Image>);

impl V1Images {
    /// Those of a schema 1 manifest.
    ///
    /// # Errors
    /// What keeps the manifest from being one that version 1 can tell.
    pub fn read(manifest: &[u8], limits: &Limits) -> Result<Self, Box<Failure>> {
        let Ok(Document::Schema1(manifest)) = Document::parse(manifest, limits) else {
            return Err(untold("what is stored is no image"));
        };
        let (layers, history) = (&manifest.layers, &manifest.history);
        if layers.len() != history.len() || layers.is_empty() {
            let (layers, history) = (layers.len(), history.len());
            return Err(untold(&format!("there are `{layers}` layers and `{history}` entries of history")));
        }
        let images = layers.iter().zip(history).enumerate();
        let read = |(index, (layer, json)): (usize, (&String, &String))| {
            let lacks = |what: &str| untold(&format!("entry `{index}` of its history has no {what}"));
            Ok(V1Image {
                id: id(json, limits).ok_or_else(|| lacks("image id"))?,
                json: json.clone(),
                layer: Digest::parse(layer).map_err(|_| lacks("digest of a layer"))?,
            })
        };
        images.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// All of them, the newest first.
    #[must_use]
    pub fn all(&self) -> &[V1Image] {
        &self.0
    }

    /// The newest one's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.first().map_or("", |image| &image.id)
    }

    /// The digests of their layers, each once, but for the empty one that every server has.
    #[must_use]
    pub fn layers(&self) -> Vec<Digest> {
        let is_own = |digest: &&Digest| digest.as_str() != Digest::EMPTY_LAYER;
        let mut layers: Vec<_> = self.0.iter().map(|image| &image.layer).filter(is_own).cloned().collect();
        layers.sort();
        layers.dedup();
        layers
    }

    /// The image with this id, and those below it.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Option<(&V1Image, &[V1Image])> {
        let at = self.0.iter().position(|image| image.id == id)?;
        let all = self.0.get(at..)?;
        Some((all.first()?, all))
    }
}

fn id(json: &str, limits: &Limits) -> Option<String> {
    let json = Json::parse("v1Compatibility", json.as_bytes(), limits).ok()?;
    let id = json.root().member("id")?.as_text()?;
    is_v1_id(&id).then(|| id.to_string())
}

fn untold(cause: &str) -> Box<Failure> {
    Box::new(Failure {
        code: Cow::Borrowed("v1-images"),
        fault: Fault::Document,
        cause: ["version 1 of the registry API has no way to tell this image: ", cause].concat(),
        remedy: Cow::Borrowed("pull it with Docker 1.6 or later, or push it again"),
    })
}

/// `/v1/_ping`: that there is a registry of version 1. It is no `standalone` one, for clients say their name and password with
/// everything that they ask of such a one, and no token.
#[must_use]
pub fn ping() -> Response {
    let body = Object::new().flag("standalone", false).finish();
    Response::new(200)
        .with("x-docker-registry-version", VERSION)
        .with("x-docker-registry-standalone", "false")
        .with("cache-control", NO_STORE)
        .with_body(JSON, body.into_bytes())
}

/// `/v1/repositories/NAME/images`: the images that have tags, by their ids, and the token for all that is asked next.
#[must_use]
pub fn images<'a>(ids: impl IntoIterator<Item = &'a str>, token: &V1Token, code: &[u8; 32]) -> Response {
    let token = token.with_code(code);
    let cookie = cookie(&token);
    open_images(ids).with("x-docker-token", token).with("set-cookie", cookie)
}

/// The same where no token is needed.
#[must_use]
pub fn open_images<'a>(ids: impl IntoIterator<Item = &'a str>) -> Response {
    let image = |id: &str| Object::new().text("id", id).finish();
    json(array(ids.into_iter().map(image)))
}

/// `/v1/repositories/NAME/tags`: the tags, each with the id of its image.
#[must_use]
pub fn tags<'a>(tags: impl IntoIterator<Item = (&'a str, String)>) -> Response {
    let mut object = Object::new();
    for (tag, id) in tags {
        object.text(tag, &id);
    }
    json(object.finish())
}

/// `/v1/images/ID/ancestry`: the ids of an image and of those below it.
#[must_use]
pub fn ancestry<'a>(ids: impl IntoIterator<Item = &'a str>) -> Response {
    json(array(ids.into_iter().map(string)))
}

/// `/v1/images/ID/json`: what there is to say of an image, and how many bytes its layer has, where that is known. By these
/// Docker goes on with a layer that has broken off.
#[must_use]
pub fn image(image: &V1Image, size: Option<u64>) -> Response {
    let response = json(image.json.clone());
    match size {
        Some(size) => response.with_number("x-docker-size", size),
        None => response,
    }
}

fn json(body: String) -> Response {
    Response::new(200).with("cache-control", NO_STORE).with_body(JSON, body.into_bytes())
}

/// `/v1/images/ID/layer`: the layer, as the `response` to a request for its blob has it. No cache may keep it, which would give
/// it to who has no token for it.
#[must_use]
pub fn layer(mut response: Response) -> Response {
    if response.status == 416 {
        // Docker takes that for the end, if there is no body (docker 1.5, `pkg/httputils/resumablerequestreader.go`).
        return Response::new(416).with("cache-control", NO_STORE).with("content-length", "0");
    }
    if response.status >= 400 {
        return plain(&response);
    }
    match response.headers.iter_mut().find(|(name, _)| *name == "cache-control") {
        Some((_, control)) => *control = NO_STORE.to_string(),
        None => response.headers.push(("cache-control", NO_STORE.to_string())),
    }
    response
}

/// There is no such repository, tag or image.
#[must_use]
pub fn unknown() -> Response {
    text(404, "there is no such image; look for its name and tag with a current client\n".into())
}

/// An error in plain text, as version 1 has them: what the `response` with it says, with its status and its challenge.
#[must_use]
pub fn plain(response: &Response) -> Response {
    let message = match &response.body {
        Body::Bytes(body) => message(body),
        _ => None,
    };
    let mut plain =
        text(response.status, [message.as_deref().unwrap_or("the registry failed"), "\n"].concat());
    let kept = |(name, _): &&(&'static str, String)| matches!(*name, "www-authenticate" | "retry-after");
    plain.headers.extend(response.headers.iter().filter(kept).cloned());
    plain
}

fn message(body: &[u8]) -> Option<String> {
    let json = Json::parse("error", body, downshift_json::Limits::default()).ok()?;
    let error = json.root().member("errors")?.elements().next()?;
    error.member("message")?.as_text().map(Cow::into_owned)
}

pub(crate) fn text(status: u16, text: String) -> Response {
    Response::new(status).with("cache-control", NO_STORE).with_body(TEXT, text.into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{Reference, error};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// A manifest with these layers and this history.
    fn manifest(layers: &[&str], history: &[&str]) -> Vec<u8> {
        let layer = |sum: &&str| Object::new().text("blobSum", sum).finish();
        let entry = |json: &&str| Object::new().text("v1Compatibility", json).finish();
        let mut manifest = Object::new();
        manifest.number("schemaVersion", 1).text("name", "a").text("tag", "b").text("architecture", "amd64");
        manifest.json("fsLayers", &array(layers.iter().map(layer)));
        manifest.json("history", &array(history.iter().map(entry))).finish().into_bytes()
    }

    fn read(layers: &[&str], history: &[&str]) -> Result<V1Images, String> {
        let images = V1Images::read(&manifest(layers, history), &Limits::default());
        images.map_err(|failure| [&failure.code, ": ", &failure.cause].concat())
    }

    fn entry(id: &str) -> String {
        Object::new().text("id", id).text("comment", "<&>").finish()
    }

    #[test]
    fn an_image_is_an_entry_of_the_history() {
        let (layer, empty) = (Digest::of(b"layer"), Digest::empty_layer());
        let history = [entry(B), entry(A)];
        let images = read(&[empty.as_str(), layer.as_str()], &[&history[0], &history[1]]).unwrap();
        assert_eq!(images.id(), B);
        let (newest, all) = images.with_id(B).unwrap();
        assert_eq!((newest.json.as_str(), &newest.layer), (history[0].as_str(), &empty));
        let ids = all.iter().map(|image| image.id.as_str());
        assert_eq!(ancestry(ids).body, Body::Bytes(format!(r#"["{B}","{A}"]"#).into()));
        let (lowest, all) = images.with_id(A).unwrap();
        assert_eq!((&lowest.layer, all.len()), (&layer, 1));
        assert_eq!(images.with_id("c"), None);
        let told = image(lowest, Some(7));
        assert_eq!(told.body, Body::Bytes(history[1].clone().into()));
        assert!(told.headers.contains(&("x-docker-size", "7".into())));
        assert!(image(lowest, None).headers.iter().all(|(name, _)| *name != "x-docker-size"));
    }

    #[test]
    fn what_version_1_cannot_tell_is_refused() {
        let (layer, good) = (Digest::of(b"layer"), entry(A));
        let cause = |text: &str| {
            Err(["v1-images: version 1 of the registry API has no way to tell this image: ", text].concat())
        };
        let layer = layer.as_str();
        assert_eq!(read(&[layer], &[]), cause("there are `1` layers and `0` entries of history"));
        assert_eq!(read(&[], &[]), cause("there are `0` layers and `0` entries of history"));
        for bad in ["{}", "[]", "", r#"{"id":7}"#, &entry("a"), &entry(&A.to_uppercase())] {
            let expected = cause("entry `1` of its history has no image id");
            assert_eq!(read(&[layer, layer], &[&good, bad]), expected, "{bad}");
        }
        let tar_sum = "tarsum.dev+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(read(&[tar_sum], &[&good]), cause("entry `0` of its history has no digest of a layer"));
        let other = V1Images::read(b"{}", &Limits::default()).map_err(|failure| failure.cause.to_string());
        assert!(other.is_err_and(|cause| cause.ends_with("what is stored is no image")));
    }

    #[test]
    fn errors_are_lines_and_a_layer_is_for_no_cache() {
        let unknown = error::manifest_unknown("a", &Reference::Tag("b".into()));
        let told = plain(&unknown);
        assert_eq!((told.status, told.body), (404, Body::Bytes("manifest unknown\n".into())));
        assert_eq!(plain(&Response::new(500)).body, Body::Bytes("the registry failed\n".into()));
        let busy = plain(&error::busy());
        assert!(busy.headers.contains(&("retry-after", "1".into())));
        assert_eq!(layer(error::blob_unknown(&Digest::of(b""))).status, 404);
        let past = layer(error::range_invalid(7));
        assert_eq!((past.status, &past.body), (416, &Body::Bytes(Vec::new().into())));
        let blob = layer(crate::response::blob_part(&Digest::of(b""), 7, None));
        assert!(blob.headers.contains(&("cache-control", "no-store".into())));
        assert_eq!(blob.body, Body::Blob(0..7));
    }
}
