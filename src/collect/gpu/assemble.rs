//! One bundle of the parts that several processes measured.

use std::path::{Path, PathBuf};

use super::fit::fit;
use super::{CALIBRATION, PART, served};
use crate::collect::CollectError;
use crate::files::{FileError, NewDir};
use crate::model::ModelConfig;
use crate::profile::{self, Profile, Times};
use crate::run::{self, Keep};

/// Whether a process measured its part to the end.
pub fn part_is_whole(folder: &Path) -> bool {
    folder.join(PART).join(profile::META).is_file()
}

/// Makes a bundle of `parts` at `out`, of the model in `folder`.
///
/// # Errors
/// Parts that cannot be read, or that do not belong together.
pub fn assemble(folder: &Path, parts: &[PathBuf], out: &Path) -> Result<Profile, CollectError> {
    let mut whole: Option<Profile> = None;
    for part in parts {
        let dir = part.join(PART);
        let read = Profile::read_measured(&dir, "simgate profile")?;
        match &mut whole {
            None => whole = Some(read),
            Some(profile) => merge(profile, read, &dir)?,
        }
    }
    let profile = whole.ok_or(CollectError::NoParts)?;
    let calibration: Vec<PathBuf> = parts.iter().map(|part| part.join(CALIBRATION)).collect();
    fitted(folder, profile, &calibration, out)
}

/// Fits the bundle at `dir` to its measured steps anew.
///
/// # Errors
/// A bundle of a CPU, or one that cannot be read or written.
pub fn refit(folder: &Path, dir: &Path) -> Result<Profile, CollectError> {
    let profile = Profile::read_measured(dir, "simgate profile")?;
    fitted(folder, profile, &[dir.join(CALIBRATION)], dir)
}

/// Fits `profile` to its steps and to the runs in the folders `calibration`, and writes all of it to `out`.
fn fitted(
    folder: &Path,
    mut profile: Profile,
    calibration: &[PathBuf],
    out: &Path,
) -> Result<Profile, CollectError> {
    let Times::Gpu(times) = &mut profile.times else { return Err(CollectError::OfCpu) };
    let new = NewDir::create(out, profile::META)?;
    let to = new.path().join(CALIBRATION);
    std::fs::create_dir_all(&to).map_err(|e| FileError::io("create", &to, e))?;
    for from in calibration {
        let entries = std::fs::read_dir(from).map_err(|e| FileError::io("read", from, e))?;
        for dir in entries.flatten().map(|entry| entry.path()) {
            let name = dir.file_name().unwrap_or_default();
            run::write_compact(&run::read(&dir)?, &to.join(name), Keep::Whole)?;
        }
    }
    let runs = served::read(&to)?;
    // Whatever was fitted may not gate, also where somebody added it.
    profile.meta.run_ids = runs.iter().map(|run| run.run_id.clone()).collect();
    fit(&profile.meta, times, &ModelConfig::read(folder)?, &runs)?;
    profile.write_inside(new.path())?;
    new.commit()?;
    Ok(profile)
}

/// Adds the part in `dir` to those before it.
fn merge(whole: &mut Profile, part: Profile, dir: &Path) -> Result<(), CollectError> {
    let (meta, added) = (&mut whole.meta, part.meta);
    for (what, a, b) in [
        ("model", &meta.model_config, &added.model_config),
        ("weights", &meta.weights, &added.weights),
        ("host", &meta.host, &added.host),
    ] {
        if a != b {
            return Err(CollectError::OtherPart { path: dir.to_owned(), what });
        }
    }
    if meta.device_uuid != added.device_uuid || meta.commit != added.commit {
        return Err(CollectError::OtherPart { path: dir.to_owned(), what: "GPU or build" });
    }
    let (Some(gpu), Some(other)) = (&mut meta.gpu, added.gpu) else {
        return Err(CollectError::OtherPart { path: dir.to_owned(), what: "device" });
    };
    if gpu.limits != other.limits
        || gpu.kv_blocks != other.kv_blocks
        || meta.kv_block_tokens != added.kv_block_tokens
    {
        return Err(CollectError::OtherPart { path: dir.to_owned(), what: "limits" });
    }
    gpu.processes += other.processes;
    meta.ended_at = added.ended_at;
    if let (Times::Gpu(times), Times::Gpu(more)) = (&mut whole.times, part.times) {
        times.replays.extend(more.replays);
        times.eager.extend(more.eager);
        times.validation.extend(more.validation);
        times.ops.extend(more.ops);
        times.launches.extend(more.launches);
    }
    Ok(())
}
