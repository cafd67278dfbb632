//! What a comparison's gated figures rest on, unit by unit: for whoever asks how else it could have come.

use super::comparison::Comparison;
use super::figure::Figure;
use super::samples::{Samples, log_percentiles};
use super::tolerance::Tolerance;
use crate::stats::Mean;

/// A gated figure with every unit behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct GatedFigure {
    /// The figure.
    pub figure: Figure,
    /// What it is held to, amplification included.
    pub tolerance: Tolerance,
    /// `ln P` of every repeat of the real side, by process.
    pub real: Vec<Vec<f64>>,
    /// `ln P` of every seed, or process, of the sim side; one for a prediction without scatter.
    pub sim: Vec<f64>,
}

impl GatedFigure {
    /// `ln P` of every real process: the mean over its repeats.
    pub fn real_units(&self) -> Vec<f64> {
        self.real.iter().map(|repeats| Mean::of(repeats).value).collect()
    }
}

impl Comparison {
    /// How many figures and distances it judges: they share the wrong reds that a case may have.
    pub fn gated_count(&self) -> usize {
        let figures = self.figures.iter().filter(|f| f.verdict.is_some()).count();
        figures + self.distances.iter().filter(|d| d.verdict.is_some()).count()
    }

    /// Its judged figures, unit by unit.
    pub fn gated_figures(&self) -> Vec<GatedFigure> {
        let judged = self.figures.iter().filter(|f| f.verdict.is_some());
        judged
            .filter_map(|f| {
                let of = |samples: &[Samples], processes: &[Vec<usize>]| -> Vec<Vec<f64>> {
                    let place = f.figure.percentile as usize;
                    let logs = log_percentiles(samples, f.figure.metric);
                    let repeats =
                        |runs: &Vec<usize>| runs.iter().map(|&r| logs[r][place]).collect();
                    processes.iter().map(repeats).collect()
                };
                let sim = of(&self.sim_samples, &self.sim.by_process);
                Some(GatedFigure {
                    figure: f.figure,
                    tolerance: f.tolerance?,
                    real: of(&self.real_samples, &self.real.by_process),
                    sim: sim.iter().map(|repeats| Mean::of(repeats).value).collect(),
                })
            })
            .collect()
    }
}
