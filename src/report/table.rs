//! Tables of text: for the terminal, and as Markdown.

use comfy_table::{CellAlignment, Table, presets};
use owo_colors::{OwoColorize as _, Stream};

use super::number::{duration, exact, interval, percent, signed_percent};
use crate::compare::{Comparison, DistanceResult, FigureResult, Verdict};

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For a terminal, in colour.
    Coloured,
    /// For a terminal, a log or a snapshot.
    Plain,
    /// For `summary.md`.
    Markdown,
}

impl Style {
    /// For standard output: coloured on a terminal, or where `CLICOLOR_FORCE` asks for it.
    pub fn of_stdout() -> Self {
        // owo-colors tells about a stream only by painting for it.
        let painted = "x".if_supports_color(Stream::Stdout, |text| text.red()).to_string();
        if painted == "x" { Self::Plain } else { Self::Coloured }
    }

    /// `text` in the colour of a verdict.
    pub fn paint(self, text: &str, verdict: Verdict) -> String {
        match (self, verdict) {
            (Self::Coloured, Verdict::Within) => text.green().to_string(),
            (Self::Coloured, Verdict::Undecided) => text.yellow().to_string(),
            (Self::Coloured, Verdict::Outside) => text.red().to_string(),
            (Self::Plain | Self::Markdown, _) => text.to_owned(),
        }
    }

    /// Draws a table; each row takes the colour of its verdict. Colour comes after layout, so that
    /// its escape codes take no room.
    fn draw(self, table: &Table, verdicts: impl Iterator<Item = Option<Verdict>>) -> String {
        let heading = if self == Self::Markdown { 2 } else { 1 };
        let verdicts = std::iter::repeat_n(None, heading).chain(verdicts);
        let lines = table.lines().zip(verdicts).map(|(line, verdict)| {
            // Trailing blanks would dirty snapshots.
            let line = line.trim_end();
            verdict.map_or_else(|| line.to_owned(), |verdict| self.paint(line, verdict))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Four significant digits with a unit that suits them.
    Rounded,
    /// Nanoseconds to the hundredth.
    Exact,
}

impl Times {
    fn write(self, ns: f64) -> String {
        match self {
            Self::Rounded => duration(ns),
            Self::Exact => format!("{} ns", exact(ns)),
        }
    }
}

/// All figures of a comparison, a row each.
pub(super) fn figures_table(comparison: &Comparison, times: Times, style: Style) -> String {
    let mut table = new_table(style);
    let amplified = comparison.figures.iter().any(|f| f.kappa.is_some());
    let mut header = vec!["figure", "real", "sim", "error", "interval", "noise", "tolerance"];
    header.extend(amplified.then_some("kappa"));
    header.extend(["n", "K", "M", "verdict", "remark"]);
    table.set_header(&header);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for figure in &comparison.figures {
        let mut row = vec![
            figure.figure.to_string(),
            times.write(figure.real_ns),
            times.write(figure.sim_ns),
            signed_percent(figure.error()),
            or_dash(figure.interval().map(interval)),
            or_dash(figure.noise.map(|h0| percent(h0.exp_m1()))),
            or_dash(figure.tolerance.map(|t| percent(t.fraction()))),
        ];
        row.extend(amplified.then(|| or_dash(figure.kappa.map(|kappa| format!("{kappa:.2}")))));
        row.extend([figure.n, figure.real.units, figure.sim.units].map(|n| n.to_string()));
        row.push(figure.verdict.map_or("-", Verdict::as_str).to_owned());
        row.push(remark(figure));
        table.add_row(row);
    }
    let numbers = header.len() - 3;
    for column in table.column_iter_mut().skip(1).take(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    style.draw(&table, comparison.figures.iter().map(|f| f.verdict))
}

/// Distances of a comparison, a row each.
pub(super) fn distances_table(distances: &[&DistanceResult], style: Style) -> String {
    let or_dash = |fraction: Option<f64>| fraction.map_or_else(|| "-".to_owned(), percent);
    let row = |d: &&DistanceResult| {
        let time = d.ns.map(|ns| format!(" ({})", duration(ns))).unwrap_or_default();
        let cells = vec![
            d.distance.to_string(),
            format!("{}{time}", percent(d.value)),
            or_dash(d.high),
            or_dash(d.band),
            or_dash(d.tolerance),
            d.verdict.map_or("-", Verdict::as_str).to_owned(),
        ];
        (cells, d.verdict)
    };
    let rows: Vec<_> = distances.iter().map(row).collect();
    let header = ["distance", "real to sim", "at most", "real to real", "tolerance", "verdict"];
    overview_table(&header, &rows, style)
}

fn remark(figure: &FigureResult) -> String {
    figure.marks.iter().map(|mark| mark.as_str()).collect::<Vec<_>>().join(", ")
}

/// A table of cases: the heading and the rows, each in the colour of its verdict.
pub fn overview_table(
    header: &[&str],
    rows: &[(Vec<String>, Option<Verdict>)],
    style: Style,
) -> String {
    let mut table = new_table(style);
    table.set_header(header);
    rows.iter().for_each(|(cells, _)| {
        table.add_row(cells);
    });
    style.draw(&table, rows.iter().map(|(_, verdict)| *verdict))
}

fn new_table(style: Style) -> Table {
    let mut table = Table::new();
    table.load_style(match style {
        Style::Markdown => presets::ASCII_MARKDOWN,
        Style::Coloured | Style::Plain => presets::NOTHING,
    });
    table
}
