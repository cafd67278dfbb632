//! The workload of a case: read from its directory, or made by its recipe.

use std::path::Path;

use super::model::CaseModel;
use super::paths::resolve;
use super::{Context, GateError};
use crate::case::{Case, WorkloadSource};
use crate::workload::{self, Sources, Tokenize, Workload, WorkloadError};

/// Reads or makes it.
pub(super) fn workload(
    case: &Case,
    model: &CaseModel<'_>,
    context: &Context<'_>,
) -> Result<Workload, GateError> {
    let recipe = match &case.workload {
        WorkloadSource::Dir(dir) => return Ok(workload::read(&resolve(case, dir, context)?)?),
        WorkloadSource::Trace { file, scaled, requests } => {
            let path = resolve(case, file, context)?;
            return Ok(first(workload::read_vidur(&path, *scaled)?, *requests, &path)?);
        }
        WorkloadSource::Recipe(recipe) => recipe,
    };
    let find = |path: &Path| {
        resolve(case, path, context)
            .map_err(|_| WorkloadError::NoSuchPath { path: path.to_owned() })
    };
    with_tokenizer(case, model, |tokenizer| {
        Ok(workload::generate(recipe, &Sources { resolve: &find, tokenizer })?)
    })
}

/// The first `asked` requests of the workload in `path`, or all.
pub(super) fn first(
    mut workload: Workload,
    asked: Option<u32>,
    path: &Path,
) -> Result<Workload, WorkloadError> {
    let Some(asked) = asked.map(|asked| asked as usize) else { return Ok(workload) };
    let requests = workload.requests.len();
    if requests < asked {
        return Err(WorkloadError::ShortTrace { path: path.to_owned(), requests, asked });
    }
    workload.requests.truncate(asked);
    Ok(workload)
}

#[cfg(feature = "candle")]
fn with_tokenizer<T>(
    case: &Case,
    model: &CaseModel<'_>,
    then: impl FnOnce(Option<&dyn Tokenize>) -> Result<T, GateError>,
) -> Result<T, GateError> {
    let tokenizer = super::tokenizer::LazyTokenizer::new(model);
    then(case.model.is_some().then_some(&tokenizer as &dyn Tokenize))
}

#[cfg(not(feature = "candle"))]
fn with_tokenizer<T>(
    _case: &Case,
    _model: &CaseModel<'_>,
    then: impl FnOnce(Option<&dyn Tokenize>) -> Result<T, GateError>,
) -> Result<T, GateError> {
    then(None)
}
