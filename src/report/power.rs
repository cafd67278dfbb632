//! The power of a gate for people and programs: the matrix of faults and cases, rates of false alarms, and the
//! smallest detectable shifts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::{Style, overview_table};
use crate::compare::{CasePower, FalseAlarms, FaultOutcome, Injected, Shift, Verdict};
use crate::stats::at_most;

/// A case's row in a table of rates, or a fault's in the matrix.
type Row = (Vec<String>, Option<Verdict>);

/// Faults down, cases across: `X` outside, `R` refused, `?` undecided, `.` survived, blank not applicable, each
/// with the shift of the figure that it moves most, in percent. Cases go by numbers; the names follow.
pub fn power_matrix(cases: &[CasePower], style: Style) -> String {
    let mut header = vec!["fault".to_owned()];
    header.extend((1..=cases.len()).map(|number| number.to_string()));
    header.push("refused by".to_owned());
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let faults = cases.first().map_or(0, |case| case.faults.len());
    let rows: Vec<Row> = (0..faults).map(|place| (fault_row(cases, place), None)).collect();
    let mut text = overview_table(&header, &rows, style);
    text.push_str(
        "\n\nX outside  R refused  ? undecided  . survived  (blank) not applicable; shift in %\n",
    );
    for (number, case) in cases.iter().enumerate() {
        let control = if case.control { " (control)" } else { "" };
        text.push_str(&format!("{:3} {}{control}\n", number + 1, case.case));
    }
    text
}

fn fault_row(cases: &[CasePower], place: usize) -> Vec<String> {
    let mut row = vec![cases[0].faults[place].fault.to_owned()];
    row.extend(cases.iter().map(|case| cell(&case.faults[place])));
    let mut checks: Vec<&str> = cases
        .iter()
        .filter_map(|case| match &case.faults[place].outcome {
            FaultOutcome::Refused { check, .. } => Some(*check),
            _ => None,
        })
        .collect();
    checks.sort_unstable();
    checks.dedup();
    row.push(checks.join(", "));
    row
}

fn cell(injected: &Injected) -> String {
    let letter = match injected.outcome {
        FaultOutcome::Outside => "X",
        FaultOutcome::Refused { .. } => "R",
        FaultOutcome::Undecided => "?",
        FaultOutcome::Survived => ".",
        FaultOutcome::NotApplicable { .. } => return String::new(),
    };
    let shift = injected.shift.map(|shift| match shift.fraction * 100.0 {
        percent if percent > 999.0 => " >999".to_owned(),
        percent => format!(" {percent:+.1}"),
    });
    format!("{letter}{}", shift.unwrap_or_default())
}

/// How often each case is red or undecided for nothing, and the smallest shift that it detects.
pub fn power_rates(cases: &[CasePower], style: Style) -> String {
    let header = [
        "case",
        "red processes",
        "at most",
        "red at 0",
        "at T/2",
        "undecided at 0",
        "at T/2",
        "smallest detectable shift",
    ];
    let mut rows: Vec<Row> = Vec::new();
    let (mut trials, mut alarms) = (0, 0);
    for case in cases {
        let Some(f) = &case.false_alarms else { continue };
        trials += f.trials;
        alarms += f.alarms;
        let shifts: Vec<String> = (case.min_detectable.iter())
            .map(|(figure, shift)| format!("{figure} {}", share(*shift)))
            .collect();
        let mut row = vec![case.case.clone(), format!("{} of {}", f.alarms, f.trials)];
        row.push(share(f.at_most));
        row.extend([f.outside[0], f.outside[1], f.undecided[0], f.undecided[1]].map(share));
        row.push(shifts.join(", "));
        rows.push((row, None));
    }
    let mut pooled = vec!["all".to_owned(), format!("{alarms} of {trials}")];
    pooled.push(share(at_most(alarms, trials)));
    pooled.resize(header.len(), String::new());
    rows.push((pooled, None));
    overview_table(&header, &rows, style)
}

/// Every fault that is applicable and not killed, with what it shifts and what the case could have seen.
pub fn not_killed(cases: &[CasePower], style: Style) -> String {
    let header = ["case", "fault", "outcome", "largest shift", "detectable", "missed"];
    let mut rows: Vec<Row> = Vec::new();
    for case in cases.iter().filter(|case| !case.control) {
        for injected in &case.faults {
            let harmless = injected.fault == CasePower::NO_OP || injected.outcome.kills();
            if harmless || matches!(injected.outcome, FaultOutcome::NotApplicable { .. }) {
                continue;
            }
            let shift = injected.shift;
            let least = shift.and_then(|shift| case.min_detectable.get(&shift.figure));
            let told = shift.map(|s| format!("{} {:+.2} %", s.figure, s.fraction * 100.0));
            rows.push((
                vec![
                    case.case.clone(),
                    injected.fault.to_owned(),
                    injected.outcome.as_str().to_owned(),
                    told.unwrap_or_else(|| "no times judged".to_owned()),
                    least.map(|least| share(*least)).unwrap_or_default(),
                    if injected.detectable { "yes" } else { "" }.to_owned(),
                ],
                None,
            ));
        }
    }
    overview_table(&header, &rows, style)
}

