//! Says where two byte strings part.

/// How many bytes are shown on each side of the place.
const CONTEXT: usize = 60;

/// Compares byte strings that must be equal.
///
/// # Errors
/// If they are not: what differs, from where on, with what stands around it.
pub fn compare(what: &str, expected: &[u8], actual: &[u8]) -> anyhow::Result<()> {
    if expected == actual {
        return Ok(());
    }
    let place = expected.iter().zip(actual).take_while(|(one, other)| one == other).count();
    let around = |bytes: &[u8]| {
        bytes[place.saturating_sub(CONTEXT)..bytes.len().min(place + CONTEXT)].escape_ascii().to_string()
    };
    anyhow::bail!(
        "the {what} differs from byte {place} on\n  expected ({} bytes): {}\n  actual ({} bytes):   {}",
        expected.len(),
        around(expected),
        actual.len(),
        around(actual),
    )
}
