//! Panics of the database: it panics where a file says what it never wrote, which is no reason for this program to.

use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use std::panic::{self, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught, and told as an error.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Does `job`, and makes a panic in it an error, which says what the panic would have said. What panicked must not be used
/// any more.
pub(super) fn caught<T, E>(
    job: impl FnOnce() -> Result<T, E>,
    error: impl FnOnce(String) -> E,
) -> Result<T, E> {
    static QUIETEN: Once = Once::new();
    QUIETEN.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    let is_within_another = IS_CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(job));
    IS_CAUGHT.set(is_within_another);
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason is given");
        let line = text.lines().next().unwrap_or_default();
        Err(error(format!("it is damaged (`{line}`)")))
    })
}
