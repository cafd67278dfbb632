//! Tails: the residuals of measured steps, in the order in which they were measured, so that neighbouring
//! steps are as alike as they were.

use crate::profile::StepResidual;
use crate::stats::{Random, percentiles};

/// Residuals of steps that are alike in launch mode, chunks and size, run after run.
#[derive(Debug, Clone, Default)]
struct Series {
    /// (device, host), measured over predicted.
    ratios: Vec<(f64, f64)>,
    /// For each process that measured, where its residuals begin and end.
    processes: Vec<(usize, usize)>,
    /// The median of the device's.
    level: f64,
}

/// All residuals of one launch mode.
#[derive(Debug, Clone)]
pub(super) struct Residuals {
    series: Vec<Series>,
}

/// Sequences up to which steps are alike.
const SIZES: [u32; 4] = [4, 24, 64, u32::MAX];

/// How many steps, on average, are drawn one after another before the next ones are drawn from elsewhere
/// (Politis and Romano, J. Am. Stat. Assoc. 89, 1994).
const MEAN_BLOCK: f64 = 64.0;

fn class(chunks: bool, sequences: u32) -> usize {
    let size = SIZES.iter().position(|&most| sequences <= most).unwrap_or(SIZES.len() - 1);
    size + SIZES.len() * usize::from(chunks)
}

impl Residuals {
    pub fn new<'a>(entries: impl Iterator<Item = &'a StepResidual>) -> Self {
        let mut series = vec![Series::default(); 2 * SIZES.len()];
        let mut last = vec![None; series.len()];
        for entry in entries {
            let class = class(entry.chunks, entry.sequences);
            let of_class = &mut series[class];
            let at = of_class.ratios.len();
            of_class.ratios.push((entry.device, entry.host));
            match (last[class] == Some(entry.process), of_class.processes.last_mut()) {
                (true, Some(process)) => process.1 = at + 1,
                _ => of_class.processes.push((at, at + 1)),
            }
            last[class] = Some(entry.process);
        }
        series.iter_mut().for_each(Series::center);
        Self { series }
    }

    /// The median of what steps of a kind took over what was predicted, on the device; 1 without any.
    pub fn level(&self, chunks: bool, sequences: u32) -> f64 {
        self.alike(chunks, sequences).map_or(1.0, |class| self.series[class].level)
    }

    /// The class with residuals that is most like a step's: of the next smaller or larger size, and with or
    /// without chunks as the step if there is one.
    fn alike(&self, chunks: bool, sequences: u32) -> Option<usize> {
        let wanted = class(chunks, sequences);
        let alike = (0..self.series.len()).filter(|&c| !self.series[c].ratios.is_empty());
        let far = |&c: &usize| (c / SIZES.len() != wanted / SIZES.len(), c.abs_diff(wanted));
        alike.min_by_key(far)
    }
}

impl Series {
    /// Those of the device say how steps scatter, not how long they take: what is fitted says that. The median, since a
    /// single stall would move the mean of all. Those of the host stay as they are: it is predicted by medians, and its
    /// mean lies above them.
    fn center(&mut self) {
        let mut device: Vec<f64> = self.ratios.iter().map(|ratio| ratio.0).collect();
        let level = percentiles(&mut device, [0.5])[0];
        if level > 0.0 {
            self.level = level;
            self.ratios.iter_mut().for_each(|ratio| ratio.0 /= level);
        }
    }
}

/// Where one simulation stands in the residuals.
#[derive(Debug, Clone)]
pub struct Draws {
    random: Random,
    /// Chooses the process whose residuals this simulation has.
    process: u64,
    /// The next residual of each class.
    next: Vec<Option<usize>>,
}

impl Draws {
    /// Those of `seed`.
    pub fn new(seed: u64) -> Self {
        let process = Random::new(seed, 1).bits();
        Self { random: Random::new(seed, 0), process, next: vec![None; 2 * SIZES.len()] }
    }

    /// Random numbers for what has no series.
    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The residual of the next step: (device, host), measured over predicted. Steps of a kind that was
    /// never measured have those of the kind most like it.
    pub(super) fn next(&mut self, from: &Residuals, chunks: bool, sequences: u32) -> (f64, f64) {
        let Some(class) = from.alike(chunks, sequences) else { return (1.0, 1.0) };
        let series = &from.series[class];
        let process = (self.process % series.processes.len() as u64) as usize;
        let (begin, end) = series.processes[process];
        let jump = self.random.unit() < 1.0 / MEAN_BLOCK;
        let at = match self.next[class].filter(|_| !jump) {
            // Behind the last one comes the first again, so that all are drawn equally often.
            Some(at) if at >= end => begin,
            Some(at) => at,
            None => begin + self.random.below((end - begin) as u64) as usize,
        };
        self.next[class] = Some(at + 1);
        series.ratios[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(process: u32, sequences: u32, device: f64) -> StepResidual {
        StepResidual {
            process,
            run: process,
            eager: false,
            chunks: false,
            sequences,
            device,
            host: 1.0,
        }
    }

    #[test]
    fn neighbours_are_drawn_together_and_a_simulation_stays_with_one_process() {
        let entries: Vec<StepResidual> = (0..2_000)
            .map(|i| {
                entry(i / 1_000, 1, if i < 1_000 { 0.9 } else { 1.1 } + f64::from(i % 1_000) / 1e5)
            })
            .collect();
        let residuals = Residuals::new(entries.iter());
        let mut processes = [0, 0];
        for seed in 0..40 {
            let mut draws = Draws::new(seed);
            let drawn: Vec<f64> = (0..200).map(|_| draws.next(&residuals, false, 1).0).collect();
            assert!(drawn.iter().all(|&x| (x < 1.0) == (drawn[0] < 1.0)));
            processes[usize::from(drawn[0] > 1.0)] += 1;
            let neighbours = drawn.windows(2).filter(|w| (w[1] - w[0] - 1e-5).abs() < 2e-6).count();
            assert!(neighbours > 180, "{neighbours}");
        }
        assert!(processes.iter().all(|&count| count > 8), "{processes:?}");
    }

    #[test]
    fn the_device_is_centred_whatever_one_stall_took_and_the_host_keeps_its_mean() {
        let entries: Vec<StepResidual> = (0..1_000)
            .map(|i| StepResidual {
                host: if i % 2 == 0 { 1.5 } else { 2.5 },
                ..entry(0, 1, if i == 17 { 3.3 } else { 1.04 })
            })
            .collect();
        let residuals = Residuals::new(entries.iter());
        let mut draws = Draws::new(3);
        let drawn: Vec<(f64, f64)> = (0..4_000).map(|_| draws.next(&residuals, false, 2)).collect();
        assert!(drawn.iter().filter(|d| d.0 == 1.0).count() > 3_950);
        let host = drawn.iter().map(|d| d.1).sum::<f64>() / 4_000.0;
        assert!((host - 2.0).abs() < 0.01, "{host}");
        assert_eq!(residuals.level(false, 2), 1.04);
    }
}
