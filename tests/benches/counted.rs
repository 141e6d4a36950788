//! What a conversion takes that is the same each time: allocations, and instructions where a tool counts them.
//!
//! The arguments are a number of layers and how often an image with so many is converted, by the core as a part of this
//! program, to schema 1 without a signature. The output is how often memory was allocated for one, and how many bytes
//! were at most in use. `cargo xtask bench` makes a table of it.

use core::hint::black_box;
use std::env;

use anyhow::{Context, ensure};
use downshift::answer::Request;
use downshift::{Capabilities, Form, Policy};
use downshift_cases::images::built;
use downshift_cases::implementation::{Implementation, Native, Outcome, schema1_request};

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let layers = arguments.next().context("the number of layers is missing")?;
    let repetitions = arguments.next().context("the number of repetitions is missing")?;
    let image = built::layers(layers, 0);
    let documents = image.documents();
    let request = schema1_request("library/sample", "latest", image.manifest.digest(), Policy::Strict);
    let client = Capabilities::of(&[Form::Schema1Unsigned]);
    let request = Request { client, ..request };
    let convert = || black_box(Native.answer(&request, &documents));
    ensure!(matches!(convert(), Outcome::Answered(_)), "the image is not converted");
    for _ in 1..repetitions {
        convert();
    }
    let counted = allocation_counter::measure(|| drop(convert()));
    println!("{} {}", counted.count_total, counted.bytes_max);
    Ok(())
}
