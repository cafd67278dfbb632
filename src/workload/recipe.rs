//! A recipe: what a case says of a workload, in plain values.

use std::path::PathBuf;

/// Determines a workload, together with a tokenizer where prompts are text.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// What users send.
    pub prompts: Prompts,
    /// How many tokens they ask for.
    pub output_tokens: Lengths,
    /// When they come.
    pub arrivals: Arrivals,
    /// How many there are.
    pub requests: u32,
    /// Seed of everything drawn.
    pub seed: u64,
}

/// What users send.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompts {
    /// A JSONL file.
    File(PathBuf),
    /// Random token ids of drawn lengths.
    Synthetic(Lengths),
}

/// Lengths in tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Lengths {
    /// All alike.
    Fixed(u32),
    /// From the first to the second, equally likely.
    Uniform {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// `min + k - 1` with probability proportional to `1 / k^exponent`.
    Zipf {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
        /// Above 0.
        exponent: f64,
    },
    /// Lognormal, kept within bounds by drawing anew.
    Lognormal {
        /// Its median.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// Lengths of a trace directory.
    Trace(PathBuf),
}

/// When requests arrive.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// At equal distances in ns, from 0.
    Fixed {
        /// The distance.
        every_ns: u64,
    },
    /// All at 0.
    AllAtOnce,
    /// A Poisson process.
    Poisson {
        /// Requests per second.
        rate: f64,
    },
    /// Gamma-distributed distances.
    Gamma {
        /// Requests per second.
        rate: f64,
        /// Coefficient of variation of the distances.
        cv: f64,
    },
    /// Arrivals of a trace directory.
    Trace(PathBuf),
}
