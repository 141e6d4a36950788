//! Requests for manifests: who asks, what is stored, what is given, and what comes of it.

use std::sync::OnceLock;

use downshift::Form;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::Outcome;
use crate::generation::Generation;

/// Places for forms: one for each, and one for none.
const FORMS: usize = Form::ALL.len() + 1;

const OUTCOMES: usize = Outcome::ALL.len();

/// A counter for each combination, made when it is first needed, so that those that never happen are not shown.
pub(crate) struct Manifests {
    counters: IntCounterVec,
    places: Vec<OnceLock<IntCounter>>,
}

impl Manifests {
    pub(super) fn new(registry: &Registry) -> Self {
        let help = "Requests for manifests by the client's generation, the stored form, the form given, and outcome.";
        let options = Opts::new("manifest_requests_total", help);
        let counters = IntCounterVec::new(options, &["client", "stored", "served", "outcome"]);
        let counters = counters.expect("names and labels are as Prometheus wants them");
        registry.register(Box::new(counters.clone())).expect("no name is there twice");
        let places = (0..Generation::ALL.len() * FORMS * FORMS * OUTCOMES).map(|_| OnceLock::new()).collect();
        Self { counters, places }
    }

    /// Counts a request. `forms` are the stored one and the one that is given, where there was an answer.
    pub(crate) fn count(&self, client: Generation, forms: Option<(Form, Form)>, outcome: Outcome) {
        let (stored, served) = forms.map_or((FORMS - 1, FORMS - 1), |(a, b)| (a as usize, b as usize));
        let place = ((client as usize * FORMS + stored) * FORMS + served) * OUTCOMES + outcome as usize;
        self.places[place].get_or_init(|| self.counter(client, forms, outcome)).inc();
    }

    fn counter(&self, client: Generation, forms: Option<(Form, Form)>, outcome: Outcome) -> IntCounter {
        let (stored, served) = forms.map_or(("none", "none"), |(a, b)| (a.name(), b.name()));
        self.counters.with_label_values(&[client.name(), stored, served, outcome.name()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_a_place_of_its_own() {
        let registry = Registry::new();
        let manifests = Manifests::new(&registry);
        let mut forms = vec![None];
        for stored in Form::ALL {
            forms.extend(Form::ALL.map(|served| Some((stored, served))));
        }
        for client in Generation::ALL {
            for &forms in &forms {
                for outcome in Outcome::ALL {
                    manifests.count(client, forms, outcome);
                    assert_eq!(manifests.counter(client, forms, outcome).get(), 1);
                }
            }
        }
    }
}
