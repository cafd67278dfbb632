//! simgate's own engine with step times from a Vidur bundle: stage after stage of a pipeline, each of which works on
//! one step at a time.

use super::{PredictError, VidurBatch, VidurPredictor};
use crate::engine::{
    Clock, DecodeStep, ExecuteError, Executor, State, StepOutcome, StepPlan, StepSpans,
};

/// Says when steps end.
#[derive(Debug)]
pub struct VidurExecutor<'a> {
    predictor: &'a VidurPredictor,
    /// When each stage is free.
    free_ns: Vec<u64>,
}

impl<'a> VidurExecutor<'a> {
    /// An engine of as many stages as `predictor` is of, all of them free.
    pub fn new(predictor: &'a VidurPredictor) -> Self {
        let stages = predictor.settings().pipeline_parallel.max(1);
        Self { predictor, free_ns: vec![0; stages as usize] }
    }

    /// When a step that is handed to the first stage at `start_ns` leaves the last one.
    fn end(&mut self, batch: VidurBatch, start_ns: u64) -> Result<u64, PredictError> {
        let stages = self.free_ns.len();
        // All stages but the last take as long.
        let mut stage_ns = 0;
        let mut at = start_ns;
        for (stage, free) in self.free_ns.iter_mut().enumerate() {
            let last_stage = stage + 1 == stages;
            if stage == 0 || last_stage {
                let ms = self.predictor.stage_ms(&VidurBatch { last_stage, ..batch })?;
                stage_ns = (ms * 1e6).round() as u64;
            }
            at = at.max(*free) + stage_ns;
            *free = at;
        }
        Ok(at)
    }

    fn batch(&self, plan: &StepPlan, state: &State) -> VidurBatch {
        let mut batch = VidurBatch { sequences: plan.items.len() as u32, ..VidurBatch::default() };
        for item in &plan.items {
            batch.tokens += item.tokens;
            if state.sequences[item.request].decoding() {
                batch.decodes += 1;
                // Vidur counts the token that is fed.
                batch.decode_kv += u64::from(item.context) + 1;
            } else {
                batch.prefills += 1;
                batch.prefill_kv += self.predictor.round_kv(item.context);
                batch.chunk_squares += u64::from(item.tokens) * u64::from(item.tokens);
            }
        }
        batch
    }
}

fn failed(error: &PredictError) -> ExecuteError {
    ExecuteError::Prediction(error.to_string())
}

impl Executor for VidurExecutor<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        _clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let batch = self.batch(plan, state);
        let end_ns = self.end(batch, start_ns).map_err(|error| failed(&error))?;
        let spans = StepSpans { wait_ns: end_ns - start_ns, ..StepSpans::default() };
        Ok(StepOutcome { end_ns, spans, ..StepOutcome::default() })
    }

    fn decode(
        &mut self,
        step: DecodeStep,
        start_ns: u64,
    ) -> Option<Result<(u64, StepSpans), ExecuteError>> {
        let DecodeStep { sequences, context } = step;
        let batch = VidurBatch {
            tokens: sequences,
            sequences,
            decodes: sequences,
            decode_kv: context + u64::from(sequences),
            ..VidurBatch::default()
        };
        let end = self.end(batch, start_ns).map_err(|error| failed(&error));
        Some(end.map(|end| (end, StepSpans { wait_ns: end - start_ns, ..StepSpans::default() })))
    }
}
