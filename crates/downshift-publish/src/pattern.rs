//! Regular expressions for a `User-Agent`. They are written with what PCRE and RE2 have in common, without braces and quotes,
//! which the settings of web servers have other uses for.

use downshift::Platform;
use downshift_registry::KnownClients;

/// What follows the last number of a version that counts.
const END: &str = "(?:[^0-9]|$)";

/// Clients of a product in a version before that of the newest of these. Those that are older than the first of them have to be
/// looked for before.
pub(crate) fn of(known: &KnownClients) -> String {
    let product = product(known.product);
    let version = known.before.map_or_else(String::new, |before| format!("v?(?:{})", older_than(before)));
    let library = if known.is_library { r"[^ ]*\+unknown(?: |$)" } else { "" };
    format!("^{product}/{version}{library}")
}

/// The builds of a product that count as its newest, though their version is `0.0`.
pub(crate) fn unreleased(known: &KnownClients) -> String {
    let library = if known.is_library { r"[^ ]*\+unknown(?: |$)" } else { "" };
    format!("^{}/v?0+[.]0+{END}{library}", product(known.product))
}

/// The same clients on a platform. It stands before the parenthesis with what the program behind them says.
pub(crate) fn on(pattern: &str, platform: &Platform) -> String {
    format!("{pattern}[^(]* os/{} arch/{}(?: |$)", platform.os, platform.architecture)
}

/// The names of a product.
fn product(name: &str) -> &str {
    match name {
        "crane" => "(?:crane|go-containerregistry)",
        "balena-engine" => "balena[^/ ]*",
        _ => name,
    }
}

/// A version whose first two numbers are less than these.
fn older_than((major, minor): (u32, u32)) -> String {
    let mut either = Vec::new();
    if major > 0 {
        either.push(format!("0*(?:{})[^0-9 ][0-9]", less_than(major)));
    }
    if minor > 0 {
        either.push(format!("0*{major}[^0-9 ]0*(?:{}){END}", less_than(minor)));
    }
    either.join("|")
}

/// A number that is less than `limit`, which is not zero; zeros may stand before it.
fn less_than(limit: u32) -> String {
    let (tens, ones) = (limit.wrapping_div(10), limit.wrapping_rem(10));
    let last = |digits: u32| digits.saturating_sub(1);
    if tens == 0 {
        return format!("[0-{}]", last(ones));
    }
    let mut either = vec!["[0-9]".to_owned()];
    if tens > 1 {
        either.push(format!("[1-{}][0-9]", last(tens)));
    }
    if ones > 0 {
        either.push(format!("{tens}[0-{}]", last(ones)));
    }
    either.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_less_than_another() {
        for (limit, pattern) in [
            (1, "[0-0]"),
            (6, "[0-5]"),
            (10, "[0-9]"),
            (18, "[0-9]|1[0-7]"),
            (20, "[0-9]|[1-1][0-9]"),
            (38, "[0-9]|[1-2][0-9]|3[0-7]"),
        ] {
            assert_eq!(less_than(limit), pattern);
        }
    }
}
