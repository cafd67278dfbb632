//! The form of a case's workload: a directory, a trace, or a recipe.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{At, Scalar};
use super::schema::given;
use super::units::{Count, Duration, Number, Rate, Seed};

/// A workload directory, a trace, or a recipe.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    /// A workload directory; excludes every other key.
    #[serde(default, deserialize_with = "given")]
    pub(super) dir: Option<At<String>>,
    /// A trace file of another tool; excludes every other key.
    #[serde(default, deserialize_with = "given")]
    pub(super) trace: Option<At<TraceFile>>,
    /// What users send.
    #[serde(default, deserialize_with = "given")]
    pub(super) prompts: Option<PromptsFile>,
    /// How many tokens they ask for.
    #[serde(default, deserialize_with = "given")]
    pub(super) output_tokens: Option<LengthsFile>,
    /// When they come.
    #[serde(default, deserialize_with = "given")]
    pub(super) arrivals: Option<ArrivalsFile>,
    /// How many there are.
    #[serde(default, deserialize_with = "given")]
    pub(super) requests: Option<Scalar<Count>>,
    /// Seed of everything drawn; 0 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) seed: Option<Scalar<Seed>>,
}

/// A trace: when requests came, and how long they were.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// The file.
    pub(super) file: At<String>,
    /// Its format.
    pub(super) format: TraceFormatFile,
    /// Arrival times are multiplied by it; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) time_scale: Option<Scalar<Number>>,
    /// Prompt tokens are multiplied by it, and cut to whole ones; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) prefill_scale: Option<Scalar<Number>>,
    /// Output tokens are multiplied by it, and cut to whole ones; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) decode_scale: Option<Scalar<Number>>,
    /// Most tokens of a request: what is beyond is cut from its prompt.
    #[serde(default, deserialize_with = "given")]
    pub(super) max_tokens: Option<Scalar<Count>>,
    /// Only so many requests, from the first on; all when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) requests: Option<Scalar<Count>>,
}

/// Formats of traces.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormatFile {
    /// Vidur's CSV: `arrived_at` in s, `num_prefill_tokens`, `num_decode_tokens`.
    Vidur,
}

/// Prompts from a file, or of drawn lengths.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PromptsFile {
    /// A JSONL file with `prompt_id` and `text` or `token_ids` on each line.
    File(At<String>),
    /// Random token ids.
    Synthetic {
        /// How many.
        tokens: LengthsFile,
    },
}

/// Lengths in tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LengthsFile {
    /// All alike.
    Fixed(Scalar<Count>),
    /// Every length from `min` to `max` equally likely.
    Uniform {
        /// Smallest.
        min: Scalar<Count>,
        /// Largest.
        max: Scalar<Count>,
    },
    /// Length `min + k - 1` with probability proportional to `1 / k^exponent`.
    Zipf {
        /// Smallest.
        min: Scalar<Count>,
        /// Largest.
        max: Scalar<Count>,
        /// Above 0.
        exponent: Scalar<Number>,
    },
    /// Lognormal, kept within `min` and `max` by drawing anew.
    Lognormal {
        /// Its median.
        median: Scalar<Number>,
        /// Standard deviation of the logarithm.
        sigma: Scalar<Number>,
        /// Smallest.
        min: Scalar<Count>,
        /// Largest.
        max: Scalar<Count>,
    },
    /// A column of a trace directory's `trace_lengths.csv`, in its order.
    Trace(At<String>),
}

/// When requests arrive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ArrivalsFile {
    /// One after another at equal distances.
    Fixed {
        /// The distance.
        every: Scalar<Duration>,
    },
    /// All at 0.
    AllAtOnce,
    /// A Poisson process.
    Poisson {
        /// Its mean rate.
        rate: Scalar<Rate>,
    },
    /// Gamma-distributed distances: bursts, when the coefficient of variation is above 1.
    Gamma {
        /// Its mean rate.
        rate: Scalar<Rate>,
        /// Coefficient of variation of the distances.
        cv: Scalar<Number>,
    },
    /// The arrivals of a trace directory's `trace_intervals.csv`.
    Trace(At<String>),
}
