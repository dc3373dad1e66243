//! Whether a quantity stays as it is over a long run, or creeps upward.

/// Readings of one quantity over time.
#[derive(Clone, Debug, Default)]
pub struct Readings(Vec<(f64, f64)>);

impl Readings {
    /// Takes a reading, so many seconds after the start.
    pub fn take(&mut self, seconds: f64, value: f64) {
        self.0.push((seconds, value));
    }

    /// How many there are.
    #[must_use]
    pub fn n(&self) -> usize {
        self.0.len()
    }

    /// By how much the straight line that fits best rises from the first reading to the last:
    /// what goes up and down again does not count, what creeps does.
    #[must_use]
    pub fn growth(&self) -> f64 {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return 0.0 };
        let n = self.0.len() as f64;
        let mean_at = self.0.iter().map(|(at, _)| at).sum::<f64>() / n;
        let mean = self.0.iter().map(|(_, value)| value).sum::<f64>() / n;
        let product = |(at, value): &(f64, f64)| (at - mean_at) * (value - mean);
        let square = |(at, _): &(f64, f64)| (at - mean_at).powi(2);
        let spread: f64 = self.0.iter().map(square).sum();
        if spread == 0.0 {
            return 0.0;
        }
        self.0.iter().map(product).sum::<f64>() / spread * (last.0 - first.0)
    }

    /// By how much every reading of the last third lies above every one of the first: what is
    /// held for a moment only does not show, what is never given back does. 0 or less is none.
    #[must_use]
    pub fn creep(&self) -> f64 {
        let third = self.0.len() / 3;
        if third == 0 {
            return 0.0;
        }
        let values = |readings: &[(f64, f64)]| readings.iter().map(|(_, v)| *v).collect::<Vec<_>>();
        let early = values(&self.0[..third]).into_iter().fold(f64::MIN, f64::max);
        let late = values(&self.0[self.0.len() - third..]).into_iter().fold(f64::MAX, f64::min);
        late - early
    }

    /// The first and the last.
    #[must_use]
    pub fn ends(&self) -> Option<(f64, f64)> {
        Some((self.0.first()?.1, self.0.last()?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(value: impl Fn(u32) -> f64) -> Readings {
        let mut readings = Readings::default();
        (0..100).for_each(|at| readings.take(f64::from(at), value(at)));
        readings
    }

    #[test]
    fn a_wave_is_flat_and_a_slope_is_its_rise() {
        let wave = readings(|at| 5000.0 + if at % 7 < 3 { 300.0 } else { 0.0 });
        assert!(wave.growth().abs() < 40.0, "{}", wave.growth());
        assert!(wave.creep() < 0.0);
        let slope = readings(|at| 5000.0 + 10.0 * f64::from(at));
        assert!((slope.growth() - 990.0).abs() < 0.001);
        assert_eq!(slope.creep(), 350.0);
        assert_eq!(slope.ends(), Some((5000.0, 5990.0)));
        assert_eq!(readings(|_| 7.0).creep(), 0.0);
    }

    #[test]
    fn too_few_readings_say_nothing() {
        assert_eq!(Readings::default().growth(), 0.0);
        let mut one = Readings::default();
        one.take(3.0, 7.0);
        assert_eq!((one.n(), one.growth(), one.creep()), (1, 0.0, 0.0));
    }
}
