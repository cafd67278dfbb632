//! `summary.md`: a comparison as a page.

use super::Report;
use super::table::{Style, Times, figures_table};

/// The page.
pub(super) fn summary(report: &Report<'_>) -> String {
    let comparison = report.comparison;
    let mut page = format!(
        "# {}\n\n**{}**: {}.\n\n{}\n",
        report.title,
        comparison.verdict().as_str(),
        report.basis(),
        figures_table(comparison, Times::Rounded, Style::Markdown),
    );
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
