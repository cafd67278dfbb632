//! The JSON that programs read.

use serde::Serialize;

use super::Report;
use super::csv::verdict;
use crate::compare::{Comparison, DistanceResult, FigureResult, SideSummary, Verdict};
use crate::engine::Launch;
use crate::run::Boundary;

/// Version of `comparison.json`.
const COMPARISON_SCHEMA_VERSION: u32 = 1;

/// One figure. What is not known is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct FigureJson {
    /// `ttft`, `tbt`, `tpot` or `e2e`.
    pub metric: &'static str,
    /// `p50`, `p90` or `p99`.
    pub percentile: &'static str,
    /// Real side, ns.
    pub real_ns: f64,
    /// Sim side, ns.
    pub sim_ns: f64,
    /// Sim against real, signed.
    pub error_pct: Option<f64>,
    /// Lower end of the error's interval.
    pub ci_low_pct: Option<f64>,
    /// Upper end of the error's interval.
    pub ci_high_pct: Option<f64>,
    /// What the real side's own scatter leaves open.
    pub noise_pct: Option<f64>,
    /// Amplification of step-time errors.
    pub kappa: Option<f64>,
    /// Processes behind the real side (K).
    pub processes: usize,
    /// Seeds, or processes, behind the sim side (M).
    pub seeds: usize,
    /// What the figure is held to.
    pub tolerance_pct: Option<f64>,
    /// `within`, `outside`, `undecided`, or why there is none.
    pub verdict: String,
}

impl From<&FigureResult> for FigureJson {
    fn from(figure: &FigureResult) -> Self {
        Self {
            metric: figure.figure.metric.as_str(),
            percentile: figure.figure.percentile.as_str(),
            real_ns: figure.real_ns,
            sim_ns: figure.sim_ns,
            error_pct: Some(figure.error() * 100.0).filter(|e| e.is_finite()),
            ci_low_pct: figure.interval().map(|(low, _)| low * 100.0).filter(|e| e.is_finite()),
            ci_high_pct: figure.interval().map(|(_, high)| high * 100.0).filter(|e| e.is_finite()),
            noise_pct: figure.noise.map(|h0| h0.exp_m1() * 100.0).filter(|e| e.is_finite()),
            kappa: figure.kappa,
            processes: figure.real.units,
            seeds: figure.sim.units,
            tolerance_pct: figure.tolerance.map(|t| t.fraction() * 100.0),
            verdict: verdict(figure),
        }
    }
}

/// One distance. What is not known is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct DistanceJson {
    /// Its name: `ttft.wasserstein`.
    pub distance: String,
    /// What the numbers are in: `%`.
    pub unit: &'static str,
    /// Mean over the real processes of the distance to the sim side.
    pub value: Option<f64>,
    /// The same in ms, where it is a time.
    pub value_ms: Option<f64>,
    /// Real processes behind it: those of which gaps are kept, where it is of gaps.
    pub processes: usize,
    /// The end of its one-sided interval.
    pub high: Option<f64>,
    /// How far real repeats lie from each other: the 95 % point.
    pub band: Option<f64>,
    /// What it is held to.
    pub tolerance: Option<f64>,
    /// `within`, `outside` or `undecided`, where it is gated.
    pub verdict: Option<&'static str>,
}

impl From<&DistanceResult> for DistanceJson {
    fn from(d: &DistanceResult) -> Self {
        let percent = |fraction: Option<f64>| fraction.map(|f| f * 100.0).filter(|p| p.is_finite());
        Self {
            distance: d.distance.to_string(),
            unit: "%",
            value: percent(Some(d.value)),
            value_ms: d.ns.map(|ns| ns / 1e6).filter(|ms| ms.is_finite()),
            processes: d.processes,
            high: percent(d.high),
            band: percent(d.band),
            tolerance: percent(d.tolerance),
            verdict: d.verdict.map(Verdict::as_str),
        }
    }
}

/// All distances of a comparison that were found.
fn distances(comparison: &Comparison) -> Vec<DistanceJson> {
    comparison.distances.iter().map(DistanceJson::from).collect()
}

/// All figures of a comparison.
pub(crate) fn figures(comparison: &Comparison) -> Vec<FigureJson> {
    comparison.figures.iter().map(FigureJson::from).collect()
}

#[derive(Serialize)]
struct ComparisonJson<'a> {
    schema_version: u32,
    title: &'a str,
    verdict: &'static str,
    requests: usize,
    real: SideJson<'a>,
    sim: SideJson<'a>,
    status_differs: &'a [u64],
    tokens_differ: &'a [u64],
    metrics: Vec<FigureJson>,
    distances: Vec<DistanceJson>,
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct SideJson<'a> {
    runs: &'a [String],
    processes: usize,
    boundary: Boundary,
}

impl<'a> From<&'a SideSummary> for SideJson<'a> {
    fn from(side: &'a SideSummary) -> Self {
        Self { runs: &side.labels, processes: side.processes, boundary: side.boundary }
    }
}

/// `comparison.json`.
pub(super) fn comparison(report: &Report<'_>) -> serde_json::Result<Vec<u8>> {
    let c = report.comparison;
    let json = ComparisonJson {
        schema_version: COMPARISON_SCHEMA_VERSION,
        title: report.title,
        verdict: report.verdict.as_str(),
        requests: c.requests,
        real: SideJson::from(&c.real),
        sim: SideJson::from(&c.sim),
        status_differs: &c.structure.status,
        tokens_differ: &c.structure.tokens,
        metrics: figures(c),
        distances: distances(c),
        remarks: report.remarks(),
    };
    let mut bytes = serde_json::to_vec_pretty(&json)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// One case of `simgate check --json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CaseJson {
    /// Its name.
    pub case: String,
    /// `within`, `outside`, `undecided`, `structure only` or `error`.
    pub verdict: String,
    /// Figures that must be outside.
    pub expect: Vec<String>,
    /// Whether the case is green.
    pub passed: bool,
    /// `graph` or `eager`, where the case has an engine.
    pub launch: Option<Launch>,
    /// All figures.
    pub metrics: Vec<FigureJson>,
    /// Distances: those that are gated, or all in a report.
    pub distances: Vec<DistanceJson>,
    /// Its file, from the project's folder.
    pub file: String,
    /// The line of the worst figure's tolerance, or of the first fault; from 1.
    pub line: Option<u64>,
    /// The part of the prediction that most of the error comes from, where it is red and that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub culprit: Option<&'static str>,
    /// Why it is not green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `simgate check --json`.
#[derive(Debug, Clone, Serialize)]
pub struct CheckJson {
    /// The device of the real sides, where they name one.
    pub device: Option<String>,
    /// The commit that simgate was built from, where it is known.
    pub commit: Option<&'static str>,
    /// Every case, by name.
    pub cases: Vec<CaseJson>,
}
