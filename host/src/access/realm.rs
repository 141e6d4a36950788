//! The challenge for people who have to log in.

use downshift_registry::Demand;

/// The name of this server in its challenges.
pub(super) const REALM: &str = "downshift";

/// The challenge that asks for a name and password.
pub(super) fn basic() -> Demand {
    Demand::Basic { realm: REALM.to_owned() }
}
