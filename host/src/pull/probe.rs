//! Looks at registries before anybody pulls from them. What these ask for and mean decides [`Pull::probing`].

use core::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use downshift::Failure;
use downshift_pull::{Done, Effect, Event, Memory, Pull, Settings, Step, Ticket};
use futures_util::future::{BoxFuture, FutureExt as _, join_all, select_all};

use super::account::Account;
use super::registry::ask_once;
use crate::origin::registry::Upstream;
use crate::time;
use crate::work_budget::{Asker, WorkBudget};

/// Bytes of answers that all looks together may have in memory: those of token services.
const PROBE_BYTES: u64 = 16 * 1024 * 1024;

/// Asks each of the registries once, all at the same time, and gives what is wrong with them.
///
/// Tokens that come of it go into `memory`, for those who pull next: a token service may have given another identity token, and
/// take the one before no more.
pub(crate) async fn probe(
    settings: &Arc<Settings>,
    upstreams: &[Arc<Upstream>],
    memory: &Mutex<Memory>,
) -> Vec<Failure> {
    let work = WorkBudget::new(PROBE_BYTES);
    let asker = Asker { client: IpAddr::V4(Ipv4Addr::LOCALHOST), is_shared: true };
    let looks =
        upstreams.iter().map(|upstream| look(settings, upstream, memory, Account::open(&work, asker)));
    join_all(looks).await.into_iter().flatten().collect()
}

async fn look(
    settings: &Arc<Settings>,
    upstream: &Arc<Upstream>,
    memory: &Mutex<Memory>,
    account: Account,
) -> Option<Failure> {
    let mut pull = Pull::probing(Arc::clone(settings), upstream.id);
    let mut running: Vec<(Ticket, BoxFuture<'_, Done>)> = Vec::new();
    let mut done = Vec::new();
    let mut found = None;
    loop {
        let step = {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            pull.step_with(&mut memory, time::now_in_milliseconds(), done.drain(..))
        };
        let Step::Wants { new, dropped } = step else { return found };
        running.retain(|(ticket, _)| !dropped.contains(ticket));
        for (ticket, effect) in new {
            match effect {
                Effect::Ask(ask) => {
                    running.push((ticket, ask_once(upstream, *ask, account.clone()).boxed()));
                }
                Effect::Pause(duration) => {
                    running.push((ticket, tokio::time::sleep(duration).map(|()| Done::Waited).boxed()));
                }
                Effect::Tell(Event::Failure(failure)) => found = Some(failure),
                _ => done.push((ticket, Done::Unknown { mark: 0 })),
            }
        }
        if done.is_empty() && !running.is_empty() {
            let (outcome, at, _) = select_all(running.iter_mut().map(|(_, later)| later)).await;
            done.push((running.swap_remove(at).0, outcome));
        }
    }
}
