//! Who gets which files.

use std::collections::BTreeMap;

use downshift::Platform;
use downshift_registry::{KnownClients, known_clients};

use crate::audience::Audience;
use crate::naming::Naming;
use crate::pattern;
use crate::v1::is_v1;

/// Clients that get the same files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name: that of the first of them.
    pub name: String,
    /// The names of them all.
    pub clients: Vec<String>,
}

/// Clients by what their requests say, and whose files they get, if there are any for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The regular expression, with what PCRE and RE2 have in common.
    pub pattern: String,
    /// Whose: the name of a client that the tree is for.
    pub variant: Option<String>,
}

impl Rule {
    /// The variant as settings name it: for who gets none, that of no folder.
    pub(crate) fn variant_name(&self) -> &str {
        self.variant.as_deref().unwrap_or("-")
    }
}

/// Who gets what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Clients that get the same, the first of which is the one for who cannot choose.
    pub variants: Vec<Variant>,
    /// By their `User-Agent`; the first that fits counts.
    pub agents: Vec<Rule>,
    /// Of all others, by their `Accept`, in any case; the first that fits counts, and the last fits always.
    pub accepts: Vec<Rule>,
}

impl Rules {
    /// The rules for a tree that is for `audiences` on `platforms`, the first of which is that of who names none. `answers` says
    /// what one of these gets on one of those: whatever is equal is the same variant. Gives for each of these on each of those
    /// the place of the variant. `v1` are those who pull by version 1, if the tree is for them as well.
    pub fn derive<A: Ord>(
        audiences: &[Audience],
        v1: Option<&Audience>,
        platforms: &[Platform],
        answers: impl Fn(usize, usize) -> A,
    ) -> (Self, Vec<Vec<usize>>) {
        let mut variants: Vec<Variant> = Vec::new();
        let mut known: BTreeMap<A, usize> = BTreeMap::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        for (index, audience) in audiences.iter().enumerate() {
            let mut of_audience: Vec<usize> = Vec::new();
            for (at, name) in audience.names_on(platforms).into_iter().enumerate() {
                // Where the client does not say its platform, the first is all.
                if at > 0 && !audience.says_platform() {
                    of_audience.extend(of_audience.first().copied());
                    continue;
                }
                let next = variants.len();
                let place = *known.entry(answers(index, at)).or_insert(next);
                match variants.get_mut(place) {
                    Some(variant) => variant.clients.push(name),
                    None => variants.push(Variant { name: name.clone(), clients: vec![name] }),
                }
                of_audience.push(place);
            }
            places.push(of_audience);
        }
        let deriving = Deriving { audiences, v1, platforms };
        (Self { variants, agents: deriving.agents(), accepts: deriving.accepts() }, places)
    }

    /// The variants of clients that pull by version 1, each once.
    pub(crate) fn v1_variants(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for variant in self.agents.iter().filter_map(|rule| rule.variant.as_deref()) {
            if is_v1(variant) && !all.contains(&variant) {
                all.push(variant);
            }
        }
        all
    }
}

/// The rules do not depend on what anybody gets: no image that comes later changes them.
struct Deriving<'d> {
    audiences: &'d [Audience],
    v1: Option<&'d Audience>,
    platforms: &'d [Platform],
}

