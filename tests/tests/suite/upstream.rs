//! The running server in front of real registries.

mod access;
mod faults;
mod hostile;
mod mirrors;
mod pulls;

use downshift_tests::front::Engine;
use libtest_mimic::Trial;

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let mut trials = pulls::trials(engine);
    trials.extend(access::trials(engine));
    trials.extend(faults::trials(engine));
    trials.extend(hostile::trials(engine));
    trials.extend(mirrors::trials(engine));
    trials
}
