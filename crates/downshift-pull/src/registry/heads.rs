//! HEAD, where a registry answers it as it answers GET, and what to do where it does not.
//!
//! public.ecr.aws answers HEAD of blobs with 401, presigned URLs are signed for GET alone, and others say 403, 404, 405 or
//! 501, leave the length out or send 0. What HEAD does not tell is asked by GET, and for a while HEAD is not tried again.

use core::future::Future;
use core::time::Duration;

use downshift_registry::{Fault, Problem};

use super::asking::{Question, is_there};
use super::remote::Remote;
use crate::caller::Caller;
use crate::effect::{Answered, AskMethod, Done, Effect, Take};
use crate::failure::Failure;
use crate::value::{HeadOf, Key, Value};

/// For how long HEAD is not tried where the registry refused it and answered GET.
const REFUSED_LIFETIME: Duration = Duration::from_secs(600);

/// The same where the failure may have been an accident: Docker Hub counts GET against its rate limit, and HEAD not.
const ACCIDENT_LIFETIME: Duration = Duration::from_secs(60);

/// Finds in a response with status 200 what is wanted.
type Told<'a, T> = dyn Fn(&Answered) -> Option<T> + Sync + 'a;

/// What came of HEAD.
enum Head<T> {
    /// What was wanted.
    Told(T),
    /// Nothing that helps: GET has to say. For so long HEAD is of no use if it does; none where it was not tried.
    Untold(Option<Duration>),
}

impl Remote<'_> {
    /// What `told` finds in the response to HEAD, or else what `get` finds by GET, if there is anything. All of it within the
    /// time that the registry has.
    pub(super) async fn head_or_get<T>(
        &self,
        of: HeadOf,
        path: &str,
        caller: &Caller,
        told: &Told<'_, T>,
        get: impl Future<Output = Result<Option<T>, Failure>>,
    ) -> Result<Option<T>, Failure> {
        let asking = async {
            let lifetime = match self.head(of, path, caller, told).await? {
                Head::Told(told) => return Ok(Some(told)),
                Head::Untold(lifetime) => lifetime,
            };
            let got = get.await?;
            if let (Some(_), Some(lifetime)) = (&got, lifetime) {
                let (key, value) = (self.head_key(of), Value::HeadRefusal);
                self.shell.ask(Effect::Keep { key, value, lifetime }).await;
            }
            Ok(got)
        };
        self.in_time(asking).await
    }

    /// Asks by HEAD, once. Only where the registry limits requests, or does not answer in time, would GET make it worse: these
    /// are failures.
    async fn head<T>(
        &self,
        of: HeadOf,
        path: &str,
        caller: &Caller,
        told: &Told<'_, T>,
    ) -> Result<Head<T>, Failure> {
        if let Done::Known(_) = self.shell.ask(Effect::Load(self.head_key(of))).await {
            return Ok(Head::Untold(None));
        }
        let question = Question::of(AskMethod::Head, Take::Nothing);
        let asked = self.respond(path, &question, caller).await;
        let lifetime = match asked
            .and_then(|answered| Ok(is_there(self, &answered)?.then(|| told(&answered))))
        {
            Ok(Some(Some(told))) => return Ok(Head::Told(told)),
            Ok(_) => REFUSED_LIFETIME,
            Err(failure) => match failure.upstream() {
                None | Some(Fault { problem: Problem::Timeout | Problem::TooManyRequests { .. }, .. }) => {
                    return Err(failure);
                }
                Some(fault) if fault.is_transient() => ACCIDENT_LIFETIME,
                Some(_) => REFUSED_LIFETIME,
            },
        };
        Ok(Head::Untold(Some(lifetime)))
    }

    fn head_key(&self, of: HeadOf) -> Key {
        Key::HeadRefusal { origin: self.scope.origin, host: self.registry.base.origin.clone(), of }
    }
}
