//! `run_meta.json`: where a run comes from.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::{FileError, read_json};

/// The version of `run_meta.json` that this simgate writes, and the newest that it reads.
pub const RUN_META_SCHEMA_VERSION: u32 = 1;

/// Name of simgate's own simulator, in the runs that it computed.
pub const NATIVE: &str = "native";
/// The name under which Vidur's results stand, simulated here or by itself.
pub const VIDUR: &str = "vidur";

/// Where a run's timestamps were taken. Runs of unlike boundaries are not comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Boundary {
    /// Inside the engine, when the host knows the token.
    Engine,
    /// At the server's socket.
    Server,
    /// At the client, network included.
    Client,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

/// Provenance of one run. What a backend does not know stays absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunMeta {
    /// Version of this file's format.
    pub schema_version: u32,
    /// Name of the backend that served the run.
    pub backend: String,
    /// Where timestamps were taken.
    pub boundary: Boundary,
    /// Unique name of the run, so that data which fitted a profile is never used to gate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The accelerator, if one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The machine around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The state that the GPU was in right after the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_state: Option<GpuState>,
    /// The engine's build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<EngineBuild>,
    /// The model's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// SHA-256 of what the run depended on.
    #[serde(default)]
    pub hashes: Hashes,
    /// KV blocks the engine resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_blocks: Option<u32>,
    /// The graphs that its steps were launched as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphs: Option<Graphs>,
    /// Rounds of warm-up before the first repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u32>,
    /// Whether step times had become stationary by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stationary: Option<bool>,
    /// Number of this repeat within its process, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u32>,
    /// Number of the process, from 0. Runs of one process are not independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// How fast the host was around the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_speed_index: Option<HostSpeed>,
    /// How late the engine woke for an arrival that it waited for, at worst, ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pacing_error_ns: Option<u64>,
    /// Start of the run, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
}

/// An accelerator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Full name, as the driver gives it.
    pub name: String,
    /// Its UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Driver version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// CUDA version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<String>,
}

/// How long a fixed piece of work takes on the host, us: smaller is faster.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpeed {
    /// Before the run.
    pub before_us: f64,
    /// After it.
    pub after_us: f64,
    /// What issuing an empty kernel took before and after it, us, where it ran on a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_us: Option<[f64; 2]>,
}

/// A host machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// CPU model.
    pub cpu: String,
    /// Logical cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
}

/// A GPU's state: whether anything but the work itself set its pace. All zeros where it cannot be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuState {
    /// Clock rate of the multiprocessors, MHz.
    pub sm_mhz: u32,
    /// The highest that it has, MHz.
    pub max_sm_mhz: u32,
    /// Clock rate of the memory, MHz.
    pub memory_mhz: u32,
    /// Why the driver holds the clocks down, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<String>,
    /// Processes that use it.
    pub processes: u32,
}

/// What the captured graphs of an engine take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graphs {
    /// Graphs.
    pub count: u32,
    /// Bytes of GPU memory.
    pub bytes: u64,
}

/// The build of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineBuild {
    /// Commit it was built from.
    pub commit: String,
    /// Whether the tree had uncommitted changes.
    pub dirty: bool,
    /// Version of candle, if it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candle: Option<String>,
    /// Cargo features.
    #[serde(default)]
    pub features: Vec<String>,
}

/// A model's weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// `random(SEED)`, or the folder they were loaded from.
    pub source: String,
    /// SHA-256 of the files, when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// SHA-256 hashes, 64 hex digits each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    /// Of the model's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_config: Option<String>,
    /// Of the workload ([`crate::workload::Workload::hash`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Of the engine configuration ([`crate::engine::EngineConfig::hash`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Of the token ids that came out ([`crate::run::token_hash`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<String>,
}

impl RunMeta {
    /// Provenance of a run by `backend`, with nothing else known.
    pub fn new(backend: impl Into<String>, boundary: Boundary) -> Self {
        Self {
            schema_version: RUN_META_SCHEMA_VERSION,
            backend: backend.into(),
            boundary,
            run_id: None,
            device: None,
            host: None,
            gpu_state: None,
            engine_build: None,
            weights: None,
            hashes: Hashes::default(),
            kv_blocks: None,
            graphs: None,
            warmup: None,
            stationary: None,
            repeat: None,
            process: None,
            host_speed_index: None,
            pacing_error_ns: None,
            started_at: None,
        }
    }

    /// Reads `run_meta.json`.
    pub(super) fn read(path: &Path) -> Result<Self, FileError> {
        // The version first, so that a newer file is not reported as one with unknown keys.
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let Version { schema_version } = read_json(path)?;
        if !(1..=RUN_META_SCHEMA_VERSION).contains(&schema_version) {
            return Err(FileError::SchemaVersion {
                path: path.to_owned(),
                found: schema_version,
                supported: RUN_META_SCHEMA_VERSION,
            });
        }
        read_json(path)
    }
}
