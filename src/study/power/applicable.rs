//! Which faults a case can have at all: a table of faults and of properties of a case, with the reason. Nothing
//! else makes a fault not applicable; what merely goes unnoticed has survived.

use std::collections::BTreeSet;

use super::super::{Fault, ResultFault};
use crate::case::{Case, Side};
use crate::compare;
use crate::engine::EngineConfig;
use crate::predict::{Ablation, IDLE_NS};
use crate::profile::Times;
use crate::run::{RequestRecord, Run, Status};

/// What is so about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// It is a negative control.
    Control,
    /// Something else than simgate's simulator makes the sim side.
    NotSimulated,
    /// The simulator has no profile of a GPU.
    NoGpuProfile,
    /// Nothing but structure is judged.
    StructureOnly,
    /// No step follows idle time.
    NeverIdle,
    /// No request arrives before all that came before it are complete.
    OneAtATime,
    /// No step takes more than half of `chunk_tokens`.
    SmallSteps,
    /// Nine tenths of the KV blocks are more than all requests under way ever need, watermark included.
    TenthToSpare,
    /// Half of the KV blocks are.
    HalfToSpare,
    /// No request stops before its full length.
    FullLength,
    /// No request has more than one token.
    NoGaps,
    /// There is one request.
    OneRequest,
}

/// Which faults a row is about.
type Faults = fn(Fault) -> bool;

/// The table: faults, the property that makes them not applicable, and why.
const TABLE: [(Faults, Property, &str); 13] = [
    (|_| true, Property::Control, "a negative control is outside to begin with"),
    (
        |fault| !matches!(fault, Fault::NoOp | Fault::Results(_)),
        Property::NotSimulated,
        "the sim side is not simulated here: only its results can be at fault",
    ),
    (
        Fault::is_of_gpu,
        Property::NoGpuProfile,
        "the prediction is not made from a profile of a GPU: it has no such part",
    ),
    (
        |fault| fault.is_of_gpu() || fault == Fault::StaleProfile,
        Property::StructureOnly,
        "the case judges no times, and the fault changes nothing else",
    ),
    (
        |fault| {
            use ResultFault::{ArrivalShifted, DecodeShort, RequestLost};
            let Fault::Results(of_results) = fault else { return false };
            !matches!(of_results, ArrivalShifted | DecodeShort | RequestLost)
        },
        Property::StructureOnly,
        "the case judges no times, and the fault changes nothing else",
    ),
    (
        |fault| fault == Fault::Ablated(Ablation::NoIdle),
        Property::NeverIdle,
        "no step follows idle time",
    ),
    (
        |fault| fault == Fault::PolicySwapped,
        Property::OneAtATime,
        "requests are served one at a time: policies do not differ",
    ),
    (
        |fault| fault == Fault::ChunkHalved,
        Property::SmallSteps,
        "no step takes more than half of the budget",
    ),
    (
        |fault| fault == Fault::Blocks(90),
        Property::TenthToSpare,
        "all requests under way never need more than nine tenths of the blocks",
    ),
    (
        |fault| fault == Fault::Blocks(50),
        Property::HalfToSpare,
        "all requests under way never need more than half of the blocks",
    ),
    (
        |fault| fault == Fault::EarlyStopIgnored,
        Property::FullLength,
        "every request runs to its full length",
    ),
    (
        |fault| {
            use ResultFault::{DecodeShort, Gaps, TotalsCompressed, TpotByTokens};
            let Fault::Results(of_results) = fault else { return false };
            matches!(of_results, DecodeShort | Gaps(_) | TotalsCompressed | TpotByTokens)
        },
        Property::NoGaps,
        "no request has a second token",
    ),
    (
        |fault| fault == Fault::Results(ResultFault::Swapped),
        Property::OneRequest,
        "there is one request",
    ),
];

/// Why a fault changes nothing that a case with `properties` has, if so.
pub fn not_applicable(fault: Fault, properties: &BTreeSet<Property>) -> Option<&'static str> {
    let row = |(faults, property, _): &&(Faults, Property, &str)| {
        faults(fault) && properties.contains(property)
    };
    TABLE.iter().find(row).map(|(.., reason)| *reason)
}

