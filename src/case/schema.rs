//! The form of a case file. Its JSON Schema, for editors, is generated from these types.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::scalar::{At, Scalar};
use super::units::{Count, Number, Percent};
use super::workload_schema::WorkloadFile;
use crate::engine::{Launch, Policy, Router};
use crate::run::Boundary;

/// A key that is there has a value: `tolerance:` with nothing behind it must not switch a gate off.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A simgate case: one workload served by a real and a simulated side, and how far they may drift
/// apart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "simgate case")]
pub struct CaseFile {
    /// Model, by its folder under `models/`. Required where a side is candle or native.
    #[serde(default, deserialize_with = "given")]
    pub(super) model: Option<At<String>>,
    /// Hardware the case is about, such as `h100` or `cpu`. Required where a side is candle or
    /// native.
    #[serde(default, deserialize_with = "given")]
    pub(super) hardware: Option<At<String>>,
    /// What is served.
    pub(super) workload: At<WorkloadFile>,
    /// The engine both sides share. Required where a side is candle or native.
    #[serde(default, deserialize_with = "given")]
    pub(super) engine: Option<At<EngineFile>>,
    /// Several engines behind a router, or engines over several devices. One engine on one device when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) cluster: Option<At<ClusterFile>>,
    /// The side that is believed.
    pub(super) real: At<SideFile>,
    /// The side that is judged.
    pub(super) sim: At<SideFile>,
    /// How far the sides may lie apart. Without it the case is judged on structure only.
    #[serde(default, deserialize_with = "given")]
    pub(super) tolerance: Option<At<ToleranceFile>>,
    /// How far the sides may lie apart as wholes, beside percentiles.
    #[serde(default, deserialize_with = "given")]
    pub(super) distances: Option<At<DistancesFile>>,
    /// Marks a negative control.
    #[serde(default, deserialize_with = "given")]
    pub(super) expect: Option<ExpectFile>,
    /// Amplification of step-time errors, for figures whose tolerance it widens: `ttft.p90: 4.1`.
    #[serde(default, deserialize_with = "given")]
    pub(super) kappa: Option<BTreeMap<String, Scalar<Number>>>,
    /// `any` lets a live run on another machine than the profile's count.
    #[serde(default, deserialize_with = "given")]
    pub(super) machine: Option<MachineFile>,
    /// `none` marks a case without a recording, which only runs live.
    #[serde(default, deserialize_with = "given")]
    pub(super) baseline: Option<At<BaselineFile>>,
    /// Why sides that were timed at unlike boundaries may be compared here.
    #[serde(default, deserialize_with = "given")]
    pub(super) allow_boundary_mismatch: Option<At<String>>,
}

/// Settings of the engine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineFile {
    /// How a step's work is chosen.
    pub(super) policy: Policy,
    /// Most tokens of one step.
    pub(super) chunk_tokens: Scalar<Count>,
    /// Most sequences of one step.
    pub(super) max_sequences: Scalar<Count>,
    /// Tokens of one KV block.
    pub(super) kv_block_tokens: Scalar<Count>,
    /// KV blocks. Required in gated cases, so that both sides preempt alike.
    #[serde(default, deserialize_with = "given")]
    pub(super) kv_blocks: Option<Scalar<Count>>,
    /// Share of the KV blocks kept free when a request is admitted; 1% when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) kv_watermark: Option<Scalar<Percent>>,
    /// How kernels are launched; `eager` when absent.
    #[serde(default)]
    pub(super) launch: Launch,
    /// Whether every request runs to its full output length; `false` when absent.
    #[serde(default)]
    pub(super) ignore_eos: bool,
}

/// Several engines, or engines over several devices.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// Engines, each with the KV blocks of `engine:`; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) replicas: Option<Scalar<Count>>,
    /// Which replica gets a request; `round_robin` when absent.
    #[serde(default)]
    pub(super) router: Router,
    /// Devices that share each layer; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) tensor_parallel: Option<Scalar<Count>>,
    /// Stages that share the layers out; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) pipeline_parallel: Option<Scalar<Count>>,
}

/// Who serves the workload.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
pub enum SideFile {
    /// simgate's own engine on candle; tests replay its recording unless they run live.
    Candle(Option<CandleFile>),
    /// candle-transformers' model, one request at a time.
    Transformers,
    /// The real side once more: every other process of its recording against the rest, which shows how
    /// far the real side agrees with itself. For the `sim` side only.
    Itself,
    /// simgate's own simulator.
    Native {
        /// `hardware/model` of a profile under `baselines/`, or `here` to collect one first.
        #[serde(default, deserialize_with = "given")]
        profile: Option<At<String>>,
        /// A profile bundle of Vidur, in place of `profile`.
        #[serde(default, deserialize_with = "given")]
        bundle: Option<At<String>>,
        /// Seeds to run; 16 when absent.
        #[serde(default, deserialize_with = "given")]
        seeds: Option<Scalar<Count>>,
    },
    /// Vidur as it is, from its profile bundle: its clock, its schedulers and their quirks.
    Vidur {
        /// The bundle: profiling CSVs, fitted tables, or both.
        bundle: At<String>,
    },
    /// Run directories.
    Recorded {
        /// Each one run, or a folder of repeats.
        runs: Vec<At<String>>,
        /// Where they were timed, for runs without `run_meta.json`.
        #[serde(default, deserialize_with = "given")]
        boundary: Option<Boundary>,
    },
    /// A backend that the test program registers.
    Registered {
        /// Its name.
        name: At<String>,
        /// Repeats of a measured backend, seeds of a seeded one; 5 and 16 when absent.
        #[serde(default, deserialize_with = "given")]
        repeats: Option<Scalar<Count>>,
        /// Where it is timed, when its runs do not say.
        #[serde(default, deserialize_with = "given")]
        boundary: Option<Boundary>,
    },
    /// Results of another tool.
    Import {
        /// Their format; found out when absent.
        #[serde(default, deserialize_with = "given")]
        format: Option<String>,
        /// One file a repeat.
        files: Vec<At<String>>,
        /// Where they were timed.
        #[serde(default, deserialize_with = "given")]
        boundary: Option<Boundary>,
    },
    /// A program and its arguments.
    Command(Vec<String>),
    /// An OpenAI-compatible server.
    Endpoint {
        /// Its address.
        url: At<String>,
    },
}

