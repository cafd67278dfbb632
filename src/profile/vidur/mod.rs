//! Vidur's profiles and fitted tables, as its users have them: a folder of CSV files, times in ms.
//!
//! An op with a fitted table is looked up there, as Vidur does. Of others the measured medians count, linear
//! between two of them; nothing is ever taken from beyond what was measured.

use std::path::{Path, PathBuf};

mod error;
mod find;
mod fitted;
mod points;
mod profiled;
mod tables;

pub use error::VidurError;
pub use tables::{Axis, Grid, OutsideTable, Series};

use crate::model::ModelShape;
use find::Files;
use profiled::{Asked, Attention, HOST};

/// Token ops that are looked up at the tokens of a step rounded up to 8.
const ROUNDED: [&str; 9] = [
    "attn_pre_proj",
    "attn_post_proj",
    "mlp_up_proj",
    "mlp_down_proj",
    "mlp_act",
    "attn_rope",
    "input_layernorm",
    POST_ATTENTION_LAYERNORM,
    "add",
];
const POST_ATTENTION_LAYERNORM: &str = "post_attention_layernorm";
const SAVE: &str = "attn_kv_cache_save";
const DECODE: &str = "attn_decode";
const PREFILL: &str = "attn_prefill";
const ALL_REDUCE: &str = "all_reduce";
const SEND_RECV: &str = "send_recv";
const TOKENS: &str = "num_tokens";

/// The times of one model at one degree of tensor and pipeline parallelism, ms.
#[derive(Debug, Clone, PartialEq)]
pub struct VidurBundle {
    /// A layer's ops by the tokens of the step, rounded up to 8.
    pub rounded: Vec<Series>,
    /// Saving keys and values, by the tokens of the step.
    pub kv_cache_save: Series,
    /// Summing up over tensor-parallel workers, where there are several.
    pub all_reduce: Option<Series>,
    /// Handing over to the next pipeline stage, where there are several.
    pub send_recv: Option<Series>,
    /// Attention of decodes, by batch size and mean tokens in the cache.
    pub decode: Grid,
    /// Attention of prompts, by tokens in the cache and the chunk's length.
    pub prefill: Grid,
    /// The host's shares of a step, by batch size; empty where the bundle has none.
    pub host: Vec<Series>,
    unmeasured: Vec<&'static str>,
    /// Whether no file says which model it is of.
    untold: bool,
}

/// The files of the bundle in `dir`.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>, VidurError> {
    Ok(Files::of(dir)?.all())
}

impl VidurBundle {
    /// Reads the bundle in `dir`.
    ///
    /// # Errors
    /// An op that is missing, a profile of another model, degree or block size, or a faulty row; each names
    /// its place.
    pub fn read(
        dir: &Path,
        shape: &ModelShape,
        tensor_parallel: u32,
        pipeline_parallel: u32,
        kv_block_tokens: u32,
    ) -> Result<Self, VidurError> {
        let files = Files::of(dir)?;
        let asked =
            Asked { shape, tensor_parallel, pipeline_parallel, block_tokens: kv_block_tokens };
        let reader = Reader { files: &files, asked };
        // The table of prefill attention is the largest by far.
        std::thread::scope(|scope| {
            let prefill = scope.spawn(|| match files.fitted(PREFILL)? {
                Some(path) => fitted::prefill(&path).map(Some),
                None => Ok(None),
            });
            let mut bundle = reader
                .read(|| prefill.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))?;
            bundle.unmeasured = bundle.zeros();
            Ok(bundle)
        })
    }

    /// Ops whose times are all 0: Vidur fills in a 0 for what was never measured, and so they count.
    pub fn unmeasured(&self) -> &[&'static str] {
        &self.unmeasured
    }

    /// What whoever uses it should know.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.unmeasured.is_empty() {
            remarks.push(format!(
                "the bundle's times of {} are 0: never measured",
                self.unmeasured.join(", ")
            ));
        }
        if self.untold {
            remarks.push("the bundle has tables only: nothing says which model, degree and block size they are of".to_owned());
        }
        remarks
    }

    fn zeros(&self) -> Vec<&'static str> {
        let optional = [&self.all_reduce, &self.send_recv].into_iter().flatten();
        let series = self.rounded.iter().chain([&self.kv_cache_save]).chain(optional);
        let series = series.chain(&self.host).filter(|series| series.is_zero());
        let grids = [&self.decode, &self.prefill].into_iter().filter(|grid| grid.is_zero());
        series.map(|series| series.op).chain(grids.map(|grid| grid.op)).collect()
    }
}

