//! What an operator needs of the running server, tried with the programs that operators have.

mod breakages;
mod configuration;
mod limits;
mod logins;
mod probing;
mod proxies;
mod reload;
mod seeing;
mod shipping;
mod starting;
pub(crate) mod staying_up;
mod tls;
mod warming;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = configuration::trials();
    trials.extend(breakages::trials());
    trials.extend(tls::trials());
    trials.extend(limits::trials());
    trials.extend(logins::trials());
    trials.extend(proxies::trials());
    trials.extend(probing::trials());
    trials.extend(reload::trials());
    trials.extend(seeing::trials());
    trials.extend(starting::trials());
    trials.extend(staying_up::trials());
    trials.extend(shipping::trials());
    trials.extend(warming::trials());
    trials
}
