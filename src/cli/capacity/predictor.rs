//! What a candidate takes at a rate, by simgate's own simulator: the case's workload with its arrivals closer
//! together or farther apart.

use anyhow::{Context as _, ensure};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;
use simgate::compare::RunFigures;
use simgate::engine::{Cluster, EngineConfig, Policy, Router};
use simgate::gate::{SimParts, Simulator};
use simgate::study::capacity::{Candidate, Key, Predict};
use simgate::workload::Workload;

/// The latest arrival: 146 years, which leaves as long for serving before 64 bits run out.
const LATEST_NS: f64 = 4.6e18;

/// The simulator of `parts` with `seeds` seeds, and the rate per second at which its workload arrives.
///
/// # Errors
/// A workload that has no rate, or a policy that no engine has.
pub fn predictor(
    parts: SimParts,
    seeds: u32,
    candidates: &[Candidate],
) -> anyhow::Result<(impl Predict + use<>, f64)> {
    for word in candidates.iter().filter_map(|candidate| candidate.word(Key::Policy)) {
        policy(word).context("--grid engine.policy")?;
    }
    for word in candidates.iter().filter_map(|candidate| candidate.word(Key::Router)) {
        router(word).context("--grid cluster.router")?;
    }
    let rate_per_s = rate_per_s(&parts.workload).unwrap_or(0.0);
    ensure!(
        rate_per_s > 0.0,
        "all requests of the case arrive at once, which is no rate: capacity needs arrivals over time, such as `arrivals: {{ poisson: {{ rate: 40/s }} }}`"
    );
    Ok((Simulated { parts, rate_per_s, seeds }, rate_per_s))
}

fn policy(word: &str) -> Result<Policy, ValueError> {
    Policy::deserialize(word.into_deserializer())
}

fn router(word: &str) -> Result<Router, ValueError> {
    Router::deserialize(word.into_deserializer())
}

/// `(n - 1) / (last arrival - first arrival)`; `None` where all arrive at once.
fn rate_per_s(workload: &Workload) -> Option<f64> {
    let (first, last) = (workload.requests.first()?, workload.requests.last()?);
    let span_ns = last.arrival_ns.checked_sub(first.arrival_ns).filter(|span| *span > 0)?;
    Some((workload.requests.len() - 1) as f64 * 1e9 / span_ns as f64)
}

/// A case's simulator. Its parts are read once and shared by all candidates and rates.
struct Simulated {
    parts: SimParts,
    /// The rate of its workload as it is.
    rate_per_s: f64,
    seeds: u32,
}

impl Predict for Simulated {
    fn at(&self, candidate: &Candidate, rate_per_s: f64) -> Result<RunFigures, String> {
        let workload = self.arriving_at(rate_per_s)?;
        let mut simulator = self.simulator(candidate)?;
        let run = |seed| {
            let run = simulator.run(&workload, seed).map_err(|error| chain(&error))?;
            Ok(RunFigures::of(&run))
        };
        let runs: Vec<RunFigures> = (0..self.seeds).map(run).collect::<Result<_, String>>()?;
        Ok(RunFigures::mean(&runs))
    }
}

impl Simulated {
    fn simulator(&self, candidate: &Candidate) -> Result<Simulator, String> {
        let engine = engine(&self.parts.engine, candidate)?;
        let cluster = cluster(self.parts.cluster, candidate)?;
        self.parts.simulator(engine, cluster).map_err(|error| chain(&error))
    }

    /// The workload with every arrival time scaled alike.
    fn arriving_at(&self, rate_per_s: f64) -> Result<Workload, String> {
        let mut workload = self.parts.workload.clone();
        for request in &mut workload.requests {
            let arrival_ns = (request.arrival_ns as f64 * (self.rate_per_s / rate_per_s)).round();
            if arrival_ns > LATEST_NS {
                return Err(format!("at {rate_per_s} requests/s arrivals span over 146 years"));
            }
            request.arrival_ns = arrival_ns as u64;
        }
        Ok(workload)
    }
}

/// The case's engine with a candidate's settings.
fn engine(base: &EngineConfig, candidate: &Candidate) -> Result<EngineConfig, String> {
    let number = |key, or: u32| candidate.number(key).unwrap_or(or);
    let word = candidate.word(Key::Policy);
    Ok(EngineConfig {
        policy: word.map(policy).transpose().map_err(|e| e.to_string())?.unwrap_or(base.policy),
        chunk_tokens: number(Key::ChunkTokens, base.chunk_tokens),
        max_sequences: number(Key::MaxSequences, base.max_sequences),
        kv_block_tokens: number(Key::KvBlockTokens, base.kv_block_tokens),
        kv_blocks: candidate.number(Key::KvBlocks).or(base.kv_blocks),
        ..base.clone()
    })
}

/// The case's cluster with a candidate's settings.
fn cluster(base: Cluster, candidate: &Candidate) -> Result<Cluster, String> {
    let number = |key, or: u32| candidate.number(key).unwrap_or(or);
    let word = candidate.word(Key::Router);
    Ok(Cluster {
        replicas: number(Key::Replicas, base.replicas),
        router: word.map(router).transpose().map_err(|e| e.to_string())?.unwrap_or(base.router),
        tensor_parallel: number(Key::TensorParallel, base.tensor_parallel),
        pipeline_parallel: number(Key::PipelineParallel, base.pipeline_parallel),
    })
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if !text.contains(&cause.to_string()) {
            text.push_str(&format!(": {cause}"));
        }
        source = cause.source();
    }
    text
}
