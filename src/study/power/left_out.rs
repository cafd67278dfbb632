//! False alarms on what was recorded: every repeat in turn is taken for a simulator's prediction, and held
//! against the other processes. The engine is the same, so that each red is a false one.

use crate::compare::{Estimate, GatedFigure, Verdict};
use crate::stats::Mean;

/// Fewest other processes that a repeat is held against.
const MIN_OTHERS: usize = 3;

/// What became of leaving out one repeat after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Repeats that were held against the others.
    pub trials: usize,
    /// Of those, outside.
    pub alarms: usize,
}

/// Holds every repeat of `gated` against the processes that it is not of, with its own noise, that of one
/// process, in the interval.
pub fn left_out(gated: &[GatedFigure]) -> LeftOut {
    let mut counted = LeftOut::default();
    let Some(first) = gated.first() else { return counted };
    for process in 0..first.real.len() {
        for repeat in 0..first.real[process].len() {
            let verdicts: Option<Vec<Verdict>> =
                gated.iter().map(|figure| held_out(figure, process, repeat, gated.len())).collect();
            let Some(verdicts) = verdicts else { continue };
            counted.trials += 1;
            counted.alarms += usize::from(verdicts.contains(&Verdict::Outside));
        }
    }
    counted
}

fn held_out(figure: &GatedFigure, process: usize, repeat: usize, gated: usize) -> Option<Verdict> {
    let mut others = figure.real_units();
    others.remove(process);
    let held = *figure.real.get(process)?.get(repeat)?;
    if others.len() < MIN_OTHERS {
        return None;
    }
    let others = Mean::of(&others);
    let held = Mean::of(&[held]).with_variance_of(&others);
    Some(Estimate::new(&others, &held).verdict(figure.tolerance, gated))
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
    fn every_repeat_is_tried_and_one_that_stands_out_is_an_alarm() {
        let mut real: Vec<Vec<f64>> = (0..6).map(|k| vec![0.0001 * f64::from(k); 2]).collect();
        assert_eq!(left_out(&[figure(real.clone())]), LeftOut { trials: 12, alarms: 0 });
        real[5] = vec![0.2, 0.0];
        // Only the repeat itself: of the others its process widens the scatter.
        assert_eq!(left_out(&[figure(real)]), LeftOut { trials: 12, alarms: 1 });
        assert_eq!(left_out(&[figure(vec![vec![0.0]; 3])]), LeftOut::default());
        assert_eq!(left_out(&[]), LeftOut::default());
    }
}
