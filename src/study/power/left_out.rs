//! False alarms on what was recorded: every process in turn is taken for a simulator's prediction, and held
//! against the others. The engine is the same, so that each red is a false one. Repeats of one process are not
//! independent, so that a process is one trial, whatever its repeats.

use crate::compare::{Estimate, GatedFigure, MIN_PROCESSES, Verdict};
use crate::stats::Mean;

/// What became of holding one process after another against others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Processes that were held against the others.
    pub trials: usize,
    /// Of those, outside.
    pub alarms: usize,
}

impl LeftOut {
    fn add(&mut self, alarm: bool) {
        self.trials += 1;
        self.alarms += usize::from(alarm);
    }
}

/// Holds every process of `gated` against the others, in a case that judges `count` figures and distances.
pub fn left_out(gated: &[GatedFigure], count: usize) -> LeftOut {
    let mut counted = LeftOut::default();
    let processes = gated.first().map_or(0, |figure| figure.real.len());
    if processes <= MIN_PROCESSES {
        return counted;
    }
    for process in 0..processes {
        let alarm = gated.iter().any(|figure| {
            let mut others = figure.real_units();
            let held = others.remove(process);
            is_alarm(figure, &others, held, count)
        });
        counted.add(alarm);
    }
    counted
}

/// Holds every process of `fresh`, recorded since, against all of `gated`: the same figures in the same order.
pub fn held_out(gated: &[GatedFigure], fresh: &[GatedFigure], count: usize) -> LeftOut {
    let mut counted = LeftOut::default();
    let processes = fresh.iter().map(|figure| figure.real.len()).min().unwrap_or(0);
    for process in 0..processes {
        let alarm = gated.iter().zip(fresh).any(|(figure, fresh)| {
            is_alarm(figure, &figure.real_units(), fresh.real_units()[process], count)
        });
        counted.add(alarm);
    }
    counted
}

/// Whether one process lies outside of others, with its own noise, that of one process, in the interval.
fn is_alarm(figure: &GatedFigure, others: &[f64], held: f64, count: usize) -> bool {
    let others = Mean::of(others);
    let held = Mean::of(&[held]).with_variance_of(&others);
    Estimate::new(&others, &held).verdict(figure.tolerance, count) == Verdict::Outside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Figure, Metric, Percentile, Tolerance};

    fn figure(real: Vec<Vec<f64>>) -> GatedFigure {
        GatedFigure {
            figure: Figure { metric: Metric::Tbt, percentile: Percentile::P50 },
            tolerance: Tolerance::from_fraction(0.02).unwrap(),
            real,
            sim: vec![0.0],
        }
    }

    #[test]
    fn every_process_is_one_trial_and_one_that_stands_out_is_an_alarm() {
        let mut real: Vec<Vec<f64>> = (0..6).map(|k| vec![0.0001 * f64::from(k); 2]).collect();
        assert_eq!(left_out(&[figure(real.clone())], 1), LeftOut { trials: 6, alarms: 0 });
        real[5] = vec![0.2, 0.2];
        // Only the process itself: of the others it widens the scatter.
        assert_eq!(left_out(&[figure(real)], 1), LeftOut { trials: 6, alarms: 1 });
        assert_eq!(left_out(&[figure(vec![vec![0.0]; 3])], 1), LeftOut::default());
        assert_eq!(left_out(&[], 0), LeftOut::default());
    }

    #[test]
    fn what_was_recorded_since_is_held_against_all_that_is_there() {
        let real: Vec<Vec<f64>> = (0..6).map(|k| vec![0.0001 * f64::from(k)]).collect();
        let fresh = figure(vec![vec![0.0002], vec![0.1], vec![0.0, 0.0004]]);
        let counted = held_out(&[figure(real)], &[fresh], 1);
        assert_eq!(counted, LeftOut { trials: 3, alarms: 1 });
    }
}
