//! What `simgate capacity` prints and writes.

use std::path::Path;

use anyhow::{Context as _, Error};
use simgate::files::{FileError, NewDir, write_inside};
use simgate::report::{ParetoPoint, Style, overview_table, pareto, significant};
use simgate::study::capacity::{Front, Outcome, Results, Row, fronts};

use super::super::say;

/// The file that makes a directory one of a capacity search.
const MARKER: &str = "capacity.csv";

/// Prints every row, and what is to be said beside them.
pub fn print(results: &Results) {
    say!("{}", table(results, &marks(results), Style::of_stdout()));
    remarks(results).iter().for_each(|remark| say!("- {remark}"));
}

/// Begins a directory of a capacity search.
pub fn begin(dir: &Path) -> Result<NewDir, FileError> {
    NewDir::create(dir, MARKER)
}

/// Writes `capacity.csv`, `pareto.svg` and `summary.md`, all or none.
pub fn write(results: &Results, new: NewDir) -> anyhow::Result<()> {
    let marks = marks(results);
    results.table().write(&new.path().join(MARKER))?;
    let svg = picture(results, &marks).map_err(Error::msg).context("cannot draw pareto.svg")?;
    write_inside(&new.path().join("pareto.svg"), svg.as_bytes())?;
    write_inside(&new.path().join("summary.md"), summary(results, &marks).as_bytes())?;
    Ok(new.commit()?)
}

fn marks(results: &Results) -> Vec<Front> {
    fronts(&results.rows, &results.slos)
}

fn table(results: &Results, marks: &[Front], style: Style) -> String {
    let targets: Vec<String> = results.slos.iter().map(ToString::to_string).collect();
    let mut header = vec!["settings", "GPUs", "requests/s", "per GPU", "tokens/s"];
    header.extend(targets.iter().map(String::as_str));
    header.extend(["rates tried", "outcome", "front"]);
    let rows =
        results.rows.iter().zip(marks).map(|(row, front)| (cells(results, row, *front), None));
    overview_table(&header, &rows.collect::<Vec<_>>(), style)
}

fn cells(results: &Results, row: &Row, front: Front) -> Vec<String> {
    let mut cells = vec![row.label.clone(), row.gpus.to_string()];
    match &row.found {
        Some(found) => {
            let rate = [found.rate_per_s, row.per_gpu(found.rate_per_s), found.output_tokens_per_s];
            cells.extend(rate.map(significant));
            cells.extend(found.figures_ms.iter().map(|ms| format!("{} ms", significant(*ms))));
            cells.push(found.simulations.to_string());
        }
        None => cells.extend(std::iter::repeat_n("-".to_owned(), 4 + results.slos.iter().len())),
    }
    cells.extend([row.outcome().to_owned(), front.names()]);
    cells
}

/// What the table does not say.
fn remarks(results: &Results) -> Vec<String> {
    let ended = |outcome| {
        let is = |row: &&Row| row.found.as_ref().is_some_and(|found| found.outcome == outcome);
        results.rows.iter().any(|row| is(&row))
    };
    let mut remarks = Vec::new();
    if ended(Outcome::Unbounded) {
        remarks.push("unbounded: the targets hold at every rate tried, of which the highest is shown: this many requests (--requests) never fill a queue; on no front and not in the picture".to_owned());
    }
    if ended(Outcome::Never) {
        remarks.push(
            "never: the targets hold at no rate tried, of which the lowest is shown".to_owned(),
        );
    }
    let told = results.rows.iter().filter(|row| !row.error.is_empty());
    remarks.extend(told.map(|row| format!("{}: {}", row.label, row.error)));
    remarks
}

fn picture(results: &Results, marks: &[Front]) -> Result<String, String> {
    let point = |(row, front): (&Row, &Front)| {
        let rate_per_s = row.capacity()?.rate_per_s;
        Some(ParetoPoint {
            gpus: row.gpus,
            rate_per_s,
            label: row.label.clone(),
            front: front.gpus,
        })
    };
    let points: Vec<ParetoPoint> = results.rows.iter().zip(marks).filter_map(point).collect();
    pareto(["Capacity", &format!("where {}", results.slos)], &points)
}

fn summary(results: &Results, marks: &[Front]) -> String {
    let mut page = format!(
        "# Capacity\n\nThe highest rate at which {}.\n\n{}\n",
        results.slos,
        table(results, marks, Style::Markdown)
    );
    let remarks = remarks(results);
    if !remarks.is_empty() {
        page.push_str("\n## Remarks\n\n");
        remarks.iter().for_each(|remark| page.push_str(&format!("- {remark}\n")));
    }
    page.push_str("\n![Requests/s that meet the targets, against GPUs](pareto.svg)\n");
    page
}
