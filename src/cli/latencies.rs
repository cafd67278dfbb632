//! A run's latencies as a table: of all requests, and of each replica.

use simgate::compare::{Figure, Metric, RunFigures};
use simgate::engine::replica_name;
use simgate::report::{Style, duration, overview_table, significant};
use simgate::run::Run;

/// A row for the whole run, and one for each of several replicas.
pub fn table(run: &Run, replicas: u32) -> String {
    let mut rows = vec![row("all".to_owned(), &RunFigures::of(run), run.requests.len())];
    if replicas > 1 {
        for name in (0..replicas as usize).map(replica_name) {
            let served = |backend: Option<&str>| backend == Some(&name);
            let figures = RunFigures::among(run, |request| served(request.backend.as_deref()));
            let count = run.requests.iter().filter(|r| served(r.backend.as_deref())).count();
            rows.push(row(name.clone(), &figures, count));
        }
    }
    let figures = Metric::ALL.into_iter().flat_map(Figure::of).map(|figure| figure.to_string());
    let header: Vec<String> = ["".to_owned(), "requests".to_owned(), "not ok".to_owned()]
        .into_iter()
        .chain(figures)
        .chain(["tokens/s".to_owned()])
        .collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    overview_table(&header, &rows, Style::of_stdout())
}

fn row(
    name: String,
    figures: &RunFigures,
    requests: usize,
) -> (Vec<String>, Option<simgate::compare::Verdict>) {
    let value = |figure: Figure| figures.ns.get(&figure).map_or("-".to_owned(), |&ns| duration(ns));
    let values = Metric::ALL.into_iter().flat_map(Figure::of).map(value);
    let counts = [name, requests.to_string(), figures.not_ok.to_string()];
    let rate = significant(figures.output_tokens_per_s);
    (counts.into_iter().chain(values).chain([rate]).collect(), None)
}
