//! The worker at a CDN's edge, in workerd before the reference: the cases of the front, and those that only it has.

mod costs;
mod deploying;
mod instances;

use libtest_mimic::{Completion, Trial};

use downshift_tests::front::{MEMORY_EDGE, WORKERD};

/// The cases of the front that do not apply to the worker, and why. Those that store images are put to it, too: what
/// they store is pushed to the reference, and the worker stands before that.
#[rustfmt::skip]
const NOT_HERE: &[(&str, &str)] = &[
    ("front::http::http_1_0_gets_the_same_and_the_end", "the platform takes no request without a Host"),
    ("front::http::http_2_gets_the_same", "HTTP/2 is spoken by the platform, which has no workers without TLS for it"),
    ("front::refusals::a_damaged_document_is_refused", "no registry takes damaged images; upstream::faults has those of one that has them all the same"),
    ("front::refusals::foreign_layers_are_refused_to_old_clients", "no registry takes foreign layers without URLs"),
    ("front::seed::stored_schema_1_is_served_as_it_is_to_docker_1_11", "no registry takes schema 1 whose layers it has not, and the layers of this one are made up"),
    ("front::seed::stored_schema_1_without_a_signature_is_signed_for_docker_1_11", "no registry takes schema 1 without a signature"),
    ("upstream::hostile::no_reference_leads_to_another_host", "the platform reads targets and hosts, and answers those of a proxy's form itself"),
    ("upstream::hostile::no_secret_is_in_a_log_an_error_or_a_core_dump", "there are no users of a file, and no core dumps of its own"),
    ("upstream::hostile::what_is_compressed_is_not_unpacked", "the platform unpacks; what comes of it has the same limits and the same digest to be checked against"),
    ("upstream::pulls::several_registries_by_prefix", "they are in a variable and not in a file; edge::instances has the case with that"),
    ("upstream::mirrors::by_containerd", "they are in a variable and not in a file; rows::mirrors has the cases"),
    ("upstream::mirrors::by_docker", "they are in a variable and not in a file; rows::mirrors has the cases"),
    ("upstream::mirrors::by_podman", "they are in a variable and not in a file; rows::mirrors has the cases"),
    ("upstream::pulls::a_thousand_cold_pulls_ask_once", "no request of a worker may wait for what another one has asked"),
    ("upstream::access::users_of_a_file", "there are no files; who has users of their own puts them before the worker or asks the registry for them"),
    ("upstream::faults::a_blob_of_another_digest_breaks_off", "to hash each byte on its way would take the processor time that an edge has not: clients do it"),
    ("upstream::faults::a_certificate_that_nobody_has_signed", "the platform trusts what it trusts, and takes no certificates"),
];

pub(crate) fn trials() -> anyhow::Result<Vec<Trial>> {
    let mut trials: Vec<_> = super::front(WORKERD)?.into_iter().map(unless_not_here).collect();
    let of_http = super::http::trials(MEMORY_EDGE).into_iter().chain(super::outcomes::trials(MEMORY_EDGE)?);
    trials.extend(of_http.map(unless_not_here));
    trials.extend(costs::trials());
    trials.extend(deploying::trials());
    trials.extend(instances::trials());
    Ok(trials)
}

/// A case, or that it does not apply here.
fn unless_not_here(trial: Trial) -> Trial {
    let name = trial.name().to_string();
    match NOT_HERE.iter().find(|(case, _)| name.ends_with(case)) {
        Some((_, reason)) => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(*reason))),
        None => trial,
    }
}
