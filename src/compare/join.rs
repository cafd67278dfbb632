//! Joins the runs of both sides request by request: the same requests everywhere, or an error; the
//! same statuses and token counts, or a finding.

use super::error::CompareError;
use super::side::Side;
use crate::run::{Run, Status, sorted_plans};

/// Requests on which the runs disagree. Any makes a case outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structure {
    /// Requests whose status differs between sides or repeats.
    pub status: Vec<u64>,
    /// Requests whose number of tokens differs between sides or repeats.
    pub tokens: Vec<u64>,
    /// Where two runs that must take the same steps part ways.
    pub plan: Option<String>,
}

impl Structure {
    /// Whether all runs agree.
    pub fn agrees(&self) -> bool {
        self.status.is_empty() && self.tokens.is_empty() && self.plan.is_none()
    }
}

/// A request that takes part in the percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    /// Its place in every run's `requests`.
    pub index: usize,
    /// Its tokens on the real side, where the sim's are cut to them.
    pub cut: Option<u32>,
}

/// Joins the sides. Requests that are not `ok` in every run take no part.
pub(super) fn join(
    real: &Side,
    sim: &Side,
    ignore_eos: Option<bool>,
) -> Result<(Vec<Joined>, Structure), CompareError> {
    let reference = real.runs.first().ok_or(CompareError::NoRuns { side: "real" })?;
    if sim.runs.is_empty() {
        return Err(CompareError::NoRuns { side: "sim" });
    }
    for (label, run) in real.labelled().skip(1).chain(sim.labelled()) {
        same_requests(&real.labels[0], reference, label, run)?;
    }
    let mut structure = Structure::default();
    let mut joined = Vec::with_capacity(reference.requests.len());
    for (index, request) in reference.requests.iter().enumerate() {
        let all = || real.runs.iter().chain(&sim.runs).map(|run| &run.requests[index]);
        if all().any(|r| r.status != request.status) {
            structure.status.push(request.request_id);
            continue;
        }
        if request.status != Status::Ok {
            continue;
        }
        let count = request.decode_tokens_actual;
        let asked = request.decode_tokens;
        // More tokens than asked for, or fewer where nothing may stop a request, are wrong even when
        // every run agrees.
        if count > asked || (ignore_eos == Some(true) && count != asked) {
            structure.tokens.push(request.request_id);
            continue;
        }
        let mut cut = None;
        if all().any(|r| r.decode_tokens_actual != count) {
            // Only an end of text explains fewer tokens than asked for, and only on the real side.
            let stopped_early = ignore_eos != Some(true)
                && count < request.decode_tokens
                && real.runs.iter().all(|run| run.requests[index].decode_tokens_actual == count)
                && sim.runs.iter().all(|run| run.requests[index].decode_tokens_actual >= count);
            if !stopped_early {
                structure.tokens.push(request.request_id);
                continue;
            }
            cuttable(sim, index, count)?;
            cut = Some(count);
        }
        joined.push(Joined { index, cut });
    }
    if joined.is_empty() && structure.agrees() {
        return Err(CompareError::NothingOk);
    }
    Ok((joined, structure))
}

/// Where the steps of any run differ from those of the first real one. Runs of which only percentiles
/// are kept take no part.
pub(super) fn plan_difference(real: &Side, sim: &Side) -> Option<String> {
    let mut whole = real.labelled().chain(sim.labelled()).filter(|(_, run)| run.gaps.is_none());
    let (first_label, first) = whole.next()?;
    let first = sorted_plans(&first.plans);
    whole.find_map(|(label, run)| {
        let plans = sorted_plans(&run.plans);
        let differing = first.iter().zip(&plans).find(|(a, b)| a != b).map(|(a, _)| a.step);
        let ends = || first.iter().zip(&plans).next_back().map_or(0, |(a, _)| a.step);
        let step = differing.or_else(|| (first.len() != plans.len()).then(ends));
        step.map(|step| format!("the plans of {first_label} and {label} differ at step {step}"))
    })
}

fn same_requests(
    left_run: &str,
    left: &Run,
    right_run: &str,
    right: &Run,
) -> Result<(), CompareError> {
    let missing = |from: &Run, of: &Run| -> Vec<u64> {
        let ids = of.requests.iter().map(|r| r.request_id);
        ids.filter(|id| from.requests.binary_search_by_key(id, |r| r.request_id).is_err()).collect()
    };
    for (present_run, present, absent_run, absent) in
        [(left_run, left, right_run, right), (right_run, right, left_run, left)]
    {
        let ids = missing(absent, present);
        if !ids.is_empty() {
            return Err(CompareError::OneSided {
                ids,
                present: present_run.to_owned(),
                absent: absent_run.to_owned(),
            });
        }
    }
    for (l, r) in left.requests.iter().zip(&right.requests) {
        for (column, left, right) in [
            ("arrival_time_ns", l.arrival_ns, r.arrival_ns),
            ("num_prefill_tokens", u64::from(l.prefill_tokens), u64::from(r.prefill_tokens)),
            ("num_decode_tokens", u64::from(l.decode_tokens), u64::from(r.decode_tokens)),
        ] {
            if left != right {
                return Err(CompareError::Workload {
                    request_id: l.request_id,
                    column,
                    left_run: left_run.to_owned(),
                    left,
                    right_run: right_run.to_owned(),
                    right,
                });
            }
        }
    }
    Ok(())
}

/// Cutting a request takes the time of its last counted token.
fn cuttable(sim: &Side, index: usize, count: u32) -> Result<(), CompareError> {
    for (label, run) in sim.labelled() {
        let times = run.tokens.as_ref().map_or(0, |tokens| tokens.of(index).len());
        let request = &run.requests[index];
        if request.decode_tokens_actual > count && times < count as usize {
            return Err(CompareError::CannotCut {
                request_id: request.request_id,
                real: count,
                sim: request.decode_tokens_actual,
                run: label.to_owned(),
            });
        }
    }
    Ok(())
}
