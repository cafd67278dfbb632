//! What is said about a faulty case file: place, source line, and what would be right.

mod support;

use std::path::Path;

use simgate::case::{Case, CaseError, Diagnostics, schema};
use support::root;

const SIDES: &str = "workload: { dir: w }\n\
    real: { recorded: { runs: [a], boundary: engine } }\n\
    sim: { recorded: { runs: [b], boundary: engine } }\n";

const ENGINE: &str = "model: m\nhardware: h100\n\
    workload: { dir: w }\nreal: candle\nsim: { native: { profile: h100/m } }\n";

fn parse(text: &str) -> Result<Case, String> {
    Case::parse(Path::new("cases/x.yaml"), text).map_err(|error| error.to_string())
}

fn diagnostics(text: &str) -> Diagnostics {
    match Case::parse(Path::new("cases/x.yaml"), text) {
        Err(CaseError::Invalid(diagnostics)) => *diagnostics,
        other => panic!("expected diagnostics, got {other:?}"),
    }
}

/// The only fault of `text`, as `line:column: message; help`.
fn fault(text: &str) -> String {
    let diagnostics = diagnostics(text);
    let [problem] = diagnostics.problems() else { panic!("expected one fault:\n{diagnostics}") };
    let help = problem.help.as_deref().unwrap_or_default();
    format!("{}:{}: {}; {help}", problem.line, problem.column, problem.message)
}

#[test]
fn a_fault_shows_file_line_column_source_and_remedy() {
    let text = format!("{SIDES}tolerance: {{ ttft: {{ p50: 5 }} }}\n");
    let expected = "\
error: `5` cannot be read here
 --> cases/x.yaml:4:27
  |
4 | tolerance: { ttft: { p50: 5 } }
  |                           ^
  |
  = help: write 5% or 0.5%";
    assert_eq!(parse(&text).unwrap_err(), expected);
}

#[test]
fn all_unit_mistakes_of_a_file_are_reported_at_once() {
    let text = format!(
        "{SIDES}tolerance: {{ ttft: {{ p50: 5, p90: -3%, p99: .inf }}, tbt: {{ p50: 0% }} }}\n"
    );
    let found: Vec<(u64, u64)> =
        diagnostics(&text).problems().iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(found, [(4, 27), (4, 35), (4, 45), (4, 65)]);
}

