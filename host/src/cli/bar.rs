//! A bar on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of a template that a terminal shows.
pub(super) fn bar(template: &str, len: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style)
}
