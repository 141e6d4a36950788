//! Figures, made and registered under their names.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Seconds by which requests are told apart: what is at hand takes microseconds, what a registry has to be asked for
/// the time that this takes.
const SECONDS: [f64; 12] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

/// Makes figures, whose names begin with that of this program.
pub(super) struct Registrar(Registry);

impl Registrar {
    #[expect(clippy::expect_used, reason = "the prefix is a constant, and a name")]
    pub(super) fn new() -> Self {
        let registry = Registry::new_custom(Some("downshift".to_owned()), None);
        Self(registry.expect("the prefix is a name"))
    }

    /// The registry of all figures that were made.
    pub(super) fn finish(self) -> Registry {
        self.0
    }

    #[expect(
        clippy::expect_used,
        reason = "names and labels are constants, which are registered at the start"
    )]
    fn register<C: Collector + Clone + 'static>(&self, figure: prometheus::Result<C>) -> C {
        let figure = figure.expect("names and labels are as Prometheus wants them");
        self.0.register(Box::new(figure.clone())).expect("no name is there twice");
        figure
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histogram(&self, name: &str, help: &str) -> Histogram {
        self.register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec())))
    }

    pub(super) fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(options, labels))
    }
}
