//! Everything a policy may look at: requests, their progress and KV blocks, who waits and who runs.

use std::collections::VecDeque;

use super::blocks::KvBlocks;
use super::config::EngineConfig;
use super::plan::StepPlan;
use crate::run::Status;

/// A request's progress.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Prompt tokens.
    pub prompt: u32,
    /// Output tokens asked for.
    pub output: u32,
    /// Output tokens known.
    pub generated: u32,
    /// Known tokens whose keys and values are in the cache.
    pub computed: u32,
    /// KV blocks that it holds.
    pub blocks: u32,
    /// Whether a step that is under way works on it, so that no other may.
    pub busy: bool,
    /// How it ended, once it has.
    pub ended: Option<Status>,
}

impl Sequence {
    /// A request before its first step.
    pub fn new(prompt: u32, output: u32) -> Self {
        Self { prompt, output, generated: 0, computed: 0, blocks: 0, busy: false, ended: None }
    }

    /// Tokens that are known: the prompt and what was generated.
    pub fn known(&self) -> u32 {
        self.prompt + self.generated
    }

    /// Known tokens that are not computed yet.
    pub fn remaining(&self) -> u32 {
        self.known() - self.computed
    }

    /// Whether its next step is a decode. After a preemption its tokens are computed anew like a
    /// prompt.
    pub fn decoding(&self) -> bool {
        self.generated > 0 && self.remaining() == 1
    }
}

/// The engine's state between two steps.
#[derive(Debug, Clone)]
pub struct State {
    /// Its settings.
    pub config: EngineConfig,
    /// All requests, in the order in which they arrive.
    pub sequences: Vec<Sequence>,
    /// Requests that have arrived and hold no blocks, first come first.
    pub waiting: VecDeque<usize>,
    /// Requests that are being served, in the order in which they were admitted.
    pub running: Vec<usize>,
    /// KV blocks.
    pub blocks: KvBlocks,
    /// Steps in a row without a chunk of a prompt.
    pub decode_steps: u32,
    /// Steps that may be under way at once: the stages of a pipeline.
    pub stages: u32,
}

impl State {
    /// An engine before its first request arrives.
    pub fn new(config: EngineConfig, sequences: Vec<Sequence>, kv_blocks: u32) -> Self {
        Self {
            config,
            sequences,
            waiting: VecDeque::new(),
            running: Vec::new(),
            blocks: KvBlocks::new(kv_blocks),
            decode_steps: 0,
            stages: 1,
        }
    }

    /// Blocks kept free when a request is admitted.
    pub fn watermark(&self) -> u32 {
        self.config.watermark(self.blocks.total())
    }

    /// Most sequences of one step: with several under way, a share each, so that none leaves the next without work.
    pub fn step_sequences(&self) -> usize {
        (self.config.max_sequences / self.stages).max(1) as usize
    }

    /// Blocks that `request` lacks to have `tokens` more computed.
    pub fn lacking(&self, request: usize, tokens: u32) -> u32 {
        let sequence = &self.sequences[request];
        self.config.blocks_for(sequence.computed + tokens).saturating_sub(sequence.blocks)
    }

    /// Applies what a plan says of queues and blocks, before it is carried out.
    ///
    /// # Errors
    /// The rule that the plan breaks.
    pub fn begin(&mut self, plan: &StepPlan) -> Result<(), String> {
        for &request in &plan.preempted {
            let Some(place) = self.running.iter().position(|&r| r == request) else {
                return Err(format!("preempts request {request}, which is not running"));
            };
            self.running.remove(place);
            let sequence = &mut self.sequences[request];
            self.blocks.give_back(sequence.blocks);
            (sequence.blocks, sequence.computed) = (0, 0);
            self.waiting.push_front(request);
        }
        for &request in &plan.admitted {
            if self.waiting.pop_front() != Some(request) {
                return Err(format!("admits request {request} before its turn"));
            }
            self.running.push(request);
        }
        if self.running.len() > self.config.max_sequences as usize {
            return Err(format!("runs {} sequences", self.running.len()));
        }
        let mut tokens = 0;
        for item in &plan.items {
            let lacking = self.lacking(item.request, item.tokens);
            let sequence = &mut self.sequences[item.request];
            if item.tokens == 0
                || item.tokens > sequence.remaining()
                || item.context != sequence.computed
                || sequence.busy
            {
                return Err(format!("computes {} tokens of request {}", item.tokens, item.request));
            }
            if !self.blocks.take(lacking) {
                return Err(format!("takes {lacking} blocks of {} free ones", self.blocks.free()));
            }
            sequence.blocks += lacking;
            sequence.busy = true;
            tokens += item.tokens;
        }
        if tokens > self.config.chunk_tokens {
            return Err(format!("computes {tokens} tokens"));
        }
        if plan.items.is_empty() {
            return Err("does nothing while requests wait".to_owned());
        }
        Ok(())
    }

    /// Whether `item` completes what is known of its request, so that a token follows.
    pub fn completes(&self, item: &super::PlanItem) -> bool {
        item.context + item.tokens == self.sequences[item.request].known()
    }

    /// Applies a step's outcome. `emitted` is called for each request that got a token, with its
    /// number among the plan's tokens; it says whether the text ends there.
    pub fn commit(&mut self, plan: &StepPlan, mut emitted: impl FnMut(usize, usize) -> bool) {
        let (mut tokens, mut ended, mut chunks) = (0, false, false);
        for item in &plan.items {
            let completes = self.completes(item);
            let sequence = &mut self.sequences[item.request];
            chunks |= !sequence.decoding();
            sequence.busy = false;
            sequence.computed += item.tokens;
            if !completes {
                continue;
            }
            sequence.generated += 1;
            let ends = emitted(item.request, tokens);
            tokens += 1;
            if ends || sequence.generated >= sequence.output {
                sequence.ended = Some(Status::Ok);
                self.blocks.give_back(sequence.blocks);
                sequence.blocks = 0;
                ended = true;
            }
        }
        self.decode_steps = if chunks { 0 } else { self.decode_steps + 1 };
        if ended {
            let sequences = &self.sequences;
            self.running.retain(|&request| sequences[request].ended.is_none());
        }
    }
}
