//! How long whole steps take on both sides: shown beside the figures that users see, never judged.

use super::estimate::{Estimate, noise};
use super::figure::Percentile;
use super::side::{Role, Side};
use crate::run::Run;
use crate::stats::{Mean, percentiles};

/// One percentile of the time of steps, from their scheduling to their tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigure {
    /// Which one.
    pub percentile: Percentile,
    /// Geometric mean over the real processes, ns.
    pub real_ns: f64,
    /// Geometric mean over the sim's seeds, ns.
    pub sim_ns: f64,
    /// `ln` of the error with its interval.
    pub estimate: Estimate,
    /// What the real side's own scatter leaves open, in `ln P`.
    pub noise: Option<f64>,
}

impl StepFigure {
    /// The relative error.
    pub fn error(&self) -> f64 {
        self.sim_ns / self.real_ns - 1.0
    }

    /// The 95 % interval of the relative error.
    pub fn interval(&self) -> (f64, f64) {
        let (low, high) = self.estimate.interval();
        (low.exp_m1(), high.exp_m1())
    }
}

/// The step figures of two sides; none where a run has no steps.
pub fn step_figures(real: &Side, sim: &Side) -> Vec<StepFigure> {
    let (Some(real), Some(sim)) = (means(real, Role::Real), means(sim, Role::Sim)) else {
        return Vec::new();
    };
    let figure = |(place, percentile): (usize, Percentile)| StepFigure {
        percentile,
        real_ns: real[place].value.exp(),
        sim_ns: sim[place].value.exp(),
        estimate: Estimate::new(&real[place], &sim[place]),
        noise: noise(&real[place]),
    };
    Percentile::ALL.into_iter().enumerate().map(figure).collect()
}

/// The mean over processes of `ln P`, for every percentile.
fn means(side: &Side, role: Role) -> Option<[Mean; 3]> {
    let logs: Vec<[f64; 3]> = side.runs.iter().map(logs).collect::<Option<_>>()?;
    let of_process = |runs: &Vec<usize>, place: usize| {
        runs.iter().map(|&run| logs[run][place]).sum::<f64>() / runs.len() as f64
    };
    let processes = side.processes(role);
    let mean = |place: usize| {
        let units: Vec<f64> = processes.iter().map(|runs| of_process(runs, place)).collect();
        Mean::of(&units)
    };
    Some([mean(0), mean(1), mean(2)])
}

/// ln of the percentiles of a run's steps.
fn logs(run: &Run) -> Option<[f64; 3]> {
    let mut times: Vec<f64> =
        run.steps.iter().map(|s| s.end_ns.saturating_sub(s.start_ns) as f64).collect();
    let found = percentiles(&mut times, Percentile::ALL.map(Percentile::fraction));
    (!run.steps.is_empty()).then(|| found.map(f64::ln))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Origin;
    use crate::run::{Boundary, StepRecord};

    fn side(scales: &[f64]) -> Side {
        let run = |scale: &f64| Run {
            steps: (1..=100)
                .map(|i| StepRecord {
                    end_ns: (f64::from(i) * 1e6 * scale) as u64,
                    ..StepRecord::default()
                })
                .collect(),
            ..Run::default()
        };
        Side {
            labels: scales.iter().map(f64::to_string).collect(),
            runs: scales.iter().map(run).collect(),
            boundary: Boundary::Engine,
            origin: Origin::Computed,
        }
    }

    #[test]
    fn steps_that_take_a_tenth_longer_are_a_tenth_off() {
        let figures = step_figures(&side(&[1.0, 1.01, 0.99]), &side(&[1.1, 1.1, 1.1]));
        assert_eq!(figures.len(), 3);
        for figure in figures {
            assert!((figure.sim_ns / figure.real_ns - 1.1).abs() < 1e-3, "{figure:?}");
            let (low, high) = figure.estimate.interval();
            assert!(low < 1.1_f64.ln() && high > 1.1_f64.ln() && figure.noise.is_some());
        }
        assert!(
            step_figures(&side(&[1.0]), &Side { runs: vec![Run::default()], ..side(&[1.0]) })
                .is_empty()
        );
    }
}
