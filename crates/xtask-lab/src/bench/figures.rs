//! Figures of several rounds.

use core::num::ParseFloatError;

/// What was measured, a figure for each round.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures(Vec<f64>);

impl Figures {
    /// Adds the next round's.
    pub(super) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Reads figures with blanks between them.
    ///
    /// # Errors
    /// If one of them is no number.
    pub(super) fn parse(text: &str) -> Result<Self, ParseFloatError> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The one in the middle.
    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Between which two the middle half is.
    pub(super) fn middle_half(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// How often `base` goes into these, as the median over the rounds: what slows a whole round down is in neither
    /// figure then.
    pub(super) fn ratio_to(&self, base: &Self) -> f64 {
        Self(self.0.iter().zip(&base.0).map(|(figure, base)| figure / base).collect()).median()
    }

    /// Between the two nearest figures as far as `part` says.
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let place = part * last as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::Figures;

    #[test]
    fn an_even_number_of_rounds_has_its_median_between_two() {
        let figures = Figures(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(figures.median(), 2.5);
        assert_eq!(figures.middle_half(), (1.75, 3.25));
    }

    #[test]
    fn a_ratio_is_that_of_each_round() {
        let figures = Figures(vec![10.0, 40.0, 90.0]);
        assert_eq!(figures.ratio_to(&Figures(vec![1.0, 2.0, 3.0])), 20.0);
    }
}
