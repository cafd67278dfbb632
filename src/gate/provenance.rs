//! Where the two sides come from: data that fitted a profile may not gate it, and profile and recording
//! come from one machine.

use super::GateError;
use crate::case::Case;
use crate::compare::Side;
use crate::files::sha256_hex;
use crate::profile::ProfileMeta;
use crate::run::RunMeta;

/// What is known of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Machine<'a> {
    /// CPU of the host.
    host: Option<&'a str>,
    /// Of the GPU.
    uuid: Option<&'a str>,
}

impl<'a> Machine<'a> {
    fn of_run(meta: &'a RunMeta) -> Self {
        Self {
            host: meta.host.as_ref().map(|host| host.cpu.as_str()),
            uuid: meta.device.as_ref().and_then(|device| device.uuid.as_deref()),
        }
    }

    fn of_profile(meta: &'a ProfileMeta) -> Self {
        Self { host: Some(&meta.host), uuid: meta.device_uuid.as_deref() }
    }

    /// What sets it apart from `other`, as far as both are known.
    fn unlike(&self, other: &Self) -> Option<(&'static str, &'a str, &'a str)>
    where
        Self: 'a,
    {
        let pairs = [("GPU", self.uuid, other.uuid), ("host", self.host, other.host)];
        pairs.into_iter().find_map(|(what, a, b)| match (a, b) {
            (Some(a), Some(b)) if a != b => Some((what, a, b)),
            _ => None,
        })
    }
}

/// What a reader must know of how a profile and a real side belong together.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// Remarks.
    pub notes: Vec<String>,
    /// Whether a live run is of another machine than the profile, and the case does not allow that.
    pub other_machine: bool,
}

/// Whether two sides were measured on one machine, as far as they say.
pub(super) fn same_machine(a: &Side, b: &Side) -> bool {
    machines(a).all(|a| machines(b).all(|b| a.unlike(&b).is_none()))
}

/// The machines that the runs of a side name.
fn machines(side: &Side) -> impl Iterator<Item = Machine<'_>> {
    side.runs.iter().filter_map(|run| run.meta.as_ref()).map(Machine::of_run)
}

/// Refuses runs that fitted the profile: they would judge what they made.
///
/// # Errors
/// The first such run.
pub(super) fn fit_and_gate(profile: &ProfileMeta, real: &Side) -> Result<(), GateError> {
    for (run, label) in real.runs.iter().zip(&real.labels) {
        let id = run.meta.as_ref().and_then(|meta| meta.run_id.as_ref());
        if let Some(id) = id.filter(|id| profile.run_ids.contains(id)) {
            return Err(GateError::FitAndGate { run: label.clone(), run_id: id.clone() });
        }
    }
    Ok(())
}

/// A name for the machine of `real`, where it is another than the profile's.
pub(super) fn elsewhere(profile: &ProfileMeta, real: &Side, hardware: &str) -> Option<String> {
    let of_profile = Machine::of_profile(profile);
    let other = machines(real).find(|machine| of_profile.unlike(machine).is_some())?;
    let id = other.uuid.map(|uuid| uuid.trim_start_matches("GPU-").to_owned());
    // A machine without a GPU goes by its CPU.
    let id = id.unwrap_or_else(|| sha256_hex(other.host.unwrap_or_default().as_bytes()));
    Some(format!("{hardware}-{}", id.chars().take(8).collect::<String>()))
}

/// Holds the profile of a simulator against the real side that it is judged by.
///
/// # Errors
/// Runs that fitted the profile, or a gated recording from another machine.
pub(super) fn check(
    profile: &ProfileMeta,
    real: &Side,
    case: &Case,
    live: bool,
) -> Result<Origin, GateError> {
    fit_and_gate(profile, real)?;
    let mut origin = Origin::default();
    let gated = case.is_gated();
    for (run, label) in real.runs.iter().zip(&real.labels) {
        let Some(meta) = &run.meta else { continue };
        let unlike = Machine::of_profile(profile).unlike(&Machine::of_run(meta));
        if let Some((what, of_profile, of_run)) = unlike {
            if gated && !live {
                return Err(GateError::OtherMachine {
                    run: label.clone(),
                    what,
                    of_run: of_run.to_owned(),
                    of_profile: of_profile.to_owned(),
                });
            }
            origin.other_machine |= gated && !case.any_machine;
            origin.note(format!(
                "cross-machine: the profile's {what} is {of_profile}, the real side's {of_run}"
            ));
        }
        let weights = meta.weights.as_ref().map(|weights| &weights.source);
        if let Some(source) = weights.filter(|source| **source != profile.weights) {
            let of_profile = &profile.weights;
            origin
                .note(format!("the profile's weights are {of_profile}, the real side's {source}"));
        }
    }
    Ok(origin)
}

impl Origin {
    /// Says it once.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
