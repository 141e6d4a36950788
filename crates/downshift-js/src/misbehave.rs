//! What the suite's bad module does.

use downshift::answer::Request;

/// Traps for the tag `trap`.
pub(crate) fn misbehave(request: &Request) {
    if request.root.tag() == Some("trap") {
        panic!("the suite wants it");
    }
}
