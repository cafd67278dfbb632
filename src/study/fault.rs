//! Faults that a simulator can have: injected to see what notices them.

use crate::predict::Ablation;

/// A fault of a simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A part of the prediction is left out or replaced.
    Ablated(Ablation),
    /// GPU time is a tenth too long.
    GpuOpsSlower,
    /// The scheduler has half of the case's `chunk_tokens`.
    ChunkHalved,
}

impl Fault {
    /// The faults that are not ablations, by name.
    const OTHERS: [(Self, &'static str); 2] =
        [(Self::GpuOpsSlower, "gpu-ops-10-percent-slower"), (Self::ChunkHalved, "chunk-halved")];

    /// All of them, by name.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        let ablations = Ablation::ALL.into_iter().map(|(a, name)| (Self::Ablated(a), name));
        Self::OTHERS.into_iter().chain(ablations)
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
