//! Hashes of what a case's figures come from, so that an edit of an input is told apart from a drift of
//! numbers, and named with its file.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model::CaseModel;
use super::paths::resolve;
use super::{Context, GateError, RECORDING};
use crate::case::{Case, Side, WorkloadSource};
use crate::compare;
use crate::engine::Cluster;
use crate::files::{Hasher, find, read_text, sha256_hex};
use crate::profile::{self, vidur};
use crate::run;
use crate::workload::{self, Arrivals, Lengths, Prompts, Workload};

/// Hex digits shown: enough to tell inputs apart, short enough to read.
const SHOWN: usize = 12;

/// The hash of one thing that figures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// `case`, `workload`, `engine`, `model`, `profile`, `real` or `sim`.
    pub what: String,
    /// The file or folder that it is of, as seen from the project; none for what was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// SHA-256, the first digits.
    pub hash: String,
}

/// What a case's figures come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprints(Vec<Fingerprint>);

impl Fingerprints {
    /// Of everything that both sides of a case start from.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn of_inputs(
        case: &Case,
        workload: &Workload,
        model: &CaseModel<'_>,
        context: &Context<'_>,
    ) -> Result<Self, GateError> {
        let mut all = Self::default();
        let seen = |path: &Path| tidy(path.strip_prefix(context.root).unwrap_or(path));
        let case_file = seen(&case.path);
        all.add("case", Some(&case_file), &case.fingerprint);
        // A recipe stands in the case itself.
        let recipe = matches!(case.workload, WorkloadSource::Recipe(_));
        all.add("workload", recipe.then_some(&*case_file), &workload.hash());
        for file in workload_files(case, model, context)? {
            all.add("workload", Some(&seen(&file)), &content(&file, context)?);
        }
        if let Some(engine) = &case.engine {
            all.add("engine", Some(&case_file), &engine.hash());
        }
        if case.cluster != Cluster::default() {
            all.add("cluster", Some(&case_file), &case.cluster.hash());
        }
        if case.model.is_some() && model.folder()?.is_dir() {
            let file = model.folder()?.join("config.json");
            all.add("model", Some(&seen(&file)), &model.hash()?);
        }
        for bundle in case.bundles() {
            for file in vidur::files(&resolve(case, bundle, context)?)? {
                all.add("profile", Some(&seen(&file)), &content(&file, context)?);
            }
        }
        if let Side::Native { profile, .. } = &case.sim
            && let Some(dir) = model.profile_dir(profile)
        {
            for file in profile::files(&dir) {
                all.add("profile", Some(&seen(&file)), &content(&file, context)?);
            }
        }
        Ok(all)
    }

    fn add(&mut self, what: &str, file: Option<&Path>, hash: &str) {
        self.0.push(Fingerprint {
            what: what.to_owned(),
            file: file.map(|file| file.display().to_string()),
            hash: hash[..hash.len().min(SHOWN)].to_owned(),
        });
    }

    /// Adds the times of one side; `recorded` is where its recording lies, if it has one.
    pub(super) fn add_side(&mut self, what: &str, side: &compare::Side, recorded: Option<&Path>) {
        let mut hasher = Hasher::new("simgate side v1");
        side.runs.iter().for_each(|run| hasher.text(&run::hash(run)));
        self.add(what, recorded, &hasher.finish());
    }

    /// Adds what recordings say of themselves.
    pub(super) fn add_recordings(
        &mut self,
        dirs: [Option<PathBuf>; 2],
        context: &Context<'_>,
    ) -> Result<(), GateError> {
        for dir in dirs.into_iter().flatten() {
            let file = dir.join(RECORDING);
            if context.root.join(&file).is_file() {
                let hash = content(&context.root.join(&file), context)?;
                self.add("recording", Some(&file), &hash);
            }
        }
        Ok(())
    }

    /// The ones that a recording rests on: what was served, by which engine and model.
    pub(super) fn of_recording(&self) -> Vec<Fingerprint> {
        let served = |f: &&Fingerprint| matches!(&*f.what, "workload" | "engine" | "model");
        self.0.iter().filter(served).cloned().collect()
    }

    /// Every file whose hash was another in `old`, or that only one of them has.
    pub(super) fn changes_since(&self, old: &[Fingerprint]) -> Vec<String> {
        changes(old, &self.0)
    }

    /// As [`Fingerprints::changes_since`], of what a recording rests on.
    pub(super) fn changes_since_recording(&self, old: &[Fingerprint]) -> Vec<String> {
        changes(old, &self.of_recording())
    }

    /// Reads back what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Vec<Fingerprint> {
        let line = |line: &str| {
            let (what, rest) = line.split_once(": ")?;
            let (hash, file) = match rest.split_once(' ') {
                Some((hash, file)) => (hash, Some(file.to_owned())),
                None => (rest, None),
            };
            Some(Fingerprint { what: what.to_owned(), file, hash: hash.to_owned() })
        };
        text.lines().map_while(line).collect()
    }
}

