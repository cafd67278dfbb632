//! What the user asks for through the environment.

use std::env;

use crate::study::Fault;

/// Settings of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Run real sides anew instead of replaying their recordings (`SIMGATE_LIVE=1`).
    pub live: bool,
    /// A missing GPU is a failure, not a reason to skip (`SIMGATE_REQUIRE_GPU=1`).
    pub require_gpu: bool,
    /// Number of this process in a recording.
    pub process: u32,
    /// Serve one time more, with every step timed on the GPU.
    pub trace: bool,
    /// Keep the model that a case loaded for the next one: nobody changes its files meanwhile.
    pub keep_model: bool,
    /// Find all distances between the sides, not only those that are gated: for reports.
    pub distances: bool,
    /// A fault to give to simulators.
    pub fault: Option<Fault>,
    /// How often the test runner has tried this test (`NEXTEST_ATTEMPT`).
    pub attempt: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            live: false,
            require_gpu: false,
            process: 0,
            trace: false,
            keep_model: false,
            distances: false,
            fault: None,
            attempt: 1,
        }
    }
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> Self {
        let on =
            |name| env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        let attempt = env::var("NEXTEST_ATTEMPT").ok().and_then(|n| n.parse().ok());
        Self {
            live: on("SIMGATE_LIVE"),
            require_gpu: on("SIMGATE_REQUIRE_GPU"),
            process: 0,
            trace: false,
            keep_model: false,
            distances: false,
            fault: None,
            attempt: attempt.unwrap_or(1),
        }
    }
}

/// Whether this machine has an NVIDIA GPU whose driver is loaded.
pub(super) fn has_gpu() -> bool {
    std::path::Path::new("/dev/nvidiactl").exists()
}
