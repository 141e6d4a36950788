//! The order in which entries of a list or index suit a platform.

use alloc::vec::Vec;

use crate::Platform;
use crate::document::Descriptor;

/// The places of the entries that run on `platform`, the best first.
pub(super) fn fitting(entries: &[Descriptor], platform: &Platform) -> Vec<usize> {
    let mut fitting: Vec<(u16, usize)> =
        (0_usize..).zip(entries).filter_map(|(at, entry)| Some((runs_on(entry, platform)?, at))).collect();
    fitting.sort_unstable();
    fitting.into_iter().map(|(_, at)| at).collect()
}

/// The places of the entries for an older architecture that `platform` runs as well, the best first.
pub(super) fn fitting_at_last(entries: &[Descriptor], platform: &Platform) -> Vec<usize> {
    let fit = |entry: &Descriptor| platform.fit_at_last(own_platform(entry)?);
    let mut fitting: Vec<(u16, usize)> =
        (0_usize..).zip(entries).filter_map(|(at, entry)| Some((fit(entry)?, at))).collect();
    fitting.sort_unstable();
    fitting.into_iter().map(|(_, at)| at).collect()
}

/// How well an entry suits on `platform`, if it runs there: the least is best.
pub(super) fn runs_on(entry: &Descriptor, platform: &Platform) -> Option<u16> {
    platform.fit(own_platform(entry)?)
}

/// The platform that an entry is for, if it is an image and says so.
fn own_platform(entry: &Descriptor) -> Option<&Platform> {
    entry.plain_platform().filter(|own| !entry.is_attestation && own.is_whole())
}

/// The entry that an engine opens which looks at no variant: the first of its architecture.
pub(super) fn first_of_architecture<'e>(
    entries: &'e [Descriptor],
    platform: &Platform,
) -> Option<&'e Descriptor> {
    let any = platform.without_variant();
    entries.iter().find(|entry| runs_on(entry, &any).is_some())
}

/// The entries with those of one architecture among each other in such an order that what runs everywhere comes first:
/// engines that read lists and no OCI take the first of theirs.
pub(super) fn with_general_first(entries: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    for (at, entry) in (0_usize..).zip(&entries) {
        let Some(any) = entry.plain_platform().map(Platform::without_variant) else { continue };
        let places = fitting(&entries, &any);
        // Of each architecture once.
        if places.len() < 2 || places.iter().min() != Some(&at) {
            continue;
        }
        let mut from = places.clone();
        from.sort_unstable();
        for (place, best) in from.into_iter().zip(places) {
            if let Some(slot) = order.get_mut(place) {
                *slot = best;
            }
        }
    }
    let mut entries: Vec<Option<Descriptor>> = entries.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| entries.get_mut(at)?.take()).collect()
}
