//! Several engines behind one router, and one engine over several devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::Hasher;

/// Which replica gets a request, when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Router {
    /// One after another.
    #[default]
    RoundRobin,
    /// Any, equally likely.
    Random,
    /// The one with the fewest requests that it has not finished; the first of several.
    LeastOutstanding,
}

impl Router {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RoundRobin, Self::Random, Self::LeastOutstanding];

    /// The word in case files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::LeastOutstanding => "least_outstanding",
        }
    }
}

/// How many engines there are, and over how many devices each is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// Engines, each with KV blocks of its own.
    pub replicas: u32,
    /// Who gets a request.
    pub router: Router,
    /// Devices that share each layer.
    pub tensor_parallel: u32,
    /// Devices, or groups of them, that share the layers out: as many steps are under way at once.
    pub pipeline_parallel: u32,
}

impl Default for Cluster {
    /// One engine on one device.
    fn default() -> Self {
        Self { replicas: 1, router: Router::default(), tensor_parallel: 1, pipeline_parallel: 1 }
    }
}

impl Cluster {
    /// Devices in all.
    pub fn devices(self) -> u64 {
        u64::from(self.replicas)
            * u64::from(self.tensor_parallel)
            * u64::from(self.pipeline_parallel)
    }

    /// SHA-256 over the settings.
    pub fn hash(self) -> String {
        let mut hasher = Hasher::new("simgate cluster v1");
        hasher.text(self.router.as_str());
        for number in [self.replicas, self.tensor_parallel, self.pipeline_parallel] {
            hasher.number(u64::from(number));
        }
        hasher.finish()
    }
}
