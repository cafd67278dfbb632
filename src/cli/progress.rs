//! How long work gets on: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

/// Progress on standard error.
pub struct Bar {
    bar: Option<ProgressBar>,
    /// What was last said where there is no terminal.
    said: Mutex<String>,
}

impl Bar {
    /// Nothing is shown until there is something to show.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, said: Mutex::default() }
    }

    /// `done` of `all` parts of `what`, which serves `whom`.
    pub fn show(&self, whom: &str, what: &str, done: u64, all: u64) {
        let message = format!("{whom}: {what}");
        match &self.bar {
            Some(bar) => {
                bar.set_message(message);
                bar.set_length(all);
                bar.set_position(done);
            }
            // One line for each kind of work, not for each part of it.
            None => {
                let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
                if *said != message {
                    eprintln!("{message}");
                    *said = message;
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