impl Deriving<'_> {
    fn agents(&self) -> Vec<Rule> {
        let mut agents: Vec<Rule> = Vec::new();
        let all: Vec<KnownClients> = known_clients().collect();
        // Where a version ends as that of a library, that counts before the rest of the version.
        let (libraries, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|known| known.is_library);
        let mut rest = [libraries, others].concat();
        while let Some(first) = rest.first().copied() {
            let is_same =
                |known: &KnownClients| (known.product, known.is_library) == (first.product, first.is_library);
            let (rows, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_same);
            rest = others;
            agents.extend(self.of_product(&rows));
        }
        agents
    }

    fn accepts(&self) -> Vec<Rule> {
        let by = |naming: Naming| self.name_by(naming);
        // Who names nothing takes what there is, as browsers do.
        let first = || self.audiences.first().map(|audience| audience.name.clone());
        let neither = by(Naming::Neither).or_else(|| by(Naming::Oci)).or_else(first);
        let accepts = [
            (Naming::Oci, by(Naming::Oci)),
            (Naming::Schema2, by(Naming::Schema2)),
            (Naming::Neither, neither),
        ];
        let rule = |(naming, variant): (Naming, _)| Rule { pattern: naming.pattern().to_owned(), variant };
        accepts.map(rule).to_vec()
    }

    /// The rules for all versions of a product: one for those that follow each other and get the same.
    fn of_product(&self, rows: &[KnownClients]) -> Vec<Rule> {
        let mut groups: Vec<(KnownClients, Vec<Option<String>>)> = Vec::new();
        for row in rows {
            let names = self.names_for(row);
            match groups.last_mut() {
                Some((known, same)) if *same == names => known.before = row.before,
                _ => groups.push((*row, names)),
            }
        }
        let mut rules = Vec::new();
        if let [_, .., (newest, names)] = &groups[..] {
            rules.extend(self.of_group(&pattern::unreleased(newest), names));
        }
        for (known, names) in &groups {
            rules.extend(self.of_group(&pattern::of(known), names));
        }
        rules
    }

    fn of_group(&self, pattern: &str, names: &[Option<String>]) -> Vec<Rule> {
        let first = names.first().cloned().flatten();
        let platforms = names.iter().zip(self.platforms).skip(1).filter(|(name, _)| **name != first);
        let on = |(name, platform): (&Option<String>, &Platform)| Rule {
            pattern: pattern::on(pattern, platform),
            variant: name.clone(),
        };
        let mut rules: Vec<Rule> = platforms.map(on).collect();
        rules.push(Rule { pattern: pattern.to_owned(), variant: first });
        rules
    }

    /// Whose files clients get on each platform: their own, else those of who names the same forms.
    fn names_for(&self, known: &KnownClients) -> Vec<Option<String>> {
        if let Some(v1) = self.v1.filter(|_| known.pulls_by_v1) {
            return v1.names_on(self.platforms).into_iter().map(Some).collect();
        }
        let own = self.audiences.iter().find(|audience| audience.known.as_ref() == Some(known));
        if let Some(own) = own {
            return own.names_on(self.platforms).into_iter().map(Some).collect();
        }
        let naming = Audience::of(String::new(), *known, known.from).naming();
        vec![self.name_by(naming); self.platforms.len()]
    }

    /// Whose files somebody gets who is known by what he names alone: those of who is named for that, else of the first who
    /// names the same.
    fn name_by(&self, naming: Naming) -> Option<String> {
        let is_it = |audience: &&Audience| audience.naming() == naming;
        let alone = self.audiences.iter().find(|audience| audience.known.is_none() && is_it(audience));
        Some(alone.or_else(|| self.audiences.iter().find(is_it))?.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::Named;

    fn derive(clients: &str, platforms: &[Platform], answers: impl Fn(&str, usize) -> &'static str) -> Rules {
        let named = clients.split(',').flat_map(|text| Named::parse(text).unwrap().0);
        let audiences: Vec<Audience> = named.collect();
        let answer = |audience: usize, platform| answers(&audiences[audience].name, platform);
        Rules::derive(&audiences, None, platforms, answer).0
    }

    /// The variants by the product of their rules, in order.
    fn of<'r>(rules: &'r Rules, product: &str) -> Vec<Option<&'r str>> {
        let begin = format!("^{product}/");
        let of_product = rules.agents.iter().filter(|rule| rule.pattern.starts_with(&begin));
        of_product.map(|rule| rule.variant.as_deref()).collect()
    }

    #[test]
    fn clients_that_get_the_same_are_one_variant() {
        let rules =
            derive("oci,docker-1.6,docker-1.9,docker-20.10", &[Platform::linux_amd64()], |name, _| {
                if name.starts_with("docker-1.") { "schema1" } else { "oci" }
            });
        let names: Vec<_> = rules.variants.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["oci", "docker-1.6"]);
        assert_eq!(rules.variants[1].clients, ["docker-1.6", "docker-1.9"]);
        // Those that were not named get what others get who name the same forms, as far as there is one.
        let [oci, old] = [Some("oci"), Some("docker-1.6")];
        let expected = [oci, old, Some("docker-1.9"), None, Some("docker-20.10"), oci];
        assert_eq!(of(&rules, "docker"), expected);
        assert_eq!(of(&rules, "skopeo"), [oci]);
        let by_accept: Vec<_> = rules.accepts.iter().map(|rule| rule.variant.as_deref()).collect();
        assert_eq!(by_accept, [oci, None, old]);
        // What anybody gets changes no rule.
        let others =
            derive("oci,docker-1.6,docker-1.9,docker-20.10", &[Platform::linux_amd64()], |_, _| "all");
        assert_eq!((others.agents, others.accepts), (rules.agents, rules.accepts));
    }

    #[test]
    fn who_names_nothing_gets_schema_1_or_what_there_is() {
        let last = |clients| {
            let rules = derive(clients, &[Platform::linux_amd64()], |name, _| match name {
                "schema1" => "schema1",
                _ => "other",
            });
            rules.accepts.last().and_then(|rule| rule.variant.clone())
        };
        assert_eq!(last("docker-20.10,schema1").as_deref(), Some("schema1"));
        assert_eq!(last("docker-20.10").as_deref(), Some("docker-20.10"));
        assert_eq!(last("docker-1.13").as_deref(), Some("docker-1.13"));
    }

    #[test]
    fn docker_before_1_6_has_a_variant_of_its_own_if_there_are_files_for_it() {
        let platforms = [Platform::linux_amd64(), Platform::new("linux", "arm64")];
        let Named(audiences) = Named::parse("schema1").unwrap();
        let v1 = crate::v1_audience().unwrap();
        assert_eq!(v1.user_agent, "docker/1.5.0 go/go1.4.3 os/linux arch/amd64");
        assert!(v1.accept.is_empty());
        let derive = |v1| Rules::derive(&audiences, v1, &platforms, |_, _| ()).0;
        let docker = |rules: &Rules| {
            of(rules, "docker").into_iter().map(|own| own.unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        let rules = derive(Some(&v1));
        assert_eq!(docker(&rules), ["-", "v1@linux-arm64", "v1", "schema1", "-"]);
        assert_eq!(rules.v1_variants(), ["v1@linux-arm64", "v1"]);
        let rules = derive(None);
        assert_eq!(docker(&rules), ["-", "schema1", "-"]);
        assert!(rules.v1_variants().is_empty());
    }

    #[test]
    fn platforms_are_looked_for_before_the_rest() {
        let platforms = [Platform::linux_amd64(), Platform::new("linux", "arm64")];
        let rules = derive("docker-1.9,podman", &platforms, |name, platform| match (name, platform) {
            ("docker-1.9", 0) => "amd64",
            ("docker-1.9", _) => "arm64",
            _ => "index",
        });
        let names: Vec<_> = rules.variants.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["docker-1.9", "docker-1.9@linux-arm64", "podman"]);
        let arm = rules.agents.iter().position(|rule| rule.pattern.contains(" os/linux arch/arm64")).unwrap();
        assert_eq!(rules.agents[arm].variant.as_deref(), Some("docker-1.9@linux-arm64"));
        assert_eq!(rules.agents[arm + 1].variant.as_deref(), Some("docker-1.9"));
        assert!(rules.agents[arm].pattern.starts_with(&rules.agents[arm + 1].pattern));
    }
}
