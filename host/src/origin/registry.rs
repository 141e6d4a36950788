//! An upstream registry: who it is, and the connections to it. What it is asked decides [`downshift_pull`].

pub(crate) mod credentials;
mod http;
mod proxies;
mod settings;
mod silence;

use core::sync::atomic::{AtomicU32, Ordering};

use downshift_pull::{Domain, Origin, OriginId, Place, Registry};

pub(crate) use self::http::{Http, Query, Response, chunk};
pub(crate) use self::settings::{
    Authorities, Delivery, Settings, Site, UpstreamConfig, client_rules, permissions, proxies_of_environment,
};
pub(crate) use self::silence::ResponseBody;
use crate::error::Error;
use crate::origin::url;

/// A registry to have images from, or those of a domain.
pub(crate) struct Upstream {
    /// Its number, which no other one of this process has had.
    pub(crate) id: OriginId,
    settings: Settings,
    pub(crate) http: Http,
}

impl Upstream {
    /// The registry that `settings` describe.
    ///
    /// # Errors
    /// [`Error::Unusable`] if its certificates are.
    pub(crate) fn new(settings: Settings) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = OriginId(NEXT.fetch_add(1, Ordering::Relaxed));
        let Settings { site, ca, timeout, proxies, .. } = &settings;
        let http = Http::new(site, ca.as_ref(), *timeout, proxies.clone())?;
        Ok(Self { id, settings, http })
    }

    /// Whether one that is made anew would be the same.
    pub(crate) fn is_as(&self, settings: &Settings) -> bool {
        self.settings == *settings
    }

    /// Its URL, up to the slash before `v2/`.
    pub(crate) fn url(&self) -> String {
        self.settings.site.url()
    }

    /// What a pull has to know of it.
    ///
    /// # Errors
    /// [`Error::InvalidUpstream`] if its URL is not of the web, which is checked when it is read.
    pub(crate) fn origin(&self) -> Result<Origin, Error> {
        let Settings { mapping, site, credentials, delivery, timeout, allow, plain_layers, clients, .. } =
            self.settings.clone();
        let delivery = delivery.into();
        let place = match site {
            Site::Domain(pattern) => Place::Domain(Domain { pattern, delivery, timeout }),
            Site::Base(base) => {
                let invalid = || Error::InvalidUpstream {
                    url: base.to_string(),
                    problem: "the URL must be of the form https://HOST".to_owned(),
                };
                let base = url::of(&base).ok_or_else(invalid)?;
                Place::Registry(Registry { base, credentials, delivery, timeout })
            }
        };
        Ok(Origin { allow, plain_layers, clients, ..Origin::new(self.id, mapping, place) })
    }
}
