//! The images that are served, in every server's own way.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, bail, ensure};
use downshift::{Form, Limits, Policy, jws};
use downshift_cases::images::{Image, built, layout};
use downshift_cases::implementation::{Implementation, Native, Outcome, schema1_request};
use downshift_cases::vectors::Fetched;
use downshift_tests::registry::Registry;
use tempfile::TempDir;

/// How many images the cold load asks for, each under a tag of its own.
pub(super) const COLD_IMAGES: usize = 5_000;

/// How many of them a repository has.
pub(super) const COLD_IMAGES_PER_REPOSITORY: usize = 100;

/// How many layers an image has. Its config then has 2.4 KB.
const LAYERS: usize = 5;

/// How many repositories are pushed at a time.
const PUSHERS: usize = 4;

/// A folder for all that the servers serve.
pub(super) struct Site {
    folder: TempDir,
    repositories: Vec<Vec<Tagged>>,
}

/// An image under its tag.
pub(super) struct Tagged {
    /// The repository's name.
    pub(super) repository: String,
    /// The tag.
    pub(super) tag: String,
    image: Image,
}

impl Tagged {
    /// The image that the hot loads ask for.
    pub(super) fn hot() -> Self {
        let image = built::layers(LAYERS, COLD_IMAGES);
        Self { repository: "library/hot".to_owned(), tag: "latest".to_owned(), image }
    }

    /// All images that the cold load asks for, by repository.
    pub(super) fn all_cold() -> impl Iterator<Item = Vec<Self>> {
        (0..COLD_IMAGES).step_by(COLD_IMAGES_PER_REPOSITORY).map(|first| {
            let end = COLD_IMAGES.min(first + COLD_IMAGES_PER_REPOSITORY);
            (first..end).map(Self::cold).collect()
        })
    }

    /// The path of its manifest.
    pub(super) fn path(&self) -> String {
        format!("/v2/{}/manifests/{}", self.repository, self.tag)
    }

    /// An image that the cold load asks for.
    pub(super) fn cold(number: usize) -> Self {
        Self {
            repository: format!("cold/{}", number / COLD_IMAGES_PER_REPOSITORY),
            tag: (number % COLD_IMAGES_PER_REPOSITORY).to_string(),
            image: built::layers(LAYERS, number),
        }
    }
}

impl Site {
    /// Writes the images as Downshift's store, and as files for nginx. `repositories` has them by repository.
    pub(super) fn write(repositories: Vec<Vec<Tagged>>) -> anyhow::Result<Self> {
        let site = Self { folder: tempfile::tempdir()?, repositories };
        site.repositories.iter().try_for_each(|images| site.write_repository(images))?;
        Ok(site)
    }

    /// Pushes the images to docker-registry.
    pub(super) fn push(&self, url: &str) -> anyhow::Result<()> {
        let registry = Registry::at(url);
        let push = |repositories: &[Vec<Tagged>]| -> anyhow::Result<()> {
            let mut images = repositories.iter().flatten();
            images.try_for_each(|tagged| registry.push(&tagged.repository, &tagged.tag, &tagged.image))
        };
        thread::scope(|scope| {
            let shares = self.repositories.chunks(self.repositories.len().div_ceil(PUSHERS).max(1));
            let pushers: Vec<_> = shares.map(|share| scope.spawn(|| push(share))).collect();
            pushers.into_iter().try_for_each(|pusher| pusher.join().expect("pushing does not panic"))
        })
    }

    /// Fetches an image's manifest, and checks that it is the right one.
    pub(super) fn check(&self, url: &str, tagged: &Tagged, form: Form) -> anyhow::Result<()> {
        let accept = (form != Form::Schema1).then_some(form.media_type());
        let fetched = Registry::at(url).fetch(&tagged.repository, &tagged.tag, accept.as_slice())?;
        let Fetched::Answer { status: 200, content_type, body, .. } = fetched else {
            bail!("{url} gave {fetched:?}");
        };
        let content_type = content_type.unwrap_or_default();
        ensure!(content_type == form.media_type(), "{url} gave `{content_type}`, not {form}");
        let is_same = match form {
            // The signature is another one each time.
            Form::Schema1 => payload(&body)? == payload(&schema1(tagged)?)?,
            _ => body == tagged.image.manifest.bytes,
        };
        ensure!(is_same, "{url} gave another manifest than Downshift's");
        Ok(())
    }

    /// Downshift's store.
    pub(super) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The folder that nginx serves, with one for each form in it.
    pub(super) fn files(&self) -> PathBuf {
        self.path("files")
    }

    /// Where to put `name`, something that a server needs.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_repository(&self, images: &[Tagged]) -> anyhow::Result<()> {
        let Some(first) = images.first() else { return Ok(()) };
        let tags: Vec<(&str, Image)> =
            images.iter().map(|tagged| (tagged.tag.as_str(), tagged.image.clone())).collect();
        layout::write(&self.store().join(&first.repository), &tags)?;
        for tagged in images {
            self.write_file(Form::Schema1, tagged, &schema1(tagged)?)?;
            self.write_file(Form::Schema2, tagged, &tagged.image.manifest.bytes)?;
        }
        Ok(())
    }

    fn write_file(&self, form: Form, tagged: &Tagged, bytes: &[u8]) -> anyhow::Result<()> {
        let folder =
            self.files().join(form_folder(form)).join("v2").join(&tagged.repository).join("manifests");
        let write = |folder: &Path| {
            fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(&tagged.tag), bytes))
        };
        write(&folder).with_context(|| format!("`{}` cannot be written", folder.display()))
    }
}

/// The folder that has the manifests of a form.
pub(super) fn form_folder(form: Form) -> &'static str {
    if form == Form::Schema1 { "schema1" } else { "schema2" }
}

/// The whole document that an old client gets.
fn schema1(tagged: &Tagged) -> anyhow::Result<Vec<u8>> {
    let digest = tagged.image.manifest.digest();
    let request = schema1_request(&tagged.repository, &tagged.tag, digest, Policy::Strict);
    match Native.answer(&request, &tagged.image.documents()) {
        Outcome::Answered(answered) => Ok(answered.body),
        outcome => bail!("the image is not converted: {outcome:?}"),
    }
}

fn payload(document: &[u8]) -> anyhow::Result<Vec<u8>> {
    Ok(jws::parse(document, &Limits::default())?.payload)
}