/// The properties of a case, by what it says and by its runs as they are without a fault.
pub fn properties(
    case: &Case,
    times: Option<&Times>,
    real: &compare::Side,
    sim: &compare::Side,
) -> BTreeSet<Property> {
    let mut found = BTreeSet::new();
    let mut note = |property, so: bool| {
        if so {
            found.insert(property);
        }
    };
    note(Property::Control, !case.expect_outside.is_empty());
    note(Property::NotSimulated, !matches!(case.sim, Side::Native { .. }));
    note(Property::NoGpuProfile, !matches!(times, Some(Times::Gpu(_))));
    note(Property::StructureOnly, !case.is_gated());
    let (Some(real), Some(run)) = (real.runs.first(), sim.runs.first()) else { return found };
    let served = || run.requests.iter().filter(|request| request.status == Status::Ok);
    // What a fault changes in one seed it changes.
    let every = |so: &dyn Fn(&Run) -> bool| sim.runs.iter().all(so);
    let busy = |run: &Run| run.steps.iter().all(|step| step.idle_before_ns < IDLE_NS);
    note(Property::NeverIdle, every(&busy));
    note(Property::OneAtATime, every(&one_at_a_time));
    note(Property::NoGaps, served().all(|request| request.decode_tokens_actual < 2));
    note(Property::OneRequest, served().count() < 2);
    let full = |request: &RequestRecord| {
        request.status != Status::Ok || request.decode_tokens_actual == request.decode_tokens
    };
    note(Property::FullLength, real.requests.iter().all(full));
    if let Some(engine) = &case.engine {
        let half = engine.chunk_tokens / 2;
        let small = |run: &Run| {
            let mut tokens = run.steps.iter().map(|s| s.prefill_tokens + s.decode_sequences);
            !run.steps.is_empty() && tokens.all(|tokens| tokens <= half)
        };
        note(Property::SmallSteps, every(&small));
        let blocks = sim.runs.iter().map(|run| most_blocks(run, engine));
        let most = blocks.collect::<Option<Vec<u64>>>().and_then(|blocks| blocks.into_iter().max());
        note(Property::TenthToSpare, spare(engine, most, Fault::Blocks(90)));
        note(Property::HalfToSpare, spare(engine, most, Fault::Blocks(50)));
    }
    found
}

/// Whether no request arrives before all that came before it are complete.
fn one_at_a_time(run: &Run) -> bool {
    let mut spans: Vec<(u64, u64)> =
        run.requests.iter().map(|r| (r.arrival_ns, r.completion_ns.unwrap_or(u64::MAX))).collect();
    spans.sort_unstable();
    spans.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

/// Whether the blocks that a fault leaves are enough for `most`, with those that admission keeps free.
fn spare(engine: &EngineConfig, most: Option<u64>, fault: Fault) -> bool {
    let (Some(left), Some(most)) = (fault.scheduler(engine).kv_blocks, most) else { return false };
    most + u64::from(engine.watermark(left)) <= u64::from(left)
}

/// The most KV blocks that requests under way could hold at once, each counted with those of its whole life from
/// its first step to its last; `None` where nothing is known of steps.
fn most_blocks(run: &Run, engine: &EngineConfig) -> Option<u64> {
    // +blocks when a request begins, -blocks when it is done; at one time the latter go first.
    let mut changes = Vec::new();
    for (request, begun) in run.requests.iter().zip(run.first_steps_ns()?) {
        let (Some(begun), Some(done)) = (begun, request.completion_ns) else { continue };
        let blocks =
            i64::from(engine.blocks_of_request(request.prefill_tokens, request.decode_tokens));
        changes.extend([(begun, blocks), (done, -blocks)]);
    }
    if changes.is_empty() {
        return None;
    }
    changes.sort_unstable();
    let mut held = 0;
    let held = changes.iter().map(|(_, change)| {
        held += change;
        held
    });
    held.max().and_then(|most| u64::try_from(most).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_excused_by_its_own_property_only() {
        let with = |properties: &[Property]| properties.iter().copied().collect();
        let idle = Fault::Ablated(Ablation::NoIdle);
        assert_eq!(not_applicable(idle, &with(&[])), None);
        assert!(not_applicable(idle, &with(&[Property::NeverIdle])).is_some());
        assert_eq!(not_applicable(Fault::Gpu(110), &with(&[Property::NeverIdle])), None);
        // What is wrong with results concerns every case.
        let short = Fault::Results(ResultFault::DecodeShort);
        let all = with(&[Property::NotSimulated, Property::StructureOnly, Property::NoGpuProfile]);
        assert_eq!(not_applicable(short, &all), None);
        assert_eq!(not_applicable(Fault::NoOp, &all), None);
    }

    #[test]
    fn every_row_of_the_table_excuses_some_fault_and_not_all() {
        for (faults, property, reason) in TABLE {
            let excused = Fault::all().filter(|(fault, _)| faults(*fault)).count();
            let all = Fault::all().count();
            assert!(excused > 0 && (excused == all) == (property == Property::Control), "{reason}");
        }
    }
}
