//! The snapshot of a case: what is deterministic about it, small, in insta's format.

use std::cell::Cell;
use std::fs;
use std::panic;
use std::sync::Once;

use thiserror::Error;

use super::Context;
use super::discover::CaseFile;
use super::fingerprint::Fingerprints;
use super::judge::Judged;
use crate::report::{Style, Times};

/// A case whose figures are not those of its accepted snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Drift {
    /// There is no accepted snapshot yet.
    #[error(
        "no accepted snapshot {path}: look at the new one with `cargo insta review`, or take it with `cargo insta accept`"
    )]
    New {
        /// Where it belongs.
        path: String,
    },
    /// It was taken with other inputs.
    #[error(
        "the accepted snapshot {path} is stale: {}; look at the new figures with `cargo insta review`, or take them with `cargo insta accept`",
        changes.join(", ")
    )]
    Stale {
        /// Where it lies.
        path: String,
        /// What was edited, with the old and the new hash.
        changes: Vec<String>,
    },
    /// Its figures are others, though its inputs are the same.
    #[error(
        "the figures differ from the accepted snapshot {path} though no input of it was edited: simgate itself computes otherwise; look at the difference with `cargo insta review`, or take it with `cargo insta accept`"
    )]
    Changed {
        /// Where it lies.
        path: String,
    },
}

/// The text that is kept: four significant digits.
fn text(file: &CaseFile, judged: &Judged) -> String {
    let expected = if judged.case.expect_outside.is_empty() { "" } else { " (expected)" };
    format!(
        "{}: {}{expected}\n{}\n\n{}",
        file.name,
        judged.verdict().as_str(),
        judged.fingerprints,
        judged.report(&file.name).details(Times::Rounded, Style::Plain),
    )
}

/// Compares with the accepted snapshot, and leaves a pending one where insta's settings ask for it.
pub(super) fn check(file: &CaseFile, judged: &Judged, context: &Context<'_>) -> Option<Drift> {
    let path = context.baselines.join(format!("{}.snap", file.relative));
    let (folder, name) = (path.parent()?, path.file_stem()?.to_string_lossy().into_owned());
    let accepted = path.exists().then(|| fs::read_to_string(&path).unwrap_or_default());
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(folder);
    settings.set_input_file(file.path.strip_prefix(context.root).unwrap_or(&file.path));
    let text = text(file, judged);
    let matched = quietly(|| settings.bind(|| insta::assert_snapshot!(name, text)));
    if matched {
        return None;
    }
    let shown = path.strip_prefix(context.root).unwrap_or(&path).display().to_string();
    let Some(accepted) = accepted else { return Some(Drift::New { path: shown }) };
    // Behind insta's own header a line names the case; its fingerprints follow.
    let content = accepted.split_once("\n---\n").map_or("", |(_, content)| content);
    let fingerprints = content.split_once('\n').map_or("", |(_, rest)| rest);
    let changes = judged.fingerprints.changes_since(&Fingerprints::parse(fingerprints));
    Some(match changes.is_empty() {
        true => Drift::Changed { path: shown },
        false => Drift::Stale { path: shown, changes },
    })
}

thread_local! {
    /// Whether a panic on this thread is insta's way to say "differs".
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether `assertion` returned. Its panic is not printed: the case says in its own words what
/// happened.
fn quietly(assertion: impl FnOnce()) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(assertion));
    QUIET.set(false);
    result.is_ok()
}
