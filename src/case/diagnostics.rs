//! Faults of a case file, each with file, line, column, the source line and what would be right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_saphyr::{Error as YamlError, Location, SnippetMode, UserMessageFormatter};

/// All faults of one file.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// Bytes of the file that it is about.
    span: Range<usize>,
}

impl Diagnostics {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), problems: Vec::new() }
    }

    /// The faults, in file order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a fault at `at`.
    pub(super) fn add(
        &mut self,
        at: Location,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem {
            line: at.line().max(1),
            column: at.column().max(1),
            message: message.into(),
            help: Some(help.into()).filter(|h| !h.is_empty()),
            span: span(&self.text, at),
        };
        // An alias repeats its anchor's faults at every use.
        if self.problems.contains(&problem) {
            return;
        }
        let place =
            self.problems.partition_point(|p| (p.line, p.column) <= (problem.line, problem.column));
        self.problems.insert(place, problem);
    }

    /// Adds what the YAML library found.
    pub(super) fn add_yaml(&mut self, error: &YamlError) {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        let (message, help) = explain(error);
        self.add(at, message, help);
    }

    fn render(&self, renderer: &Renderer) -> String {
        let path = self.path.display().to_string();
        let shown = self.problems.iter().map(|problem| {
            let snippet = Snippet::source(&self.text)
                .path(&path)
                .annotation(AnnotationKind::Primary.span(problem.span.clone()));
            let mut group = Level::ERROR.primary_title(&problem.message).element(snippet);
            if let Some(help) = &problem.help {
                group = group.element(Level::HELP.message(help));
            }
            renderer.render(&[group])
        });
        shown.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

/// The bytes at a location, inside the text whatever the location says.
fn span(text: &str, at: Location) -> Range<usize> {
    let clamp = |offset: u64| {
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    // Some errors come with a line and a column only.
    let start = at.span().byte_offset().unwrap_or_else(|| byte_of(text, at));
    let end = start + at.span().byte_len().unwrap_or(0);
    let start = clamp(start);
    // A block mapping's span runs over many lines; its first line is enough to find it.
    let line = text[start..].find('\n').map_or(text.len(), |n| start + n);
    start..clamp(end).clamp(start, line.max(start))
}

fn byte_of(text: &str, at: Location) -> u64 {
    let line = text.split_inclusive('\n').take(at.line().saturating_sub(1) as usize).map(str::len);
    let start: usize = line.sum();
    let column = at.column().saturating_sub(1) as usize;
    let within = text.get(start..).unwrap_or_default().chars().take(column).map(char::len_utf8);
    (start + within.sum::<usize>()) as u64
}

/// The YAML library's message, without its advice to programmers.
fn explain(error: &YamlError) -> (String, String) {
    let list = |names: &[&str]| format!("expected one of {}", names.join(", "));
    match error {
        YamlError::AliasError { error, .. } | YamlError::WithSnippet { error, .. } => {
            explain(error)
        }
        YamlError::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), list(expected))
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown word `{variant}`"), list(expected))
        }
        YamlError::DuplicateMappingKey { key, .. } => (
            format!("duplicate key `{}`", key.as_deref().unwrap_or("?")),
            "keep one of them".to_owned(),
        ),
        YamlError::Budget { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. } => (
            "the file expands to more than a case can hold".to_owned(),
            "write the values out instead of nesting aliases".to_owned(),
        ),
        YamlError::Eof { .. } => (
            "the file ends where a case should stand".to_owned(),
            "`simgate new` writes a starter case".to_owned(),
        ),
        YamlError::Unexpected { expected: "mapping start", .. } => {
            ("expected a mapping here".to_owned(), "write `{ key: value }`".to_owned())
        }
        YamlError::Unexpected { expected: "string scalar", .. } => (
            "expected a single value here".to_owned(),
            "write one value, not a list or mapping".to_owned(),
        ),
        other => {
            let options = serde_saphyr::render_options! {
                formatter: &UserMessageFormatter,
                snippets: SnippetMode::Off,
            };
            let text = other.render_with_options(options);
            let message = text.split(" at line ").next().unwrap_or(&text);
            let help =
                "write the file as YAML; `simgate new` writes a starter case to compare with";
            (message.replace("missing field", "missing key"), help.to_owned())
        }
    }
}
