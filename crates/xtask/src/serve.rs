//! `cargo xtask serve`

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use downshift::Form;
use downshift_cases::images::{layout, sample};

use crate::build;

/// The repository of the sample image.
const REPOSITORY: &str = "library/sample";

/// Builds the program and serves a folder of images with it: a small sample, unless told otherwise.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder with an OCI image layout for each repository; where it has no sample yet, one is made
    /// [default: target/sample-store]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: String,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let program = build::program(false)?;
        let target = build::target_folder()?;
        let store = match &self.store {
            Some(store) => store.clone(),
            None => sample_store(&target)?,
        };
        println!("serving {}", store.display());
        if self.store.is_none() {
            print_examples(&self.listen);
        }
        let data = target.join("sample-data");
        let mut serve = Command::new(program);
        serve.arg("serve").arg("--store").arg(store).args(["--listen", &self.listen]).arg("--data").arg(data);
        build::replace_by(&mut serve)
    }
}

/// The folder with the sample image, which is made if it is not there.
fn sample_store(target: &Path) -> anyhow::Result<PathBuf> {
    let store = target.join("sample-store");
    let repository = store.join(REPOSITORY);
    if !repository.join("index.json").exists() {
        layout::write(&repository, &[("schema2", sample::schema2()), ("oci", sample::index())])?;
    }
    Ok(store)
}

fn print_examples(listen: &str) {
    let url = |tag: &str| format!("http://{listen}/v2/{REPOSITORY}/manifests/{tag}");
    let accept = |form: Form| format!("-H 'Accept: {}'", form.media_type());
    println!(
        "
Signed schema 1, as Docker 1.6-1.9 get it: they name no manifest type
    curl -i {schema2}
    curl -i {oci}
Docker schema 2, as Docker 1.10 and later get it
    curl -i {accept_schema2} {schema2}
    curl -i {accept_schema2} {oci}
An OCI manifest or index
    curl -i {accept_oci} {schema2}
    curl -i {accept_index} {oci}
By the digest that any of them reported in Docker-Content-Digest
    curl -i http://{listen}/v2/{REPOSITORY}/manifests/$(curl -sI {schema2} | sed -n 's/\\r$//; s/^docker-content-digest: //Ip')
",
        schema2 = url("schema2"),
        oci = url("oci"),
        accept_schema2 = accept(Form::Schema2),
        accept_oci = accept(Form::Oci),
        accept_index = accept(Form::Index),
    );
}
