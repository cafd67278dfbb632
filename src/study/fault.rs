//! Faults that a simulator, or whoever hands on its results, can have: injected to see what notices them.

use super::result_fault::ResultFault;
use crate::engine::{EngineConfig, Policy};
use crate::predict::Ablation;

/// A fault of the sim side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// None at all: what must survive.
    NoOp,
    /// A part of the prediction is left out or replaced.
    Ablated(Ablation),
    /// The GPU takes this share of the time that it should, in percent.
    Gpu(u32),
    /// Launching takes this share of the time that it should, in percent.
    Launch(u32),
    /// The scheduler has half of the case's `chunk_tokens`, and does not say so.
    ChunkHalved,
    /// The scheduler follows another policy, and does not say so.
    PolicySwapped,
    /// The scheduler has this share of the KV blocks, in percent, and does not say so.
    Blocks(u32),
    /// The profile was measured on another machine.
    StaleProfile,
    /// Requests run to the length that they asked for, whenever the real side ended them.
    EarlyStopIgnored,
    /// The simulation is right, its results are not.
    Results(ResultFault),
}

impl Fault {
    /// All of them, by name.
    const ALL: [(Self, &'static str); 34] = [
        (Self::NoOp, "no-op"),
        (Self::Gpu(90), "gpu-ops-10-percent-faster"),
        (Self::Gpu(95), "gpu-ops-5-percent-faster"),
        (Self::Gpu(98), "gpu-ops-2-percent-faster"),
        (Self::Gpu(102), "gpu-ops-2-percent-slower"),
        (Self::Gpu(105), "gpu-ops-5-percent-slower"),
        (Self::Gpu(110), "gpu-ops-10-percent-slower"),
        (Self::Launch(50), "launch-cost-halved"),
        (Self::Launch(200), "launch-cost-doubled"),
        (Self::Ablated(Ablation::NoHost), "no-host"),
        (Self::Ablated(Ablation::AdditiveConstant), "additive-constant"),
        (Self::Ablated(Ablation::HostOnly), "host-only"),
        (Self::Ablated(Ablation::PerLayerConstant), "per-layer-constant"),
        (Self::Ablated(Ablation::TemplateAttention), "template-attention"),
        (Self::Ablated(Ablation::OneLayerWeights), "one-layer-weights"),
        (Self::Ablated(Ablation::NoHead), "no-embedding-and-lm-head"),
        (Self::Ablated(Ablation::NoIdle), "no-idle"),
        (Self::Ablated(Ablation::NoResiduals), "no-residuals"),
        (Self::ChunkHalved, "chunk-halved"),
        (Self::PolicySwapped, "policy-swapped"),
        (Self::Blocks(90), "kv-blocks-cut-by-a-tenth"),
        (Self::Blocks(50), "kv-blocks-halved"),
        (Self::EarlyStopIgnored, "early-stop-ignored"),
        (Self::StaleProfile, "stale-profile"),
        (Self::Results(ResultFault::DecodeShort), "decode-one-step-short"),
        (Self::Results(ResultFault::TpotByTokens), "tpot-divided-by-n"),
        (Self::Results(ResultFault::Gaps(90)), "gaps-10-percent-shorter"),
        (Self::Results(ResultFault::Gaps(110)), "gaps-10-percent-longer"),
        (Self::Results(ResultFault::Latencies(90)), "latencies-10-percent-shorter"),
        (Self::Results(ResultFault::Latencies(110)), "latencies-10-percent-longer"),
        (Self::Results(ResultFault::TotalsCompressed), "totals-compressed"),
        (Self::Results(ResultFault::Swapped), "results-swapped"),
        (Self::Results(ResultFault::ArrivalShifted), "arrival-shifted"),
        (Self::Results(ResultFault::RequestLost), "request-lost"),
    ];

    /// All of them, by name.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        Self::ALL.into_iter()
    }

    /// Those whose outcome says what a case notices: all but two forms that other simulators have by design, which
    /// `simgate ablations` shows.
    pub fn injected() -> impl Iterator<Item = (Self, &'static str)> {
        let forms = [Ablation::AdditiveConstant, Ablation::PerLayerConstant].map(Self::Ablated);
        Self::all().filter(move |(fault, _)| !forms.contains(fault))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::all().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }

    /// Whether it lies in how steps are predicted or planned, so that `explain` can find it.
    pub fn is_of_steps(self) -> bool {
        !matches!(self, Self::NoOp | Self::StaleProfile | Self::Results(_))
    }

    /// Whether it leaves out or replaces a part of the prediction of a GPU's steps.
    pub fn is_of_gpu(self) -> bool {
        matches!(self, Self::Ablated(_) | Self::Gpu(_) | Self::Launch(_))
    }

    /// What the scheduler does under it, where the case says `engine`.
    pub fn scheduler(self, engine: &EngineConfig) -> EngineConfig {
        let mut engine = engine.clone();
        match self {
            Self::ChunkHalved => engine.chunk_tokens = (engine.chunk_tokens / 2).max(1),
            Self::PolicySwapped => {
                engine.policy = match engine.policy {
                    Policy::Static => Policy::Sarathi,
                    _ => Policy::Static,
                };
            }
            Self::Blocks(percent) => {
                let left = |blocks: u32| (u64::from(blocks) * u64::from(percent) / 100).max(1);
                engine.kv_blocks = engine.kv_blocks.map(|blocks| left(blocks) as u32);
            }
            _ => {}
        }
        engine
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::all().find(|(_, name)| *name == text);
        found.map(|(fault, _)| fault).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(|(_, name)| name).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name_and_no_two_share_one() {
        for (fault, name) in Fault::all() {
            assert_eq!(name.parse(), Ok(fault));
            assert_eq!(fault.as_str(), name);
        }
        assert!("no-such".parse::<Fault>().unwrap_err().contains("no-op"));
    }
}
