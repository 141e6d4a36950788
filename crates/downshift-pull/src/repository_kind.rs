//! Which kinds of repositories there are. What each is asked is in [`crate::repository`].

use crate::registry::Remote;
use crate::settings::{Pulp, Scope, Settings};
use crate::shell::Shell;

/// A repository.
#[derive(Clone)]
pub(crate) enum Repository<'p> {
    /// A layout, or what Pulp 2 has published, which the shell reads.
    Layout { settings: &'p Settings, shell: &'p Shell, scope: Scope, pulp: Option<&'p Pulp> },
    /// At a registry.
    Remote(Remote<'p>),
}
