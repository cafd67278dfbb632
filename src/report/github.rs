//! What GitHub Actions shows of a run: annotations on the lines of cases, and a summary of the job.
//! (GitHub's documentation, "Workflow commands for GitHub Actions".)

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Whether this runs in a job of GitHub Actions.
pub fn on_github() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// An error on a line of a file, as GitHub reads it from a job's output. GitHub counts the file from its checkout,
/// which `GITHUB_WORKSPACE` names; a file elsewhere is named as it is.
pub fn annotation(file: &Path, line: u64, title: &str, message: &str) -> String {
    // Either may be reached through a link.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(|path| real(Path::new(&path)));
    let whole = real(file);
    let file = workspace.as_deref().and_then(|w| whole.strip_prefix(w).ok()).unwrap_or(file);
    let (file, title) = (property(&file.display().to_string()), property(title));
    format!("::error file={file},line={line},title={title}::{}", data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Adds `markdown` to the job's summary, where there is one.
///
/// # Errors
/// A summary that cannot be written.
pub fn add_to_step_summary(markdown: &str) -> io::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(markdown.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_would_read_as_its_own_is_escaped() {
        let line = annotation(
            Path::new("cases/a,b.yaml"),
            7,
            "h200::burst",
            "ttft.p50 +9 %\n::error::fake",
        );
        assert_eq!(
            line,
            "::error file=cases/a%2Cb.yaml,line=7,title=h200%3A%3Aburst::ttft.p50 +9 %25%0A::error::fake"
        );
    }
}
