//! `xtask-artifacts sample`

use std::path::PathBuf;

use clap::Args;
use downshift::Form;
use downshift_cases::images::{layout, sample};

/// The repository of the sample image.
const REPOSITORY: &str = "library/sample";

/// Writes a folder with a small image, if it is not there yet, and shows how to ask for it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder
    store: PathBuf,
    /// The address at which it will be served
    #[arg(long, value_name = "ADDRESS")]
    listen: String,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let repository = self.store.join(REPOSITORY);
        if !repository.join("index.json").exists() {
            layout::write(&repository, &[("schema2", sample::schema2()), ("oci", sample::index())])?;
        }
        print_examples(&self.listen);
        Ok(())
    }
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
