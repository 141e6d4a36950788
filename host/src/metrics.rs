//! Figures for Prometheus: what this server does, counted without a lock.

mod manifests;
mod names;
mod registrar;

use std::sync::LazyLock;
use std::time::Instant;

use downshift_registry::Route;
use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use self::manifests::Manifests;
pub(crate) use self::names::{Cache, Outcome, RouteName};
use self::registrar::Registrar;

/// The figures of this process.
pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// All figures. Those of which there are many are looked up before they are counted, or by their number.
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests for manifests, by client and what it got.
    pub(crate) manifests: Manifests,
    requests: [[IntCounter; Outcome::ALL.len()]; RouteName::ALL.len()],
    request_seconds: [Histogram; RouteName::ALL.len()],
    /// Requests that are under way.
    pub(crate) requests_under_way: IntGauge,
    /// Connections that are open.
    pub(crate) connections: IntGauge,
    /// Connections and requests that were one too many, or too slow, by reason.
    pub(crate) refused: IntCounterVec,
    lookups: [[IntCounter; 2]; Cache::ALL.len()],
    /// Entries of the caches.
    pub(crate) cache_entries: IntGaugeVec,
    /// Bytes of the caches.
    pub(crate) cache_bytes: IntGaugeVec,
    /// How long conversions take, signing included, and fetching not.
    pub(crate) conversion_seconds: Histogram,
    /// How long upstream registries take to answer.
    pub(crate) upstream_seconds: HistogramVec,
    /// What comes of asking them.
    pub(crate) upstream_requests: IntCounterVec,
    /// Tags that were answered from memory while the registry could not be asked.
    pub(crate) stale: IntCounter,
    /// Records that were written.
    pub(crate) records_kept: IntCounter,
    /// Records that could not be written.
    pub(crate) records_failed: IntCounter,
    /// Records that had to go.
    pub(crate) records_evicted: IntCounter,
    /// Records that were damaged on the disk.
    pub(crate) records_damaged: IntCounter,
    /// Bytes of all records.
    pub(crate) records_bytes: IntGauge,
    /// Documents that could not be written to the disk or read from it.
    pub(crate) documents_failed: IntCounter,
    /// Documents that had to go from the disk.
    pub(crate) documents_swept: IntCounter,
    /// Blobs that were fetched into the cache, by what came of it.
    pub(crate) blob_fills: IntCounterVec,
    /// Blobs that had to go from the cache.
    pub(crate) blobs_evicted: IntCounter,
    /// Traps of the guest.
    pub(crate) guest_traps: IntGauge,
    /// Engines and repositories that were seen asking for old forms.
    pub(crate) old_clients: IntGauge,
    /// Reloads of the settings, by result.
    pub(crate) reloads: IntCounterVec,
}

impl Metrics {
    fn new() -> Self {
        let new = Registrar::new();
        let requests =
            new.counters("requests_total", "Requests by route and outcome.", &["route", "outcome"]);
        let request_seconds =
            new.histograms("request_seconds", "Time to the head of the response.", &["route"]);
        let lookups = new.counters("cache_lookups_total", "Lookups in caches.", &["cache", "result"]);
        let build = new.gauges("build_info", "The version of this program.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let upstream = "What upstream registries answered: a status, or the code of an error.";
        Self {
            manifests: Manifests::new(&new),
            requests: RouteName::ALL.map(|route| {
                Outcome::ALL.map(|outcome| requests.with_label_values(&[route.name(), outcome.name()]))
            }),
            request_seconds: RouteName::ALL.map(|route| request_seconds.with_label_values(&[route.name()])),
            requests_under_way: new.gauge("requests_under_way", "Requests that are under way."),
            connections: new.gauge("connections", "Connections that are open."),
            refused: new.counters("refused_total", "What was one too many or too slow.", &["reason"]),
            lookups: Cache::ALL.map(|cache| {
                ["miss", "hit"].map(|result| lookups.with_label_values(&[cache.name(), result]))
            }),
            cache_entries: new.gauges("cache_entries", "Entries of caches.", &["cache"]),
            cache_bytes: new.gauges("cache_bytes", "Bytes of caches.", &["cache"]),
            conversion_seconds: new.histogram("conversion_seconds", "Time on a thread for conversions."),
            upstream_seconds: new.histograms(
                "upstream_seconds",
                "Time to the head of an upstream registry's response.",
                &["upstream"],
            ),
            upstream_requests: new.counters("upstream_requests_total", upstream, &["upstream", "result"]),
            stale: new.counter("stale_tags_total", "Tags served stale while their registry was down."),
            records_kept: new.counter("records_kept_total", "Records written or found to be there."),
            records_failed: new.counter("records_failed_total", "Writes of records that failed."),
            records_evicted: new.counter("records_evicted_total", "Records that were evicted."),
            records_damaged: new.counter("records_damaged_total", "Records that were damaged and are gone."),
            records_bytes: new.gauge("records_bytes", "Bytes of all records."),
            documents_failed: new.counter("documents_failed_total", "Failures with documents on disk."),
            documents_swept: new
                .counter("documents_swept_total", "Documents that were evicted from the disk."),
            blob_fills: new.counters("blob_fills_total", "Blobs fetched into the cache.", &["result"]),
            blobs_evicted: new.counter("blobs_evicted_total", "Blobs that were evicted from the cache."),
            guest_traps: new.gauge("guest_traps", "Traps of the guest since the start."),
            old_clients: new.gauge("old_clients", "Pairs of engine and repository seen with old forms."),
            reloads: new.counters("reloads_total", "Reloads of the settings.", &["result"]),
            registry: new.finish(),
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, route: RouteName, outcome: Outcome, begun: Instant) {
        if let Some(counter) = self.requests.get(route as usize).and_then(|row| row.get(outcome as usize)) {
            counter.inc();
        }
        if let Some(histogram) = self.request_seconds.get(route as usize) {
            histogram.observe(begun.elapsed().as_secs_f64());
        }
    }

    /// Counts a lookup in a cache.
    pub(crate) fn looked_up(&self, cache: Cache, is_hit: bool) {
        if let Some([misses, hits]) = self.lookups.get(cache as usize) {
            if is_hit { hits.inc() } else { misses.inc() }
        }
    }

    /// All figures in Prometheus' text format, version 0.0.4.
    pub(crate) fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory does not fail, and all names were checked when they were registered.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

/// A figure as Prometheus' library has them.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl RouteName {
    /// The name of a route in figures.
    pub(crate) const fn of(route: &Route) -> Self {
        match route {
            Route::Manifest { .. } => Self::Manifest,
            Route::Blob { .. } | Route::EmptyLayer => Self::Blob,
            Route::Tags { .. } => Self::Tags,
            Route::Referrers { .. } => Self::Referrers,
            Route::Root | Route::Base => Self::Base,
            Route::Token { .. } => Self::Token,
            _ => Self::Other,
        }
    }
}
