//! Shares with their uncertainty, and what half or nearly all of some times are below. Pure.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// The quantile of the standard normal distribution that leaves 2.5 % on either side.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) hits: u32,
    pub(super) of: u32,
}

impl Share {
    /// How many of these hold.
    pub(super) fn of(all: impl Iterator<Item = bool>) -> Self {
        let mut share = Self::default();
        for holds in all {
            share.of += 1;
            share.hits += u32::from(holds);
        }
        share
    }

    /// The share, 0–1; absent where there is nothing that it could be a share of.
    pub(super) fn value(self) -> Option<f64> {
        (self.of > 0).then(|| f64::from(self.hits) / f64::from(self.of))
    }

    /// The 95 % confidence interval, 0–1: Wilson's score interval, which holds also for few cases and for shares near 0 and 1.
    ///
    /// E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, Journal of the American Statistical
    /// Association 22 (1927), 209–212; recommended for small numbers by Brown, Cai and DasGupta, *Interval estimation for a binomial
    /// proportion*, Statistical Science 16 (2001), 101–133 (their equation 4): with n cases of which p·n hit,
    /// (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n).
    pub(super) fn interval(self) -> Option<(f64, f64)> {
        let p = self.value()?;
        let n = f64::from(self.of);
        let square = Z * Z;
        let center = p + square / (2.0 * n);
        let reach = Z * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
        let scale = 1.0 + square / n;
        // The formula's interval holds the share and lies within 0 and 1; rounding may leave it a hair beyond.
        let low = ((center - reach) / scale).clamp(0.0, p);
        let high = ((center + reach) / scale).clamp(p, 1.0);
        Some((low, high))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Share", 4)?;
        out.serialize_field("hits", &self.hits)?;
        out.serialize_field("of", &self.of)?;
        out.serialize_field("share", &self.value())?;
        out.serialize_field("interval_95", &self.interval())?;
        out.end()
    }
}

/// The smallest value that at least this percentage of all are at or below (the nearest-rank method); absent where there are none.
pub(super) fn percentile(values: &[u64], percent: u32) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() as u64 * u64::from(percent)).div_ceil(100);
    let index = usize::try_from(rank.saturating_sub(1)).ok()?;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(hits: u32, of: u32) -> Share {
        Share { hits, of }
    }

    /// Against the values that R. G. Newcombe gives for this method in *Two-sided confidence intervals for the single proportion*,
    /// Statistics in Medicine 17 (1998), 857–872, table I, to their four places.
    #[test]
    fn intervals_are_wilson_s() {
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (found_low, found_high) = share(hits, of).interval().unwrap();
            assert!((found_low - low).abs() < 6e-5, "{hits}/{of}: {found_low}");
            assert!(
                (found_high - high).abs() < 6e-5,
                "{hits}/{of}: {found_high}"
            );
        }
        assert_eq!(share(0, 0).interval(), None);
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let values = [40, 10, 30, 20];
        assert_eq!(percentile(&values, 50), Some(20));
        assert_eq!(percentile(&values, 95), Some(40));
        assert_eq!(percentile(&values, 0), Some(10));
        assert_eq!(percentile(&[], 50), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// An interval holds its share, lies within 0 and 1, is as wide for hits as for misses, and gets no wider with more cases.
        #[test]
        fn intervals_hold_their_share(of in 1..400_u32, part in 0..=100_u32) {
            let hits = of * part / 100;
            let (low, high) = share(hits, of).interval().unwrap();
            let value = share(hits, of).value().unwrap();
            prop_assert!(0.0 <= low && low <= value && value <= high && high <= 1.0);
            let (other_low, other_high) = share(of - hits, of).interval().unwrap();
            prop_assert!((low + other_high - 1.0).abs() < 1e-9 && (high + other_low - 1.0).abs() < 1e-9);
            let (wide_low, wide_high) = share(2 * hits, 2 * of).interval().unwrap();
            prop_assert!(wide_high - wide_low <= high - low + 1e-9);
        }
    }
}
