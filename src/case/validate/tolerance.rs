//! What a case holds its figures and distances to, and what else it says of them.

use std::collections::BTreeMap;

use serde_saphyr::Location;

use super::Check;
use crate::case::scalar::At;
use crate::case::schema::{CaseFile, DistancesFile, PercentilesFile, ToleranceFile};
use crate::compare::{Distance, DistanceKind, Figure, Metric, Percentile, Tolerance, Tolerances};

impl Check {
    pub(super) fn tolerances(&mut self, tolerance: &At<ToleranceFile>) -> Tolerances {
        let ToleranceFile { ttft, tbt, tpot, e2e } = &tolerance.value;
        let mut figures = BTreeMap::new();
        for (metric, percentiles) in Metric::ALL.into_iter().zip([ttft, tbt, tpot, e2e]) {
            let Some(PercentilesFile { p50, p90, p99 }) = percentiles else { continue };
            for (percentile, scalar) in Percentile::ALL.into_iter().zip([p50, p90, p99]) {
                let Some(scalar) = scalar else { continue };
                let Some(fraction) = self.value(scalar) else { continue };
                match Tolerance::from_fraction(fraction) {
                    Some(tolerance) => {
                        figures.insert(Figure { metric, percentile }, tolerance);
                    }
                    None => self.problem(
                        scalar.at,
                        format!("`{}` is no tolerance", scalar.text),
                        "it lies above 0% and below 100%",
                    ),
                }
            }
        }
        if figures.is_empty() && self.0.is_empty() {
            let help = "name a percentile such as `ttft: { p50: 5% }`, or leave the key out for a structure-only case";
            self.problem(tolerance.at, "a tolerance that gates no figure", help);
        }
        Tolerances::Figures(figures)
    }

    pub(super) fn distances(&mut self, distances: &At<DistancesFile>) -> Vec<(Distance, f64, u64)> {
        let DistancesFile { ttft, tbt, tpot, e2e } = &distances.value;
        let mut held = Vec::new();
        for (metric, kinds) in Metric::ALL.into_iter().zip([ttft, tbt, tpot, e2e]) {
            let Some(kinds) = kinds else { continue };
            let given = [
                (DistanceKind::Wasserstein, &kinds.wasserstein),
                (DistanceKind::Kolmogorov, &kinds.kolmogorov),
                (DistanceKind::Quantiles, &kinds.quantiles),
                (DistanceKind::Requests, &kinds.requests),
                (DistanceKind::Totals, &kinds.totals),
                (DistanceKind::Stalls, &kinds.stalls),
                (DistanceKind::Queueing, &kinds.queueing),
            ];
            for (kind, scalar) in given {
                let Some(scalar) = scalar else { continue };
                let distance = Distance { metric, kind };
                if !distance.exists() {
                    let own = Distance::all().filter(|d| d.metric == metric);
                    let own: Vec<String> = own.map(|distance| distance.to_string()).collect();
                    let help = format!("there are {}", own.join(", "));
                    self.problem(scalar.at, format!("`{distance}` is no distance"), help);
                }
                let value = self.value(scalar);
                // A share is never beyond 100 %: no such tolerance could be missed.
                let share = matches!(kind, DistanceKind::Kolmogorov | DistanceKind::Stalls);
                let faulty = |&value: &f64| value <= 0.0 || (share && value >= 1.0);
                if value.as_ref().is_some_and(faulty) {
                    let message = format!("`{}` is no tolerance", scalar.text);
                    let help =
                        if share { "it lies above 0% and below 100%" } else { "it lies above 0%" };
                    self.problem(scalar.at, message, help);
                }
                held.extend(value.map(|value| (distance, value, scalar.at.line().max(1))));
            }
        }
        if held.is_empty() && self.0.is_empty() {
            let help = "name a distance such as `ttft: { requests: 20% }`, or leave the key out";
            self.problem(distances.at, "a tolerance that gates no distance", help);
        }
        held
    }

    pub(super) fn expect(&mut self, file: &CaseFile, tolerances: &Tolerances) -> Vec<Figure> {
        let Some(expect) = &file.expect else { return Vec::new() };
        let outside = &expect.outside;
        if outside.value.is_empty() {
            let help = "name the figures that must be outside, or leave `expect` out";
            self.problem(outside.at, "`outside` names no figure", help);
        }
        let named =
            outside.value.iter().filter_map(|name| self.gated(&name.value, name.at, tolerances));
        named.collect()
    }

    pub(super) fn kappa(&mut self, file: &CaseFile, tolerances: &Tolerances) -> Vec<(Figure, f64)> {
        let Some(kappa) = &file.kappa else { return Vec::new() };
        let mut values = Vec::new();
        for (name, scalar) in kappa {
            let value = self.value(scalar);
            if let Some(value) = value.filter(|&value| value <= 2.0) {
                let help = "leave it out: up to 2 the tolerance stands as it is";
                self.problem(scalar.at, format!("a kappa of {value} widens nothing"), help);
            }
            if let (Some(figure), Some(value)) = (self.gated(name, scalar.at, tolerances), value) {
                values.push((figure, value));
            }
        }
        values
    }

    /// A figure that has a tolerance.
    fn gated(&mut self, name: &str, at: Location, tolerances: &Tolerances) -> Option<Figure> {
        match name.parse::<Figure>() {
            Ok(figure) if tolerances.of(figure).is_some() => return Some(figure),
            Ok(figure) => {
                let help = format!("give {figure} a tolerance, or leave it out here");
                self.problem(at, format!("{figure} has no tolerance"), help);
            }
            Err(error) => self.problem(at, error.to_string(), ""),
        }
        None
    }
}

/// The lines of all tolerances.
pub(super) fn lines(tolerance: &ToleranceFile) -> BTreeMap<Figure, u64> {
    let ToleranceFile { ttft, tbt, tpot, e2e } = tolerance;
    let mut lines = BTreeMap::new();
    for (metric, percentiles) in Metric::ALL.into_iter().zip([ttft, tbt, tpot, e2e]) {
        let Some(PercentilesFile { p50, p90, p99 }) = percentiles else { continue };
        for (percentile, scalar) in Percentile::ALL.into_iter().zip([p50, p90, p99]) {
            let line = scalar.as_ref().map(|scalar| scalar.at.line().max(1));
            lines.extend(line.map(|line| (Figure { metric, percentile }, line)));
        }
    }
    lines
}
