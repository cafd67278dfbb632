//! Sides that are served now: by the engine, the stock model, or the simulator.

use std::collections::HashMap;

use super::GateError;
use super::loaded::Runs;
use super::runs::collect;
use super::sides::Stage;
#[cfg(feature = "candle")]
use crate::backend::{Backend as _, Candle, Transformers};
use crate::backend::{BackendError, Native};
use crate::case::Side;
use crate::compare;
use crate::run::Run;
use crate::study::{self, Fault};
use crate::workload::Request;

/// simgate's own simulator cannot predict.
pub(super) fn no_prediction(source: BackendError) -> GateError {
    GateError::Backend { name: "native".to_owned(), repeat: 0, source }
}

impl Stage<'_> {
    /// Serves the workload anew; one time more with every step timed on the GPU, where that was asked for.
    #[cfg(feature = "candle")]
    pub(super) fn candle(
        &self,
        repeats: u32,
        warmup: u32,
    ) -> Result<(Runs, Option<Run>), GateError> {
        self.check_vocabulary()?;
        let settings = self.context.settings;
        let mut candle = Candle::new(self.model.loaded()?, self.model.engine()?, settings.process);
        let failed = |source| GateError::Backend { name: "candle".to_owned(), repeat: 0, source };
        (self.context.progress)("real: candle, warm-up", 0, 1);
        candle.warm_up(&self.workload, warmup).map_err(failed)?;
        let mut runs = Vec::new();
        for repeat in 0..repeats {
            runs.extend(collect(&mut candle, "candle", repeat..repeat + 1, &self.workload)?);
            (self.context.progress)("real: candle", u64::from(repeat) + 1, u64::from(repeats));
        }
        let mut traced = None;
        if settings.trace && candle.trace().map_err(failed)? {
            traced = Some(candle.run(&self.workload, repeats).map_err(failed)?);
        }
        let labels = (0..repeats).map(|repeat| format!("candle, live #{repeat}"));
        Ok(((runs, labels.collect()), traced))
    }

    /// Token ids from files must be the model's.
    #[cfg(feature = "candle")]
    fn check_vocabulary(&self) -> Result<(), GateError> {
        let vocabulary = self.model.config()?.vocab_size;
        for prompt in &self.workload.prompts {
            let ids = prompt.token_ids.as_deref().unwrap_or_default();
            if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
                return Err(GateError::OutOfVocabulary {
                    prompt_id: prompt.prompt_id.clone(),
                    id: *id,
                    vocabulary,
                });
            }
        }
        Ok(())
    }

    #[cfg(feature = "candle")]
    pub(super) fn transformers(&self) -> Result<Runs, GateError> {
        self.check_vocabulary()?;
        let ignore_eos = self.case.engine.as_ref().is_some_and(|engine| engine.ignore_eos);
        let mut stock = Transformers::open(&self.model.folder()?, ignore_eos)?;
        let runs = collect(&mut stock, "transformers", 0..1, &self.workload)?;
        (self.context.progress)("real: transformers", 1, 1);
        Ok((runs, vec!["transformers (single-stream), live #0".to_owned()]))
    }

    #[cfg(not(feature = "candle"))]
    pub(super) fn transformers(&self) -> Result<Runs, GateError> {
        Err(GateError::WithoutCandle)
    }

    #[cfg(not(feature = "candle"))]
    pub(super) fn candle(
        &self,
        _repeats: u32,
        _warmup: u32,
    ) -> Result<(Runs, Option<Run>), GateError> {
        Err(GateError::WithoutCandle)
    }

    /// Runs of simgate's own simulator, with a fault or without.
    pub(super) fn native(
        &self,
        profile: &str,
        seeds: u32,
        real: Option<&compare::Side>,
        fault: Option<Fault>,
    ) -> Result<Runs, GateError> {
        let mut native = self.simulator(profile, real, fault)?;
        let runs = collect(&mut native, "native", 0..seeds, &self.workload)?;
        (self.context.progress)("sim: native", u64::from(seeds), u64::from(seeds));
        Ok((runs, (0..seeds).map(|seed| format!("native, seed {seed}")).collect()))
    }

    /// simgate's own simulator, which serves the lengths that `real` came to, with a fault or without.
    pub(super) fn simulator(
        &self,
        profile: &str,
        real: Option<&compare::Side>,
        fault: Option<Fault>,
    ) -> Result<Native, GateError> {
        let profile = self.model.profile(profile, &self.workload)?;
        let engine = self.model.engine()?;
        let stops_early = !engine.ignore_eos && fault != Some(Fault::EarlyStopIgnored);
        let scheduler = fault.map(|fault| fault.scheduler(&engine));
        let mut native = Native::new(profile, &self.model.config()?, engine)
            .and_then(|native| native.on(self.case.cluster))
            .map_err(no_prediction)?;
        if let Some(scheduler) = scheduler {
            native = native.scheduled_as(scheduler);
        }
        if let Some(fault) = fault.filter(|fault| fault.is_of_gpu()) {
            let gpu = native.gpu_mut().map_err(no_prediction)?;
            match fault {
                Fault::Ablated(ablation) => gpu.ablate(ablation),
                Fault::Gpu(percent) => gpu.scale_gpu(f64::from(percent) / 100.0),
                Fault::Launch(percent) => gpu.scale_launch(f64::from(percent) / 100.0),
                _ => {}
            }
        }
        let Some(actual) = real.filter(|_| stops_early).and_then(|real| real.runs.first()) else {
            return Ok(native);
        };
        let lengths: HashMap<u64, u32> =
            actual.requests.iter().map(|r| (r.request_id, r.decode_tokens_actual)).collect();
        let of = |r: &Request| lengths.get(&r.request_id).copied().unwrap_or(r.decode_tokens);
        Ok(native.stopping_at(self.workload.requests.iter().map(of).collect()))
    }

    /// How much load amplifies step-time errors; `None` for a sim that cannot be run again.
    ///
    /// # Errors
    /// A step that cannot be predicted.
    pub fn kappas(&self, real: &compare::Side) -> Result<Option<compare::Kappas>, GateError> {
        let Side::Native { profile, seeds } = &self.case.sim else { return Ok(None) };
        let native = self.simulator(profile, Some(real), self.context.settings.fault)?;
        study::kappas(&native, &self.workload, *seeds).map(Some).map_err(no_prediction)
    }
}