/// The faults that no case kills, each with the largest shift that it makes anywhere.
pub fn killed_by_none(cases: &[CasePower]) -> String {
    let mut told = Vec::new();
    for place in 0..cases.first().map_or(0, |case| case.faults.len()) {
        let of_fault = || cases.iter().map(|case| (&case.case, &case.faults[place]));
        let name = cases[0].faults[place].fault;
        if name == CasePower::NO_OP || of_fault().any(|(_, injected)| injected.outcome.kills()) {
            continue;
        }
        let shifts = of_fault().filter_map(|(case, injected)| Some((case, injected.shift?)));
        let size = |shift: &Shift| shift.fraction.abs();
        let largest = shifts.max_by(|a, b| size(&a.1).total_cmp(&size(&b.1)));
        told.push(match largest {
            Some((case, s)) => {
                format!("{name} (at most {} {:+.2} %, {case})", s.figure, s.fraction * 100.0)
            }
            None => format!("{name} (applicable in none)"),
        });
    }
    if told.is_empty() { "none of the faults".to_owned() } else { told.join(", ") }
}

/// Percent to the hundredth.
fn share(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", fraction * 100.0) } else { "none".to_owned() }
}

/// `simgate power --json`.
#[derive(Debug, Clone, Serialize)]
pub struct PowerJson {
    /// The commit that simgate was built from, where it is known.
    pub commit: Option<&'static str>,
    /// Every fault, in the order of each case's list.
    pub faults: Vec<&'static str>,
    /// Every case, by name.
    pub cases: Vec<CasePowerJson>,
}

/// One case of `simgate power --json`.
#[derive(Debug, Clone, Serialize)]
pub struct CasePowerJson {
    case: String,
    /// Whether it is a negative control.
    control: bool,
    faults: Vec<InjectedJson>,
    /// `null` where nothing is gated, or too few processes were recorded to tell.
    false_alarms: Option<FalseAlarmsJson>,
    /// Smallest detectable shift by figure; `null` where none is.
    min_detectable_pct: BTreeMap<String, Option<f64>>,
}

#[derive(Debug, Clone, Serialize)]
struct InjectedJson {
    fault: &'static str,
    outcome: &'static str,
    /// The gated figure that the fault moves most.
    metric: Option<&'static str>,
    percentile: Option<&'static str>,
    shift_pct: Option<f64>,
    /// The check that refused, or why the fault is not applicable.
    reason: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct FalseAlarmsJson {
    trials: usize,
    alarms: usize,
    upper95_pct: f64,
    model_outside_pct: AtJson,
    model_undecided_pct: AtJson,
}

#[derive(Debug, Clone, Serialize)]
struct AtJson {
    at_zero: f64,
    at_half: f64,
}

impl PowerJson {
    /// The document of `cases`.
    pub fn new(cases: &[CasePower], commit: Option<&'static str>) -> Self {
        let faults = cases.first().map(|case| case.faults.iter().map(|f| f.fault).collect());
        let faults = faults.unwrap_or_default();
        Self { commit, faults, cases: cases.iter().map(CasePowerJson::from).collect() }
    }
}

impl From<&CasePower> for CasePowerJson {
    fn from(case: &CasePower) -> Self {
        let percent = |shift: f64| Some(shift * 100.0).filter(|shift| shift.is_finite());
        let smallest = case.min_detectable.iter();
        Self {
            case: case.case.clone(),
            control: case.control,
            faults: case.faults.iter().map(InjectedJson::from).collect(),
            false_alarms: case.false_alarms.as_ref().map(FalseAlarmsJson::from),
            min_detectable_pct: smallest.map(|(f, s)| (f.to_string(), percent(*s))).collect(),
        }
    }
}

impl From<&Injected> for InjectedJson {
    fn from(injected: &Injected) -> Self {
        let shift = injected.shift.as_ref();
        Self {
            fault: injected.fault,
            outcome: injected.outcome.as_str(),
            metric: shift.map(|shift| shift.figure.metric.as_str()),
            percentile: shift.map(|shift| shift.figure.percentile.as_str()),
            shift_pct: shift.map(|shift| shift.fraction * 100.0),
            reason: match &injected.outcome {
                FaultOutcome::Refused { check, message } => Some(format!("{check}: {message}")),
                FaultOutcome::NotApplicable { reason } => Some((*reason).to_owned()),
                _ => None,
            },
        }
    }
}

impl From<&FalseAlarms> for FalseAlarmsJson {
    fn from(f: &FalseAlarms) -> Self {
        let at = |[zero, half]: [f64; 2]| AtJson { at_zero: zero * 100.0, at_half: half * 100.0 };
        Self {
            trials: f.trials,
            alarms: f.alarms,
            upper95_pct: f.at_most * 100.0,
            model_outside_pct: at(f.outside),
            model_undecided_pct: at(f.undecided),
        }
    }
}
