//! A request and a replica while they are simulated (vidur/entities/request.py and
//! vidur/scheduler/replica_scheduler/base_replica_scheduler.py).

use std::collections::VecDeque;

/// A request to be served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VidurRequest {
    /// Seconds since the start.
    pub arrived_at: f64,
    /// Prompt tokens.
    pub prefill_tokens: u32,
    /// Output tokens.
    pub decode_tokens: u32,
}

/// What became of a request. Times are seconds since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VidurOutcome {
    /// When it came.
    pub arrived_at: f64,
    /// Start of its first batch.
    pub scheduled_at: f64,
    /// When its prompt was computed first, and with it its first token.
    pub prefill_completed_at: f64,
    /// When its last token came.
    pub completed_at: f64,
    /// In batches, all stages summed up.
    pub execution_time: f64,
    /// Between them.
    pub preempted_time: f64,
    /// How often it lost its blocks.
    pub restarts: u32,
    /// Prompt tokens of its last start: with every restart, tokens that were computed become prompt.
    pub prefill_tokens: u32,
    /// Tokens that are left to that start.
    pub decode_tokens: u32,
}

/// A request under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub outcome: VidurOutcome,
    /// Tokens computed, and the one that came last.
    pub processed: u32,
    pub prefill_done: bool,
    pub completed: bool,
    /// Scheduled since its last start.
    pub scheduled: bool,
    /// KV blocks, while it holds some.
    pub blocks: Option<u32>,
    /// End of its last pipeline stage; 0 before the first.
    stage_completed_at: f64,
}

impl Request {
    pub fn new(request: &VidurRequest) -> Self {
        let outcome = VidurOutcome {
            arrived_at: request.arrived_at,
            prefill_tokens: request.prefill_tokens,
            decode_tokens: request.decode_tokens,
            ..VidurOutcome::default()
        };
        Self { outcome, ..Self::default() }
    }

    fn total(&self) -> u32 {
        self.outcome.prefill_tokens + self.outcome.decode_tokens
    }

    /// Tokens of the next step where prompts are not cut: the whole prompt, or one.
    pub fn next_tokens(&self) -> u32 {
        if self.prefill_done { 1 } else { self.outcome.prefill_tokens }
    }

    pub fn on_batch_schedule(&mut self, now: f64) {
        if !self.scheduled && self.outcome.restarts == 0 {
            self.outcome.scheduled_at = now;
        }
        self.scheduled = true;
    }

    pub fn on_stage_schedule(&mut self, now: f64) {
        if self.stage_completed_at == 0.0 {
            self.outcome.preempted_time = 0.0;
        } else {
            self.outcome.preempted_time += now - self.stage_completed_at;
        }
    }

    pub fn on_stage_end(&mut self, now: f64, seconds: f64) {
        self.outcome.execution_time += seconds;
        self.stage_completed_at = now;
    }

    /// Counts `tokens` as computed, and says whether a token came of it.
    pub fn on_batch_end(&mut self, now: f64, tokens: u32) -> bool {
        self.processed += tokens;
        let mut came = self.prefill_done;
        if self.processed == self.outcome.prefill_tokens {
            self.prefill_done = true;
            self.processed += 1;
            came = true;
            if self.outcome.prefill_completed_at == 0.0 {
                self.outcome.prefill_completed_at = now;
            }
        }
        if self.processed == self.total() {
            self.outcome.completed_at = now;
            self.completed = true;
        }
        came
    }

    /// Starts anew: what was computed becomes the prompt, also where that was only a part of it.
    pub fn restart(&mut self) {
        let total = self.total();
        self.outcome.prefill_tokens = self.processed;
        self.outcome.decode_tokens = total - self.processed;
        self.outcome.restarts += 1;
        self.processed = 0;
        self.scheduled = false;
        self.prefill_done = false;
    }
}

/// Which request, and how many of its tokens.
pub(super) type Item = (u32, u32);

/// One copy of the model and its scheduler.
#[derive(Debug, Default)]
pub(super) struct Replica {
    /// Requests that wait.
    pub queue: VecDeque<u32>,
    /// Requests between two batches.
    pub preempted: Vec<u32>,
    /// Batches between two steps; of `Static` only.
    pub batches: VecDeque<Vec<u32>>,
    /// Batches under way.
    pub running: u32,
    /// Blocks held.
    pub allocated: u32,
    /// Requests that hold blocks.
    pub holders: u32,
    /// Steps since LightLLM's last prompts.
    pub waited: u32,
    /// Room for a policy's lists, so that a step allocates nothing.
    pub scratch: [Vec<u32>; 2],
    pub stages: Vec<Stage>,
}

/// One pipeline stage: one batch at a time.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub busy: bool,
    pub queue: VecDeque<u32>,
}

impl Replica {
    pub fn new(stages: u32) -> Self {
        let stages = (0..stages).map(|_| Stage::default()).collect();
        Self { stages, ..Self::default() }
    }

    pub fn allocate(&mut self, request: &mut Request, blocks: u32) {
        self.allocated += blocks;
        match &mut request.blocks {
            Some(held) => *held += blocks,
            held => {
                *held = Some(blocks);
                self.holders += 1;
            }
        }
    }

    pub fn free(&mut self, request: &mut Request) {
        if let Some(held) = request.blocks.take() {
            self.allocated -= held;
            self.holders -= 1;
        }
    }
}
