//! The verdict by simulation: intervals cover what they say, and wrong reds and greens are as rare as they
//! should be. All through the functions that judge cases.
//!
//! `cargo test --test verdicts -- --nocapture` prints the tables.

mod support;

use std::time::Instant;

use simgate::compare::{Estimate, Origin, Rules, Side, Tolerance, Tolerances, Verdict, compare};
use simgate::run::{Boundary, RunMeta};
use simgate::stats::{Mean, Random};
use support::{Project, run_of};

const TRIALS: u32 = 20_000;
const SEED: u64 = 20;
/// Gated figures of a case: independent ones are the worst, since each is a chance of its own.
const FIGURES: usize = 12;
const REPEATS: usize = 2;
const PROCESSES: [usize; 4] = [5, 8, 10, 20];

/// How the repeats of a process and the seeds of a simulator scatter, in `ln P`.
#[derive(Debug, Clone, Copy)]
struct Design {
    name: &'static str,
    /// Standard deviation between processes, and between the repeats of one.
    real: [f64; 2],
    /// Standard deviation between seeds, and their number; one seed is exact.
    sim: (f64, usize),
    /// Whether processes scatter lognormally (sigma 0.7) instead of normally.
    lognormal: bool,
    /// Share of trials, in percent, in which the interval must hold the truth.
    coverage: (f64, f64),
}

const NORMAL: Design = Design {
    name: "normal",
    real: [0.0, 0.01],
    sim: (0.005, 16),
    lognormal: false,
    coverage: (93.0, 97.0),
};

fn designs() -> [Design; 6] {
    let half = 0.01 / 2.0_f64.sqrt();
    [
        NORMAL,
        Design { name: "half between processes", real: [half, half], ..NORMAL },
        Design { name: "M = 1", sim: (0.0, 1), ..NORMAL },
        Design { name: "s_r = 0", real: [0.0, 0.0], ..NORMAL },
        // s_r is the spread of process means: of two repeats each.
        Design { name: "s_q = 2 s_r", sim: (2.0 * half, 16), ..NORMAL },
        Design {
            name: "lognormal(0.7)",
            real: [0.01, 0.0],
            lognormal: true,
            coverage: (87.0, 100.0),
            ..NORMAL
        },
    ]
}

impl Design {
    /// One experiment whose true difference is `truth`.
    fn draw(&self, processes: usize, truth: f64, random: &mut Random) -> Estimate {
        let [between, within] = self.real;
        let mut process = || {
            let z = random.normal();
            // Both have mean 0 and standard deviation 1.
            let (mean, sd) = ((0.245_f64).exp(), ((0.49_f64).exp() * (0.49_f64).exp_m1()).sqrt());
            let effect = if self.lognormal { ((0.7 * z).exp() - mean) / sd } else { z };
            let repeat = |_| effect * between + random.normal() * within;
            (0..REPEATS).map(repeat).sum::<f64>() / REPEATS as f64
        };
        let real: Vec<f64> = (0..processes).map(|_| process()).collect();
        let (spread, seeds) = self.sim;
        let sim: Vec<f64> = (0..seeds).map(|_| truth + random.normal() * spread).collect();
        let sim = if seeds == 1 { Mean::exact(sim[0]) } else { Mean::of(&sim) };
        Estimate::new(&Mean::of(&real), &sim)
    }
}

/// Share of trials in percent.
fn share(count: u32) -> f64 {
    f64::from(count) / f64::from(TRIALS) * 100.0
}

fn tolerance() -> Tolerance {
    Tolerance::from_fraction(0.02).unwrap()
}

/// Everything that is promised and does not hold when every estimate goes through `change`.
fn broken_promises(change: impl Fn(Estimate) -> Estimate) -> Vec<String> {
    let mut broken = Vec::new();
    println!("design                    K  coverage  wrong red  wrong green   ({TRIALS} trials)");
    for (d, design) in designs().into_iter().enumerate() {
        for processes in PROCESSES {
            let mut random = Random::new(SEED, (d * 100 + processes) as u64);
            let (mut covered, mut reds, mut greens) = (0, 0, 0);
            // The error equals the tolerance, once above and once below.
            let bounds = [0.02_f64.ln_1p(), (-0.02_f64).ln_1p()];
            for trial in 0..TRIALS {
                let truth = bounds[trial as usize % 2];
                let mut draw = || change(design.draw(processes, truth, &mut random));
                let figures: Vec<Estimate> = (0..FIGURES).map(|_| draw()).collect();
                let (low, high) = figures[0].interval();
                covered += u32::from(low <= truth && truth <= high);
                let verdict = |f: &Estimate| f.verdict(tolerance(), FIGURES);
                reds += u32::from(figures.iter().any(|f| verdict(f) == Verdict::Outside));
                greens += u32::from(verdict(&figures[0]) == Verdict::Within);
            }
            let (covered, reds, greens) = (share(covered), share(reds), share(greens));
            let name = design.name;
            println!("{name:24} {processes:2}  {covered:6.2} %  {reds:7.2} %  {greens:9.2} %");
            let mut promise = |what: &str, value: f64, (low, high): (f64, f64)| {
                if !(low..=high).contains(&value) {
                    broken.push(format!("{what}: {name}, K = {processes}: {value:.2} %"));
                }
            };
            promise("coverage", covered, design.coverage);
            // Of other distributions than the normal only coverage is promised.
            if !design.lognormal {
                promise("wrong red", reds, (0.0, 1.3));
                promise("wrong green", greens, (0.0, 3.0));
            }
        }
    }
    broken
}

#[test]
fn intervals_cover_and_wrong_verdicts_are_rare() {
    let broken = broken_promises(|estimate| estimate);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn halved_intervals_break_every_promise() {
    let halve = |e: Estimate| Estimate { standard_error: e.standard_error / 2.0, ..e };
    let broken = broken_promises(halve);
    for what in ["coverage", "wrong red", "wrong green"] {
        assert!(broken.iter().any(|line| line.starts_with(what)), "{what}: {broken:#?}");
    }
}

#[test]
fn the_statistics_of_a_case_take_milliseconds() {
    let project = Project::new(300, 64);
    let side = |name: &str, runs: u32, scale: f64, processes: bool| Side {
        labels: (0..runs).map(|k| format!("{name} {k}")).collect(),
        runs: (0..runs)
            .map(|k| {
                let mut run = run_of(&project.workload, scale + 0.0001 * f64::from(k));
                let mut meta = RunMeta::new("test", Boundary::Engine);
                meta.process = processes.then_some(k / 2);
                run.meta = Some(meta);
                run
            })
            .collect(),
        boundary: Boundary::Engine,
        origin: Origin::Recorded,
    };
    let (real, sim) = (side("real", 10, 1.0, true), side("sim", 16, 1.001, false));
    let rules = Rules { tolerances: Tolerances::Blanket(tolerance()), ..Rules::default() };
    let time = || {
        let start = Instant::now();
        let comparison = compare(&real, &sim, &rules).unwrap();
        assert_eq!((comparison.real.processes, comparison.sim.processes), (5, 16));
        start.elapsed()
    };
    let best = (0..5).map(|_| time()).min().unwrap();
    println!("300 requests of 64 tokens, 10 repeats, 16 seeds: {best:?}");
    assert!(best.as_millis() < 50, "{best:?}");
}