fn changes(old: &[Fingerprint], new: &[Fingerprint]) -> Vec<String> {
    let same = |a: &Fingerprint, b: &Fingerprint| a.what == b.what && a.file == b.file;
    let of_files = |all: &'_ [Fingerprint]| -> Vec<Fingerprint> {
        all.iter().filter(|f| f.file.is_some()).cloned().collect()
    };
    let (old, new) = (of_files(old), of_files(new));
    let mut changes = Vec::new();
    for new in &new {
        let file = new.place();
        match old.iter().find(|old| same(old, new)) {
            Some(old) if old.hash == new.hash => {}
            Some(old) => changes.push(format!("{file} changed ({} -> {})", old.hash, new.hash)),
            None => changes.push(format!("{file} is new ({})", new.hash)),
        }
    }
    for old in old.iter().filter(|old| !new.iter().any(|new| same(old, new))) {
        changes.push(format!("{} is gone ({})", old.place(), old.hash));
    }
    changes
}

/// Whether a file is a case, by its name.
fn is_case(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    file.ends_with(".yaml") || file.ends_with(".yml")
}

impl Fingerprint {
    /// The file, or the part of it.
    fn place(&self) -> String {
        let file = self.file.as_deref().unwrap_or("");
        let part_of_case = matches!(&*self.what, "engine" | "workload" | "cluster");
        if part_of_case && is_case(file) {
            return format!("`{}:` in {file}", self.what);
        }
        file.to_owned()
    }
}

impl fmt::Display for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Fingerprint { what, file, hash }) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n" };
            let file = file.as_ref().map(|file| format!(" {file}")).unwrap_or_default();
            write!(f, "{gap}{what}: {hash}{file}")?;
        }
        Ok(())
    }
}

/// A path without detours by `..`.
fn tidy(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut tidy, part| {
        let detour = part == Component::ParentDir
            && matches!(tidy.components().next_back(), Some(Component::Normal(_)));
        if detour {
            tidy.pop()
        } else {
            tidy.push(part);
            true
        };
        tidy
    })
}

/// SHA-256 of a file's content, packed or not.
fn content(file: &Path, context: &Context<'_>) -> Result<String, GateError> {
    let read = || {
        let text = read_text(file).map_err(|error| GateError::Run(error.into()))?;
        Ok::<_, GateError>(sha256_hex(text.as_bytes()))
    };
    let path = file.to_owned();
    Ok(context.shared.contents.get(file, &[path], read)?.to_string())
}

/// The files that a case's workload is made from.
fn workload_files(
    case: &Case,
    model: &CaseModel<'_>,
    context: &Context<'_>,
) -> Result<Vec<PathBuf>, GateError> {
    let in_dir = |path: &Path| -> Result<Vec<PathBuf>, GateError> {
        Ok(workload::files(&resolve(case, path, context)?))
    };
    let recipe = match &case.workload {
        WorkloadSource::Dir(dir) => return in_dir(dir),
        WorkloadSource::Trace { file, .. } => return Ok(vec![resolve(case, file, context)?]),
        WorkloadSource::Recipe(recipe) => recipe,
    };
    let mut files = Vec::new();
    match &recipe.prompts {
        Prompts::File(path) => {
            files.push(resolve(case, path, context)?);
            files.extend(tokenizer(model)?);
        }
        Prompts::Synthetic(Lengths::Trace(dir)) => files.extend(in_dir(dir)?),
        Prompts::Synthetic(_) => {}
    }
    if let Lengths::Trace(dir) = &recipe.output_tokens {
        files.extend(in_dir(dir)?);
    }
    if let Arrivals::Trace(dir) = &recipe.arrivals {
        files.extend(in_dir(dir)?);
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn tokenizer(model: &CaseModel<'_>) -> Result<Option<PathBuf>, GateError> {
    let Ok(config) = model.config() else { return Ok(None) };
    let folder = config.tokenizer.map_or_else(|| model.folder(), Ok)?;
    find(&folder, "tokenizer.json").map_err(|error| GateError::Run(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(hashes: [(&str, Option<&str>, &str); 3]) -> Fingerprints {
        let mut all = Fingerprints::default();
        hashes.iter().for_each(|(what, file, hash)| all.add(what, file.map(Path::new), hash));
        all
    }

    #[test]
    fn an_edit_is_named_with_its_file_and_both_hashes() {
        let old = all([
            ("case", Some("cases/a.yaml"), "111111111111"),
            ("engine", Some("cases/a.yaml"), "222222222222"),
            ("sim", None, "333333333333"),
        ]);
        let text = format!("{old}\n\nfigures: none");
        assert_eq!(Fingerprints::parse(&text), old.0);
        assert!(old.changes_since(&old.0).is_empty());
        let new = all([
            ("case", Some("cases/a.yaml"), "444444444444"),
            ("profile", Some("p/ops.csv"), "555555555555"),
            ("sim", None, "666666666666"),
        ]);
        assert_eq!(
            new.changes_since(&old.0),
            [
                "cases/a.yaml changed (111111111111 -> 444444444444)",
                "p/ops.csv is new (555555555555)",
                "`engine:` in cases/a.yaml is gone (222222222222)",
            ]
        );
    }
}
