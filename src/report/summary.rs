//! `summary.md`: a comparison as a page.

use super::Report;
use super::table::{Style, Times, distances_table, figures_table};

/// The page.
pub(super) fn summary(report: &Report<'_>) -> String {
    let comparison = report.comparison;
    let mut page = format!(
        "# {}\n\n**{}**: {}.\n\n{}\n",
        report.title,
        report.verdict.as_str(),
        super::basis(comparison),
        figures_table(comparison, Times::Rounded, Style::Markdown),
    );
    if !comparison.distances.is_empty() {
        let all: Vec<_> = comparison.distances.iter().collect();
        let table = distances_table(&all, Style::Markdown);
        page.push_str(&format!("\n## Distances\n\n{table}\n"));
    }
    for (title, comparison) in &report.beside {
        let table = figures_table(comparison, Times::Rounded, Style::Markdown);
        page.push_str(&format!("\n## {title}\n\n{}.\n\n{table}\n", super::basis(comparison)));
    }
    let remarks = report.remarks();
    if !remarks.is_empty() {
        page.push_str("\n## Remarks\n\n");
        remarks.iter().for_each(|remark| page.push_str(&format!("- {remark}\n")));
    }
    page.push_str("\n## Curves\n\n");
    for metric in super::cdf::drawn(comparison) {
        let name = metric.as_str();
        page.push_str(&format!("![{} of both sides](figs/{name}_cdf.svg)\n", metric.title()));
    }
    page
}
