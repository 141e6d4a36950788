//! What one pull has of its own: its client, what it takes of memory, and the bodies that are open for it.

use core::net::IpAddr;
use core::sync::atomic::AtomicU64;
use std::collections::HashMap;
use std::sync::Arc;

use downshift_pull::{BodyId, Learnt, NotFilled, Scope};

use super::account::Account;
use super::answers::Lease;
use super::flights::Moment;
use super::layer_copy::LayerCopy;
use super::layer_in_progress::LayerInProgress;
use super::open_body::OpenBody;
use super::registry::{Flight, Keeping};
use crate::data::blob_cache::Writer;
use crate::origin::store::Repository;
use crate::work_budget::{Asker, Charge, FREE_BYTES};

/// What one pull has of its own.
pub(crate) struct Context {
    /// The address of its client.
    pub(super) address: IpAddr,
    /// The client that it takes turns as.
    pub(super) asker: Asker,
    pub(super) account: Account,
    /// The stored repositories that were looked at, so that it sees one reading of each.
    pub(super) repositories: Vec<(Scope, Option<Arc<Repository>>)>,
    /// The right to make an answer, as long as it makes that.
    pub(super) lease: Option<Lease>,
    /// The state of the records before any were kept for it.
    pub(super) evictions: Option<u64>,
    /// What registries have said, until it is kept.
    pub(super) keeping: Vec<Keeping>,
    /// What it has asked registries so far.
    pub(super) asked: Vec<Flight>,
    /// When it last looked at what is kept.
    pub(super) since: Moment,
    /// A layer that broke off while it was read.
    pub(super) layer: Option<Box<LayerInProgress>>,
    /// How many bytes were read of it, for who looks after the pull.
    pub(super) read: Arc<AtomicU64>,
    /// What has come of reading a layer, if that is what the pull is for.
    pub(super) learnt: Option<Learnt>,
    /// Who writes a blob into the cache, if that is what the pull is for.
    pub(super) writer: Option<Writer>,
    /// What is unpacked into it, and broke off.
    pub(super) spooled: Option<Box<LayerCopy>>,
    /// Why it is not written.
    pub(super) not_filled: Option<NotFilled>,
    /// What an answer counts that was at hand.
    pub(super) answer_charge: Option<Arc<Charge>>,
    bodies: HashMap<BodyId, OpenBody>,
    next_body: u32,
}

impl Context {
    pub(super) fn new(address: IpAddr, asker: Asker, account: Account, since: Moment) -> Self {
        Self {
            address,
            asker,
            account,
            repositories: Vec::new(),
            lease: None,
            evictions: None,
            keeping: Vec::new(),
            asked: Vec::new(),
            since,
            layer: None,
            read: Arc::default(),
            learnt: None,
            writer: None,
            spooled: None,
            not_filled: None,
            answer_charge: None,
            bodies: HashMap::new(),
            next_body: 0,
        }
    }

    /// A stored repository, or that there is none, if it was looked at.
    pub(super) fn repository(&self, scope: &Scope) -> Option<&Option<Arc<Repository>>> {
        self.repositories.iter().find(|(known, _)| known == scope).map(|(_, repository)| repository)
    }

    /// What keeps an answer of so many bytes counted while it is sent.
    pub(super) fn charge_of_answer(&mut self, bytes: usize) -> Option<Arc<Charge>> {
        let own = if bytes > FREE_BYTES { bytes } else { 0 };
        self.answer_charge.take().or_else(|| self.account.settle(own))
    }

    /// Has a body open, under a number of its own.
    pub(super) fn open(&mut self, body: OpenBody) -> BodyId {
        let id = BodyId(self.next_body);
        self.next_body = self.next_body.wrapping_add(1);
        self.bodies.insert(id, body);
        id
    }

    /// Gives a body away.
    pub(super) fn take(&mut self, id: BodyId) -> Option<OpenBody> {
        self.bodies.remove(&id)
    }

    /// A body that is open.
    pub(super) fn body(&self, id: BodyId) -> Option<&OpenBody> {
        self.bodies.get(&id)
    }
}
