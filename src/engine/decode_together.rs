//! The fast path: between two events, steps that decode one token of everything that runs differ in nothing but the
//! length of the context. They are predicted one by one, and applied to the requests all at once; what comes out is
//! what the serve loop would have come to step by step.

use super::EngineError;
use super::clock::Clock;
use super::executor::{DecodeStep, Executor};
use super::policy;
use super::records::StepTimes;
use super::replica::Replica;

/// Tokens of a KV block up to which the blocks that steps take are counted ahead.
const MAX_COUNTED: usize = 64;

/// What is ahead of everything that runs.
struct Ahead {
    /// Steps before the first request ends, or something else has to be looked at.
    steps: u32,
    /// Tokens in the KV cache.
    context: u64,
    /// By step, and again every block of tokens: requests that take a block.
    takes: [u32; MAX_COUNTED],
}

impl Replica<'_> {
    /// Takes as many steps as lie before the next event, none of which begins at `until_ns` or later.
    pub(super) fn decode_together(
        &mut self,
        until_ns: u64,
        executor: &mut dyn Executor,
        clock: &mut dyn Clock,
    ) -> Result<(), EngineError> {
        let Some(ahead) = self.ahead() else { return Ok(()) };
        let sequences = self.state.running.len() as u32;
        let size = self.state.config.kv_block_tokens as usize;
        let until_ns = self.next_arrival().unwrap_or(u64::MAX).min(until_ns);
        let mut taken = 0;
        while taken < ahead.steps {
            let start = clock.now();
            let blocks = ahead.takes.get(taken as usize % size).copied().unwrap_or(0);
            if start >= until_ns || !self.state.blocks.take(blocks) {
                break;
            }
            let context = ahead.context + u64::from(taken) * u64::from(sequences);
            let Some(found) = executor.decode(DecodeStep { sequences, context }, start) else {
                self.state.blocks.give_back(blocks);
                break;
            };
            let step = self.records.steps();
            let (end, spans) = found.map_err(|source| EngineError::Execute { step, source })?;
            clock.work_until(end + spans.post_ns);
            let times = StepTimes { start, scheduled: start, end };
            let id = |request: usize| self.requests[request].request_id;
            self.records.decode_step(&self.state, taken, times, spans, id);
            taken += 1;
        }
        self.apply(taken);
        Ok(())
    }

    /// `None` when the next step is no decode of everything that runs.
    fn ahead(&self) -> Option<Ahead> {
        let state = &self.state;
        let size = state.config.kv_block_tokens;
        if state.running.is_empty() || state.running.len() > state.config.chunk_tokens as usize {
            return None;
        }
        let counted = size as usize <= MAX_COUNTED;
        let mut ahead =
            Ahead { steps: policy::decodes_ahead(state), context: 0, takes: [0; MAX_COUNTED] };
        for &request in &state.running {
            let sequence = &state.sequences[request];
            if !sequence.decoding() {
                return None;
            }
            ahead.context += u64::from(sequence.computed);
            // The step that gives the last token ends the request.
            ahead.steps = ahead.steps.min(sequence.output - sequence.generated - 1);
            let room = u64::from(sequence.blocks) * u64::from(size) - u64::from(sequence.computed);
            if counted && room < u64::from(size) {
                ahead.takes[room as usize] += 1;
            } else {
                ahead.steps = ahead.steps.min(u32::try_from(room).unwrap_or(u32::MAX));
            }
        }
        Some(ahead)
    }

    /// Lets everything that runs have decoded in the last `steps` steps.
    fn apply(&mut self, steps: u32) {
        if steps == 0 {
            return;
        }
        let state = &mut self.state;
        for &request in &state.running {
            let sequence = &mut state.sequences[request];
            sequence.generated += steps;
            sequence.computed += steps;
            // The blocks themselves were taken as the steps came.
            sequence.blocks = sequence.blocks.max(state.config.blocks_for(sequence.computed));
            self.records.last_tokens(request, steps);
        }
        state.decode_steps = state.decode_steps.saturating_add(steps);
    }
}