/// Reads the tables of one folder.
struct Reader<'a> {
    files: &'a Files,
    asked: Asked<'a>,
}

impl Reader<'_> {
    /// The bundle; `fitted_prefill` is waited for when all else is read.
    fn read(
        &self,
        fitted_prefill: impl FnOnce() -> Result<Option<Grid>, VidurError>,
    ) -> Result<VidurBundle, VidurError> {
        // Also where nothing is taken from it: tables do not say which model and block size they are of.
        let path = self.files.profile("attention")?;
        let profile = path.map(|path| profiled::attention(&path, self.asked)).transpose()?;
        let missing = |op| self.files.missing(op, "attention");
        let measured = |of: fn(&Attention) -> Option<Grid>| profile.as_ref().and_then(of);
        let decode = match self.files.fitted(DECODE)? {
            Some(path) => fitted::decode(&path)?,
            None => measured(|a| points::decode(&a.decode)).ok_or_else(|| missing(DECODE))?,
        };
        let kv_cache_save = match self.files.fitted(SAVE)? {
            Some(path) => fitted::series(&path, SAVE, TOKENS)?,
            None => profile
                .as_ref()
                .and_then(|attention| points::series(SAVE, TOKENS, &attention.save))
                .ok_or_else(|| missing(SAVE))?,
        };
        let [tensor, pipeline] = [self.asked.tensor_parallel, self.asked.pipeline_parallel];
        let of = |op, read| self.collective(op, read);
        Ok(VidurBundle {
            rounded: self.rounded()?,
            kv_cache_save,
            all_reduce: (tensor > 1).then(|| of(ALL_REDUCE, profiled::all_reduce)).transpose()?,
            send_recv: (pipeline > 1).then(|| of(SEND_RECV, profiled::send_recv)).transpose()?,
            decode,
            host: self.host()?,
            prefill: match fitted_prefill()? {
                Some(prefill) => prefill,
                None => {
                    measured(|a| points::prefill(&a.prefill)).ok_or_else(|| missing(PREFILL))?
                }
            },
            unmeasured: Vec::new(),
            untold: self.files.profile("mlp")?.is_none() && profile.is_none(),
        })
    }

    /// The token ops of a layer. A profile is read even where all tables are there: they do not say which
    /// model and degree they are of, and it does.
    fn rounded(&self) -> Result<Vec<Series>, VidurError> {
        let one_norm = !self.asked.shape.post_attention_norm;
        let ops: Vec<&'static str> =
            ROUNDED.into_iter().filter(|&op| op != POST_ATTENTION_LAYERNORM || !one_norm).collect();
        let mut fitted = Vec::new();
        let mut others = Vec::new();
        for &op in &ops {
            match self.files.fitted(op)? {
                Some(path) => fitted.push(fitted::series(&path, op, TOKENS)?),
                None => others.push(op),
            }
        }
        let measured = match self.files.profile("mlp")? {
            Some(path) => profiled::mlp(&path, self.asked, &others)?,
            None => Vec::new(),
        };
        for (place, &op) in others.iter().enumerate() {
            let series = measured.get(place).and_then(|points| points::series(op, TOKENS, points));
            fitted.push(series.ok_or_else(|| self.files.missing(op, "mlp"))?);
        }
        Ok(fitted)
    }

    fn collective(
        &self,
        op: &'static str,
        read: fn(&Path, Asked<'_>) -> Result<Vec<points::Point<1>>, VidurError>,
    ) -> Result<Series, VidurError> {
        if let Some(path) = self.files.fitted(op)? {
            return fitted::series(&path, op, TOKENS);
        }
        let missing = || self.files.missing(op, op);
        let path = self.files.profile(op)?.ok_or_else(missing)?;
        points::series(op, TOKENS, &read(&path, self.asked)?).ok_or_else(missing)
    }

    /// The host's shares; none unless all of them are there.
    fn host(&self) -> Result<Vec<Series>, VidurError> {
        let measured = match self.files.profile("cpu_overheads")? {
            Some(path) => profiled::host(&path, self.asked)?,
            None => Vec::new(),
        };
        let mut host = Vec::new();
        for (place, (op, _)) in HOST.into_iter().enumerate() {
            let series = match self.files.fitted(op)? {
                Some(path) => Some(fitted::series(&path, op, "batch_size")?),
                None => measured.get(place).and_then(|p| points::series(op, "batch_size", p)),
            };
            host.extend(series);
        }
        if host.len() < HOST.len() {
            host.clear();
        }
        Ok(host)
    }
}
