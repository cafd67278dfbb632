//! simgate's engine with fixed step times.

use std::time::Instant;

use simgate::engine::{
    Clock, DecodeStep, EngineConfig, ExecuteError, Executor, Detail, Launch, Limits, Policy, State,
    StepOutcome, StepPlan, StepSpans, VirtualClock, serve,
};
use simgate::run::Status;
use simgate::workload::{self, Workload};

use crate::requests::Request;
use crate::side::{Outcome, Settings};

/// Says when steps end, and counts them.
struct Fixed<'a> {
    settings: &'a Settings,
    prefill_steps: u64,
    decode_steps: u64,
}

impl Executor for Fixed<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        _: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        // A decode follows a token; everything else computes a prompt, for the first time or anew.
        let decoding = |request: usize| state.sequences[request].decoding();
        let decodes = u64::from(plan.items.iter().any(|item| decoding(item.request)));
        let prefills = u64::from(plan.items.iter().any(|item| !decoding(item.request)));
        self.prefill_steps += prefills;
        self.decode_steps += decodes;
        let step_ns = prefills * self.settings.prefill_ns + decodes * self.settings.decode_ns;
        Ok(StepOutcome { end_ns: start_ns + step_ns, ..StepOutcome::default() })
    }

    fn decode(
        &mut self,
        _: DecodeStep,
        start_ns: u64,
    ) -> Option<Result<(u64, StepSpans), ExecuteError>> {
        self.decode_steps += 1;
        Some(Ok((start_ns + self.settings.decode_ns, StepSpans::default())))
    }
}

/// Serves `requests` and lists the time of every token.
///
/// # Errors
/// A step that the engine could not take.
pub fn run(requests: &[Request], settings: &Settings) -> anyhow::Result<Outcome> {
    let request = |(i, r): (usize, &Request)| workload::Request {
        request_id: i as u64,
        prompt_id: String::new(),
        prefill_tokens: r.prefill_tokens,
        decode_tokens: r.decode_tokens,
        arrival_ns: r.arrival_ns,
    };
    let requests = requests.iter().enumerate().map(request).collect();
    let workload = Workload { requests, ..Workload::default() };
    let config = EngineConfig {
        policy: Policy::Sarathi,
        chunk_tokens: settings.chunk_tokens,
        max_sequences: settings.max_sequences,
        kv_block_tokens: settings.kv_block_tokens,
        kv_blocks: Some(settings.kv_blocks),
        kv_watermark_bp: 0,
        launch: Launch::Eager,
        ignore_eos: true,
    };
    let mut fixed = Fixed { settings, prefill_steps: 0, decode_steps: 0 };
    let mut clock = VirtualClock::default();
    let start = Instant::now();
    let run = serve(&workload, &config, Limits::default(), Detail::Tokens, &mut fixed, &mut clock)?.run;
    let tokens = run.tokens.unwrap_or_default();
    // Spans of steps say as much; written out, nobody can doubt that each token has its time.
    let times: Vec<u64> = (0..tokens.requests()).flat_map(|i| tokens.iter(i)).collect();
    let wall_s = start.elapsed().as_secs_f64();
    let end_ns = run.requests.iter().filter_map(|r| r.completion_ns).max();
    Ok(Outcome {
        completed: run.requests.iter().filter(|r| r.status == Status::Ok).count(),
        output_tokens: std::hint::black_box(times).len() as u64,
        prefill_steps: fixed.prefill_steps,
        decode_steps: fixed.decode_steps,
        simulated_s: end_ns.unwrap_or(0) as f64 / 1e9,
        wall_s,
    })
}
