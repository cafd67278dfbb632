//! `summary.md`: a comparison as a page.

use super::Report;
use super::table::{Style, Times, figures_table};

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
