//! Serving a workload to its end, on one engine.

use super::EngineError;
use super::clock::Clock;
use super::config::EngineConfig;
use super::executor::Executor;
use super::records::Detail;
use super::replica::Replica;
use crate::run::Run;
use crate::workload::Workload;

/// What the model behind an executor can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Longest context; `None` for no limit.
    pub max_positions: Option<u32>,
    /// The token that ends a text, unless the configuration ignores it.
    pub eos: Option<u32>,
}

/// A workload served.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Its records, without provenance.
    pub run: Run,
    /// How late the engine woke up for an arrival that it had been waiting for, at worst, ns.
    pub pacing_error_ns: u64,
}

/// Serves `workload` to its end.
///
/// # Errors
/// A step that could not be carried out. A request that can never be served is no error: it is
/// refused, and the rest goes on.
pub fn serve(
    workload: &Workload,
    config: &EngineConfig,
    limits: Limits,
    keep: Detail,
    executor: &mut dyn Executor,
    clock: &mut dyn Clock,
) -> Result<Served, EngineError> {
    let kv_blocks = config.resolve_kv_blocks(workload);
    let mut replica = Replica::new(config, kv_blocks, 1, limits, keep);
    workload.requests.iter().for_each(|request| replica.push(request));
    replica.run_until(u64::MAX, executor, clock)?;
    Ok(replica.finish())
}
