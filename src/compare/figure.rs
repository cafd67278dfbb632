//! What is compared: a metric at a percentile.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A latency, by its definition here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Time to first token: first token - scheduled arrival, one a request.
    Ttft,
    /// Time between tokens: every gap between consecutive tokens of a request, pooled.
    Tbt,
    /// Time per output token: (completion - first token) / (tokens - 1), one a request.
    Tpot,
    /// End to end: completion - scheduled arrival, one a request.
    E2e,
}

impl Metric {
    /// In the order of every table.
    pub const ALL: [Self; 4] = [Self::Ttft, Self::Tbt, Self::Tpot, Self::E2e];

    /// The name in files: `ttft`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Tbt => "tbt",
            Self::Tpot => "tpot",
            Self::E2e => "e2e",
        }
    }

    /// The name for people: `TTFT`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ttft => "TTFT",
            Self::Tbt => "TBT",
            Self::Tpot => "TPOT",
            Self::E2e => "E2E",
        }
    }
}

/// The percentiles that are gated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Percentile {
    /// The median.
    P50,
    /// 90th.
    P90,
    /// 99th.
    P99,
}

impl Percentile {
    /// In the order of every table.
    pub const ALL: [Self; 3] = [Self::P50, Self::P90, Self::P99];

    /// The name in files: `p50`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
        }
    }

    /// As a fraction of 1.
    pub fn fraction(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P99 => 0.99,
        }
    }

    /// Samples of every hundred that lie above it.
    pub(super) fn tail_per_hundred(self) -> usize {
        match self {
            Self::P50 => 50,
            Self::P90 => 10,
            Self::P99 => 1,
        }
    }
}

/// A metric at a percentile, written `ttft.p50`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Figure {
    /// What is measured.
    pub metric: Metric,
    /// Where in its distribution.
    pub percentile: Percentile,
}

impl Figure {
    /// `metric` at every percentile, in the order of every table.
    pub fn of(metric: Metric) -> [Self; 3] {
        Percentile::ALL.map(|percentile| Self { metric, percentile })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.metric.as_str(), self.percentile.as_str())
    }
}

/// A text that names no figure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a figure: write METRIC.PERCENTILE with ttft, tbt, tpot or e2e and p50, p90 or p99"
)]
pub struct ParseFigureError(String);

impl FromStr for Figure {
    type Err = ParseFigureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (metric, percentile) = text.split_once('.')?;
            Some(Self {
                metric: Metric::ALL.into_iter().find(|m| m.as_str() == metric)?,
                percentile: Percentile::ALL.into_iter().find(|p| p.as_str() == percentile)?,
            })
        };
        parse().ok_or_else(|| ParseFigureError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_reads_back() {
        for metric in Metric::ALL {
            for percentile in Percentile::ALL {
                let figure = Figure { metric, percentile };
                assert_eq!(figure.to_string().parse(), Ok(figure));
            }
        }
        assert!("ttft.p95".parse::<Figure>().is_err());
        assert!("ttft".parse::<Figure>().is_err());
    }
}