#[test]
fn faults_of_form_are_named() {
    for (more, expected) in [
        ("tolerence: 3\n", "4:1: unknown key `tolerence`; expected one of model, hardware"),
        ("model: a\nmodel: b\n", "5:1: duplicate key `model`; keep one of them"),
        (
            "tolerance: { ttfx: { p50: 5% } }\n",
            "4:14: unknown key `ttfx`; expected one of ttft, tbt, tpot, e2e",
        ),
        ("tolerance: { ttft: 5% }\n", "4:20: expected a mapping here; write `{ key: value }`"),
        ("tolerance: { ttft: { p50: [5%] } }\n", "4:27: expected a single value here; "),
        (
            "tolerance: { ttft: { p50: 100% } }\n",
            "4:27: `100%` is no tolerance; it lies above 0% and below 100%",
        ),
        ("tolerance: { ttft: {} }\n", "4:12: a tolerance that gates no figure; name a percentile"),
        (
            "expect: { outside: [ttft.p50] }\n",
            "4:21: ttft.p50 has no tolerance; give ttft.p50 a tolerance",
        ),
        ("expect: { outside: [] }\n", "4:20: `outside` names no figure; name the figures"),
        ("machine: some\n", "4:10: unknown word `some`; expected one of any"),
        ("allow_boundary_mismatch: \"\"\n", "4:26: `allow_boundary_mismatch` is empty; name it"),
        ("baseline: none\n", "4:11: `baseline: none` on a case whose real side is recorded; leave"),
    ] {
        let found = fault(&format!("{SIDES}{more}"));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_file_without_content_or_without_a_side_is_refused() {
    assert_eq!(fault(" \n"), "1:1: the file is empty; `simgate new` writes a starter case");
    assert!(fault("workload: { dir: w }\nreal: candle\n").contains("missing key `sim`"));
}

#[test]
fn an_alias_bomb_ends_at_once() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let before = format!("*a{}", i - 1);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    let started = std::time::Instant::now();
    assert!(fault(&bomb).contains("unknown key `a0`"));
    assert!(started.elapsed().as_secs() < 2);
}

#[test]
fn engine_faults_and_impossible_combinations_are_named() {
    let engine = |fields: &str| {
        format!(
            "{ENGINE}engine: {{ policy: sarathi, chunk_tokens: 512, max_sequences: 8, kv_block_tokens: 16{fields} }}\n"
        )
    };
    assert!(parse(&engine("")).is_ok());
    for (text, expected) in [
        (ENGINE.to_owned(), "a `candle` side needs `engine`"),
        (engine("").replace("512", "0"), "`chunk_tokens` is 0"),
        (engine("").replace("512", "0x200"), "`0x200` cannot be read here"),
        (engine("").replace("512", "\"512\""), "`512` cannot be read here"),
        (engine("").replace("512", "4294967296"), "`4294967296` cannot be read here"),
        (engine("").replace("sarathi", "fifo"), "unknown word `fifo`"),
        (engine("").replace("h100/m", "h100"), "`h100` names no profile"),
        (engine("").replace("h100/m", "here"), "`profile: here` on a case that is not live-only"),
        (engine("").replace("h100/m }", "h100/m, seeds: 2 }"), "`seeds` is 2"),
        (engine("") + "tolerance: { ttft: { p50: 5% } }\n", "a gated case needs `kv_blocks`"),
        (
            engine("").replace("dir: w", "dir: w, requests: 3"),
            "`workload.requests` beside `workload.dir`",
        ),
    ] {
        let message = parse(&text).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_recipe_needs_all_of_its_parts_with_their_units() {
    let recipe = |arrivals: &str| {
        format!(
            "workload:\n  prompts: {{ synthetic: {{ tokens: {{ uniform: {{ min: 7, max: 14 }} }} }} }}\n  \
             output_tokens: {{ fixed: 64 }}\n  arrivals: {arrivals}\n  requests: 1280\n\
             real: {{ recorded: {{ runs: [a] }} }}\nsim: {{ recorded: {{ runs: [b] }} }}\n"
        )
    };
    for arrivals in [
        "{ poisson: { rate: 40/s } }",
        "{ fixed: { every: 2s } }",
        "all_at_once",
        "{ gamma: { rate: 2.5/s, cv: 3 } }",
    ] {
        assert!(parse(&recipe(arrivals)).is_ok(), "{arrivals}");
    }
    for (text, expected) in [
        (recipe("{ poisson: { rate: 40 } }"), "`40` cannot be read here"),
        (recipe("{ poisson: { rate: 0/s } }"), "`rate` is 0/s"),
        (recipe("{ fixed: { every: 2 } }"), "write 2s, 250ms, 40us or 5ns"),
        (recipe("{ fixed: { every: 0s } }"), "write `arrivals: all_at_once`"),
        (recipe("sometimes"), "unknown word `sometimes`"),
        (recipe("all_at_once").replace("max: 14", "max: 3"), "`max` is 3, below `min`, 7"),
        (recipe("all_at_once").replace("requests: 1280", "requests: 0"), "`requests` is 0"),
        (recipe("all_at_once").replace("  requests: 1280\n", ""), "`workload.requests` is missing"),
    ] {
        let message = parse(&text).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = root().join("cases/case.schema.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == schema::json_schema(),
        "cases/case.schema.json is stale: run `cargo run -- schema > cases/case.schema.json`"
    );
}

#[test]
fn the_baselines_travel_light() {
    let baselines = root().join("baselines");
    assert!(simgate::files::size_of(&baselines).unwrap() <= 24_000_000);
    for file in simgate::gate::discover(&root().join("cases")).unwrap() {
        let bytes = simgate::files::size_of(&baselines.join(&file.relative)).unwrap();
        assert!(bytes <= 2_000_000, "{}: {bytes} bytes", file.name);
    }
}
