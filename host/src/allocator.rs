//! Memory that is given back to the system.

use core::hint::black_box;

/// Bytes for which mimalloc has no page at hand, but takes one from its arenas and puts it back: more than 512 KiB.
const OWN_PAGE_BYTES: usize = 1024 * 1024;

/// Has the program's allocator give back what has been free for some time, a second by default.
///
/// It has no thread of its own, and looks when a page comes or goes: in a server that has nothing to do, what large answers
/// took would stay for ever. Nothing is written to the page here, so that it takes no memory.
pub(crate) fn give_back() {
    drop(black_box(Vec::<u8>::with_capacity(OWN_PAGE_BYTES)));
}
