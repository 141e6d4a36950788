//! Requests for manifests: who asks, what is stored, what is given, and what comes of it.

use std::sync::OnceLock;

use downshift::Form;
use prometheus::{IntCounter, IntCounterVec};

use super::names::Outcome;
use super::registrar::Registrar;
use crate::client_generation::ClientGeneration;

/// Places for forms: one for each that is negotiated, one for all others, and one for none.
const FORMS: usize = Form::ALL.len() + 2;

const OUTCOMES: usize = Outcome::ALL.len();

/// A counter for each combination, made when it is first needed, so that those that never happen are not shown.
pub(crate) struct Manifests {
    counters: IntCounterVec,
    places: Vec<OnceLock<IntCounter>>,
}

impl Manifests {
    pub(super) fn new(new: &Registrar) -> Self {
        let help = "Requests for manifests by the client's generation, the stored form, the form given, and outcome.";
        let counters =
            new.counters("manifest_requests_total", help, &["client", "stored", "served", "outcome"]);
        let places =
            (0..ClientGeneration::ALL.len() * FORMS * FORMS * OUTCOMES).map(|_| OnceLock::new()).collect();
        Self { counters, places }
    }

    /// Counts a request. `forms` are the stored one and the one that is given, where there was an answer.
    pub(crate) fn count(&self, client: ClientGeneration, forms: Option<(Form, Form)>, outcome: Outcome) {
        let (stored, served) = forms.map_or((FORMS - 1, FORMS - 1), |(a, b)| (a as usize, b as usize));
        let place = ((client as usize * FORMS + stored) * FORMS + served) * OUTCOMES + outcome as usize;
        if let Some(counter) = self.places.get(place) {
            counter.get_or_init(|| self.counter(client, forms, outcome)).inc();
        }
    }

    fn counter(&self, client: ClientGeneration, forms: Option<(Form, Form)>, outcome: Outcome) -> IntCounter {
        let (stored, served) = forms.map_or(("none", "none"), |(a, b)| (a.name(), b.name()));
        self.counters.with_label_values(&[client.name(), stored, served, outcome.name()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_a_place_of_its_own() {
        let manifests = Manifests::new(&Registrar::new());
        let mut forms = vec![None];
        forms.push(Some((Form::Other, Form::Other)));
        for stored in Form::ALL {
            forms.extend(Form::ALL.map(|served| Some((stored, served))));
        }
        for client in ClientGeneration::ALL {
            for &forms in &forms {
                for outcome in Outcome::ALL {
                    manifests.count(client, forms, outcome);
                    assert_eq!(manifests.counter(client, forms, outcome).get(), 1);
                }
            }
        }
    }
}
