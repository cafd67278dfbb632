//! The model of a case and what is measured of it: loaded at most once for both sides.

use std::cell::OnceCell;
#[cfg(feature = "candle")]
use std::cell::RefCell;
#[cfg(feature = "candle")]
use std::path::Path;
use std::path::PathBuf;
#[cfg(feature = "candle")]
use std::rc::Rc;
use std::sync::Arc;

#[cfg(feature = "candle")]
use super::cache::Shared;
use super::{Context, GateError, PROFILES};
#[cfg(feature = "candle")]
use crate::backend::LoadedModel;
use crate::case::Case;
use crate::engine::EngineConfig;
#[cfg(feature = "candle")]
use crate::model::Placement;
use crate::model::{ModelConfig, ModelShape};
use crate::profile::{self, Profile, ProfileError};
use crate::workload::Workload;

/// The hardware of cases that want no GPU.
pub(super) const CPU: &str = "cpu";

/// Folder of models in a project.
const MODELS: &str = "models";

#[cfg(feature = "candle")]
thread_local! {
    /// What this thread loaded last. A recorder's process serves many cases of one model, and loading it
    /// takes longer than serving some of them.
    static LAST: RefCell<Option<(PathBuf, bool, Rc<LoadedModel>)>> = const { RefCell::new(None) };
}

#[cfg(feature = "candle")]
fn load(folder: &Path, on_gpu: bool) -> Result<Rc<LoadedModel>, GateError> {
    let placement = if on_gpu { Placement::gpu()? } else { Placement::cpu() };
    Ok(Rc::new(LoadedModel::open(folder, &placement)?))
}

/// The model in `folder`, on the GPU or not: the one loaded last, where that is it.
#[cfg(feature = "candle")]
fn last_loaded(folder: &Path, on_gpu: bool) -> Result<Rc<LoadedModel>, GateError> {
    LAST.with_borrow_mut(|last| {
        if let Some((path, gpu, loaded)) = last
            && path == folder
            && *gpu == on_gpu
        {
            return Ok(Rc::clone(loaded));
        }
        // The old one first: both may not fit.
        *last = None;
        let loaded = load(folder, on_gpu)?;
        *last = Some((folder.to_owned(), on_gpu, Rc::clone(&loaded)));
        Ok(loaded)
    })
}

/// The model of one case.
pub(super) struct CaseModel<'a> {
    case: &'a Case,
    context: Context<'a>,
    #[cfg(feature = "candle")]
    loaded: OnceCell<Rc<LoadedModel>>,
    profile: OnceCell<Arc<Profile>>,
}

impl<'a> CaseModel<'a> {
    pub fn new(case: &'a Case, context: Context<'a>) -> Self {
        Self {
            case,
            context,
            #[cfg(feature = "candle")]
            loaded: OnceCell::new(),
            profile: OnceCell::new(),
        }
    }

    #[cfg(feature = "candle")]
    pub fn shared(&self) -> &Shared {
        self.context.shared
    }

    /// The model's folder.
    pub fn folder(&self) -> Result<PathBuf, GateError> {
        let name = self.case.model.as_deref().ok_or(GateError::NoModel)?;
        Ok(self.context.root.join(MODELS).join(name))
    }

    pub fn config(&self) -> Result<ModelConfig, GateError> {
        Ok(ModelConfig::read(&self.folder()?)?)
    }

    /// SHA-256 of the architecture: of what our engine computes, or, of a model that it cannot, of the sizes that a
    /// bundle is held against.
    pub fn hash(&self) -> Result<String, GateError> {
        match self.config() {
            Err(_) if !self.case.bundles().is_empty() => Ok(self.shape()?.hash()),
            config => Ok(config?.hash()),
        }
    }

    /// The model's sizes.
    pub fn shape(&self) -> Result<ModelShape, GateError> {
        Ok(ModelShape::read(&self.folder()?)?)
    }

    /// The case's engine, which validation demands wherever a side needs it.
    pub fn engine(&self) -> Result<EngineConfig, GateError> {
        self.case.engine.clone().ok_or(GateError::NoModel)
    }

    #[cfg(feature = "candle")]
    pub fn loaded(&self) -> Result<Rc<LoadedModel>, GateError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(Rc::clone(loaded));
        }
        let on_gpu = !matches!(self.case.hardware.as_deref(), None | Some(CPU));
        let loaded = match self.context.settings.keep_model {
            true => last_loaded(&self.folder()?, on_gpu)?,
            false => load(&self.folder()?, on_gpu)?,
        };
        Ok(Rc::clone(self.loaded.get_or_init(|| loaded)))
    }

    /// The flags of `simgate profile` for the case's device.
    fn device(&self) -> String {
        match (self.case.hardware.as_deref(), &self.case.engine) {
            (None | Some(CPU), _) | (_, None) => String::new(),
            (Some(_), Some(engine)) => {
                let (tokens, sequences) = (engine.chunk_tokens, engine.max_sequences);
                format!(" --device cuda:0 --limits {tokens}x{sequences}")
            }
        }
    }

    /// Where the profile called `name` lies; `None` for one that is measured now.
    pub fn profile_dir(&self, name: &str) -> Option<PathBuf> {
        let (hardware, model) = name.split_once('/')?;
        Some(self.context.baselines.join(hardware).join(PROFILES).join(model))
    }

    /// The profile called `name`, checked to be of this model; `here` is measured now.
    pub fn profile(&self, name: &str, workload: &Workload) -> Result<&Profile, GateError> {
        if let Some(profile) = self.profile.get() {
            return Ok(profile);
        }
        let profile = match name.split_once('/') {
            None => Arc::new(self.collect(workload)?),
            Some((_, model)) => {
                let dir = self.profile_dir(name).unwrap_or_default();
                let command =
                    format!("simgate profile {model}{} --out {}", self.device(), dir.display());
                let profile =
                    self.context
                        .shared
                        .profiles
                        .get(&dir, &profile::files(&dir), || Profile::read(&dir, &command))?;
                let case_hardware = self.case.hardware.as_deref().unwrap_or_default();
                profile.check(&dir, case_hardware, self.engine()?.kv_block_tokens)?;
                let expected = self.config()?.hash();
                if profile.meta.model_config != expected {
                    let found = profile.meta.model_config.clone();
                    return Err(ProfileError::OtherModel { path: dir, found, expected }.into());
                }
                profile
            }
        };
        Ok(self.profile.get_or_init(|| profile))
    }

    #[cfg(feature = "candle")]
    fn collect(&self, workload: &Workload) -> Result<Profile, GateError> {
        use crate::collect::{Ranges, collect};
        let engine = self.engine()?;
        let positions = self.config()?.max_positions;
        let longest =
            |r: &crate::workload::Request| r.prefill_tokens.saturating_add(r.decode_tokens);
        // A request beyond the model's positions is refused, so nothing of it needs predicting.
        let served = workload.requests.iter().map(longest).filter(|&tokens| tokens <= positions);
        let ranges = Ranges {
            max_tokens: engine.chunk_tokens.min(positions),
            max_context: served.max().unwrap_or(1),
            max_sequences: engine.max_sequences,
            kv_block_tokens: engine.kv_block_tokens,
        };
        let name = self.case.model.as_deref().unwrap_or_default();
        Ok(collect(name, &*self.loaded()?, ranges, self.context.progress)?)
    }

    #[cfg(not(feature = "candle"))]
    fn collect(&self, _workload: &Workload) -> Result<Profile, GateError> {
        Err(GateError::WithoutCandle)
    }
}
