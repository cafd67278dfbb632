//! Several engines behind a router, on virtual clocks: a request goes to its replica when it arrives.

use std::sync::Arc;

use super::EngineError;
use super::clock::VirtualClock;
use super::cluster::{Cluster, Router};
use super::config::EngineConfig;
use super::executor::Executor;
use super::records::Detail;
use super::replica::Replica;
use super::serve::{Limits, Served};
use crate::run::{RequestRecord, Run, TokenTimes};
use crate::stats::Random;
use crate::workload::Workload;

/// Stream of the router's random numbers, apart from those of predictions.
const ROUTING: u64 = 7;

/// Serves `workload` on the replicas of `cluster`, each with an executor of its own from `executor`. `seed` is that of a
/// random router. With several replicas, requests name theirs, and no steps are kept: those of one have nothing to do
/// with those of another.
///
/// # Errors
/// A step that could not be carried out.
pub fn serve_cluster<E: Executor>(
    workload: &Workload,
    config: &EngineConfig,
    cluster: Cluster,
    limits: Limits,
    keep: Detail,
    seed: u64,
    mut executor: impl FnMut(u32) -> E,
) -> Result<Served, EngineError> {
    let kv_blocks = config.resolve_kv_blocks(workload);
    let replicas = cluster.replicas.max(1);
    let keep = if replicas == 1 { keep } else { Detail::Tokens };
    let fresh = |number| {
        let replica = Replica::new(config, kv_blocks, cluster.pipeline_parallel, limits, keep);
        (replica, executor(number), VirtualClock::default())
    };
    let mut fleet: Vec<_> = (0..replicas).map(fresh).collect();
    let mut random = Random::new(seed, ROUTING);
    for (number, request) in workload.requests.iter().enumerate() {
        let place = match cluster.router {
            Router::RoundRobin => number % fleet.len(),
            Router::Random => random.below(u64::from(replicas)) as usize,
            Router::LeastOutstanding => {
                for (replica, executor, clock) in &mut fleet {
                    replica.run_until(request.arrival_ns, executor, clock)?;
                }
                let load = |&place: &usize| fleet[place].0.outstanding();
                (0..fleet.len()).min_by_key(load).unwrap_or(0)
            }
        };
        fleet[place].0.push(request);
    }
    for (replica, executor, clock) in &mut fleet {
        replica.run_until(u64::MAX, executor, clock)?;
    }
    let mut served: Vec<Served> = fleet.into_iter().map(|(r, _, _)| r.finish()).collect();
    match served.len() {
        1 => Ok(served.remove(0)),
        _ => Ok(merge(served)),
    }
}

/// The name of replica `number` in a run's records.
pub fn replica_name(number: usize) -> String {
    format!("replica-{number}")
}

fn merge(served: Vec<Served>) -> Served {
    let mut order: Vec<(usize, usize)> = Vec::new();
    let (mut lists, mut tokens) = (Vec::new(), Vec::new());
    for (place, Served { run, .. }) in served.into_iter().enumerate() {
        let name: Arc<str> = replica_name(place).into();
        order.extend((0..run.requests.len()).map(|index| (place, index)));
        let named = |r: RequestRecord| RequestRecord { backend: Some(Arc::clone(&name)), ..r };
        lists.push(run.requests.into_iter().map(named).collect::<Vec<_>>());
        tokens.push(run.tokens.unwrap_or_default());
    }
    order.sort_by_key(|&(place, index)| lists[place][index].request_id);
    let requests = order.iter().map(|&(place, index)| lists[place][index].clone()).collect();
    let tokens = TokenTimes::gather(&tokens, order);
    Served { run: Run { requests, tokens: Some(tokens), ..Run::default() }, pacing_error_ns: 0 }
}