/// A side with settings is a mapping, one without may be a bare word.
impl<'de> Deserialize<'de> for SideFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Side;

        impl<'de> Visitor<'de> for Side {
            type Value = SideFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a side such as `candle` or `{ recorded: { runs: [DIR] } }`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<SideFile, E> {
                match word {
                    "candle" => Ok(SideFile::Candle(None)),
                    "transformers" => Ok(SideFile::Transformers),
                    "itself" => Ok(SideFile::Itself),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SideFile, A::Error> {
                // The derived form, under the name that `remote` gives it.
                SideFile::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(Side)
    }
}

/// How a candle side is recorded.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandleFile {
    /// Processes to record; 5 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) processes: Option<Scalar<Count>>,
    /// Repeats in each process; 1 when absent.
    #[serde(default, deserialize_with = "given")]
    pub(super) repeats: Option<Scalar<Count>>,
    /// Rounds of warm-up before them at least, 1 when absent: the first 64 requests at once, until step
    /// time is stationary. 0 for none.
    #[serde(default, deserialize_with = "given")]
    pub(super) warmup: Option<Scalar<Count>>,
}

/// Tolerances by metric.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToleranceFile {
    /// Time to first token.
    #[serde(default, deserialize_with = "given")]
    pub(super) ttft: Option<PercentilesFile>,
    /// Gaps between tokens.
    #[serde(default, deserialize_with = "given")]
    pub(super) tbt: Option<PercentilesFile>,
    /// Time per output token.
    #[serde(default, deserialize_with = "given")]
    pub(super) tpot: Option<PercentilesFile>,
    /// Arrival to completion.
    #[serde(default, deserialize_with = "given")]
    pub(super) e2e: Option<PercentilesFile>,
}

/// Tolerances by percentile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PercentilesFile {
    /// On the median.
    #[serde(default, deserialize_with = "given")]
    pub(super) p50: Option<Scalar<Percent>>,
    /// On the 90th percentile.
    #[serde(default, deserialize_with = "given")]
    pub(super) p90: Option<Scalar<Percent>>,
    /// On the 99th percentile.
    #[serde(default, deserialize_with = "given")]
    pub(super) p99: Option<Scalar<Percent>>,
}

/// Tolerances on distances by metric.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistancesFile {
    /// Time to first token.
    #[serde(default, deserialize_with = "given")]
    pub(super) ttft: Option<KindsFile>,
    /// Gaps between tokens.
    #[serde(default, deserialize_with = "given")]
    pub(super) tbt: Option<KindsFile>,
    /// Time per output token.
    #[serde(default, deserialize_with = "given")]
    pub(super) tpot: Option<KindsFile>,
    /// Arrival to completion.
    #[serde(default, deserialize_with = "given")]
    pub(super) e2e: Option<KindsFile>,
}

/// Tolerances by kind of distance.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindsFile {
    /// Wasserstein-1, as a share of the real mean.
    #[serde(default, deserialize_with = "given")]
    pub(super) wasserstein: Option<Scalar<Percent>>,
    /// Kolmogorov-Smirnov: the largest difference of shares.
    #[serde(default, deserialize_with = "given")]
    pub(super) kolmogorov: Option<Scalar<Percent>>,
    /// The worst quantile from 1 to 99 %, relative.
    #[serde(default, deserialize_with = "given")]
    pub(super) quantiles: Option<Scalar<Percent>>,
    /// The worst request against itself, relative. Not of `tbt`.
    #[serde(default, deserialize_with = "given")]
    pub(super) requests: Option<Scalar<Percent>>,
    /// Wasserstein-1 of the requests' whole time for their tokens. Of `tbt`.
    #[serde(default, deserialize_with = "given")]
    pub(super) totals: Option<Scalar<Percent>>,
    /// The difference of the shares of gaps longer than three real medians. Of `tbt`.
    #[serde(default, deserialize_with = "given")]
    pub(super) stalls: Option<Scalar<Percent>>,
    /// Mean time from arrival to a request's first step, the difference as a share of the real mean TTFT. Of
    /// `ttft`.
    #[serde(default, deserialize_with = "given")]
    pub(super) queueing: Option<Scalar<Percent>>,
}

/// What a negative control must show.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectFile {
    /// Figures that must be outside their tolerance: `[ttft.p50, tpot.p50]`.
    pub(super) outside: At<Vec<At<String>>>,
}

/// Which machine a live run may use.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachineFile {
    /// Any; the result is marked cross-machine.
    Any,
}

/// Which recording a case has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineFile {
    /// None.
    None,
}

/// The JSON Schema of a case file, as committed beside the cases.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(CaseFile);
    // Serialising a JSON value cannot fail; an empty text would fail its freshness test.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
