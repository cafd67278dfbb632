//! What becomes of cases, as tables and documents: for `check` and `report`.

use simgate::compare::{CaseVerdict, Verdict};
use simgate::gate::{Drift, Outcome};
use simgate::report::{
    CaseJson, CheckJson, DistanceJson, FigureJson, Style, overview_table, percent, signed_percent,
};

use super::UNDECIDED;

/// A row a case: its verdict, its worst figure and what most of its error comes from.
pub fn overview(outcomes: &[Outcome], style: Style) -> String {
    let rows: Vec<_> = outcomes.iter().map(overview_row).collect();
    let header = ["", "case", "verdict", "worst figure", "error", "tolerance", "culprit"];
    overview_table(&header, &rows, style)
}

fn overview_row(outcome: &Outcome) -> (Vec<String>, Option<Verdict>) {
    let passed = outcome.passed();
    let expected = outcome.judged.as_ref().is_ok_and(|j| !j.case.expect_outside.is_empty());
    let mut word = outcome.word().to_owned();
    if expected && passed {
        word.push_str(" as expected");
    }
    word.push_str(match outcome.drift {
        Some(Drift::New { .. }) => ", no snapshot",
        Some(Drift::Stale { .. }) => ", snapshot stale",
        Some(Drift::Changed { .. }) => ", snapshot differs",
        None => "",
    });
    let judged = outcome.judged.as_ref().ok();
    let distance = judged.and_then(|judged| judged.worst_distance());
    let worst = judged.and_then(|judged| judged.worst()).filter(|_| distance.is_none());
    let shown = match (worst, distance) {
        (_, Some(d)) => {
            [d.distance.to_string(), percent(d.value), d.tolerance.map(percent).unwrap_or_default()]
        }
        (Some(f), None) => [
            f.figure.to_string(),
            signed_percent(f.error()),
            f.tolerance.map(|t| percent(t.fraction())).unwrap_or_default(),
        ],
        (None, None) => Default::default(),
    };
    let mut cells = vec![if passed { "ok" } else { "RED" }.to_owned(), outcome.name.clone(), word];
    cells.extend(shown);
    cells.push(outcome.culprit.map(|part| part.as_str().to_owned()).unwrap_or_default());
    let colour = match (passed, outcome.exit_code()) {
        (true, _) => Verdict::Within,
        (false, UNDECIDED) => Verdict::Undecided,
        (false, _) => Verdict::Outside,
    };
    (cells, Some(colour))
}

/// The document of `simgate check --json`.
pub fn json(outcomes: &[Outcome]) -> CheckJson {
    let judged = || outcomes.iter().filter_map(|outcome| outcome.judged.as_ref().ok());
    CheckJson {
        device: judged().find_map(|judged| judged.device.clone()),
        commit: simgate::COMMIT,
        cases: outcomes.iter().map(case_json).collect(),
    }
}

fn case_json(outcome: &Outcome) -> CaseJson {
    let judged = outcome.judged.as_ref().ok();
    let verdict = match judged.map(|judged| judged.verdict()) {
        Some(CaseVerdict::StructureOnly) => CaseVerdict::StructureOnly.as_str(),
        _ => outcome.word(),
    };
    let figures = judged.map(|judged| &judged.comparison.figures[..]).unwrap_or_default();
    let distances = judged.map(|judged| &judged.comparison.distances[..]).unwrap_or_default();
    CaseJson {
        case: outcome.name.clone(),
        verdict: verdict.to_owned(),
        expect: judged
            .map(|judged| judged.case.expect_outside.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        passed: outcome.passed(),
        launch: judged.and_then(|judged| judged.case.engine.as_ref()).map(|engine| engine.launch),
        metrics: figures.iter().map(FigureJson::from).collect(),
        distances: distances.iter().map(DistanceJson::from).collect(),
        file: outcome.file.display().to_string(),
        line: outcome.line(),
        culprit: outcome.culprit.map(|part| part.as_str()),
        message: Some(outcome.reasons().join("\n")).filter(|message| !message.is_empty()),
    }
}
