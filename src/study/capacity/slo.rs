//! Latency targets: `ttft.p99=500ms`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::case::parse_duration;
use crate::compare::{Figure, ParseFigureError};

/// A target: a figure and the most that it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slo {
    /// What is held to it.
    pub figure: Figure,
    /// The most that it may be, ns; above 0.
    pub limit_ns: u64,
}

impl Slo {
    /// The limit in ms.
    pub fn limit_ms(&self) -> f64 {
        self.limit_ns as f64 / 1e6
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <= {} ms", self.figure, self.limit_ms())
    }
}

/// A text that is no target, or targets that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SloError {
    /// No `=`.
    #[error("`{0}` is no target: write FIGURE=LIMIT, such as ttft.p99=500ms")]
    Form(String),
    /// What stands before the `=`.
    #[error("`{text}`: {source}, such as ttft.p99=500ms")]
    Figure {
        /// The target.
        text: String,
        /// What is wrong.
        source: ParseFigureError,
    },
    /// What stands behind it.
    #[error("`{text}`: {problem}, such as ttft.p99=500ms")]
    Limit {
        /// The target.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// Two targets for one figure.
    #[error("`{0}` has two targets: keep the tighter one")]
    Twice(Figure),
    /// No target.
    #[error("there is no target: name one, such as ttft.p99=500ms")]
    Empty,
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let (figure, limit) =
            text.split_once('=').ok_or_else(|| SloError::Form(text.to_owned()))?;
        let figure =
            figure.parse().map_err(|source| SloError::Figure { text: text.to_owned(), source })?;
        let fault = |problem| SloError::Limit { text: text.to_owned(), problem };
        let limit_ns = parse_duration(limit).map_err(fault)?;
        if limit_ns == 0 {
            return Err(fault("no latency is 0: write a longer limit".to_owned()));
        }
        Ok(Self { figure, limit_ns })
    }
}

/// Targets: one or more, each of another figure, in the order they were named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slos(Vec<Slo>);

impl Slos {
    /// Takes targets together.
    ///
    /// # Errors
    /// None at all, or two of one figure.
    pub fn new(all: Vec<Slo>) -> Result<Self, SloError> {
        if all.is_empty() {
            return Err(SloError::Empty);
        }
        for (i, slo) in all.iter().enumerate() {
            if all[..i].iter().any(|other| other.figure == slo.figure) {
                return Err(SloError::Twice(slo.figure));
            }
        }
        Ok(Self(all))
    }

    /// The targets.
    pub fn iter(&self) -> std::slice::Iter<'_, Slo> {
        self.0.iter()
    }
}

impl fmt::Display for Slos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Metric, Percentile};

    #[test]
    fn a_target_is_a_figure_and_a_limit_with_its_unit() {
        let slo: Slo = "tbt.p99=1.5ms".parse().unwrap();
        let figure = Figure { metric: Metric::Tbt, percentile: Percentile::P99 };
        assert_eq!(slo, Slo { figure, limit_ns: 1_500_000 });
        assert_eq!(slo.to_string(), "tbt.p99 <= 1.5 ms");
    }

    #[test]
    fn a_faulty_target_is_named_with_what_would_be_right() {
        for (text, expected) in [
            ("ttft.p99", "`ttft.p99` is no target: write FIGURE=LIMIT, such as ttft.p99=500ms"),
            (
                "ttft.p95=1s",
                "`ttft.p95=1s`: `ttft.p95` is not a figure: write METRIC.PERCENTILE with ttft, tbt, tpot or e2e and p50, p90 or p99, such as ttft.p99=500ms",
            ),
            (
                "ttft.p99=500",
                "`ttft.p99=500`: `500` is not a duration: write it as 2s, 250ms, 40us or 5ns, such as ttft.p99=500ms",
            ),
            (
                "ttft.p99=0ms",
                "`ttft.p99=0ms`: no latency is 0: write a longer limit, such as ttft.p99=500ms",
            ),
        ] {
            assert_eq!(text.parse::<Slo>().unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn targets_are_at_least_one_and_each_of_another_figure() {
        assert_eq!(Slos::new(vec![]), Err(SloError::Empty));
        let all = ["ttft.p99=1s", "tbt.p99=1s", "ttft.p99=2s"].map(|text| text.parse().unwrap());
        let message = Slos::new(all.to_vec()).unwrap_err().to_string();
        assert_eq!(message, "`ttft.p99` has two targets: keep the tighter one");
        assert_eq!(Slos::new(all[..2].to_vec()).unwrap().iter().count(), 2);
    }
}
