//! `simgate capacity` as a user meets it: rows, the front, the same bytes however it is run, and what it refuses.

mod support;

use std::fs;
use std::path::Path;

use support::{root, run};

const CASE: &str = "h200/qwen3-0.6b/poisson-30";
const GRID: [&str; 3] =
    ["engine.max_sequences=16", "engine.kv_blocks=100,10000", "engine.chunk_tokens=64,128"];
const FILES: [&str; 3] = ["capacity.csv", "pareto.svg", "summary.md"];

/// A small search into `out`.
fn search(out: &Path, more: &[&str]) -> (i32, String) {
    let mut arguments = vec!["capacity", CASE, "--slo", "ttft.p99=500ms", "--slo", "tbt.p99=50ms"];
    arguments.extend(["--requests", "200", "--precision", "10%"]);
    GRID.iter().for_each(|axis| arguments.extend(["--grid", axis]));
    arguments.extend(["--out", out.to_str().unwrap()]);
    arguments.extend(more);
    run(&root(), &arguments)
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn a_grid_has_a_row_for_each_combination_and_the_same_bytes_on_any_threads() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (code, text) = search(&one, &["--jobs", "1"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(search(&two, &["--jobs", "2"]).0, 0);
    for name in FILES {
        assert_eq!(read(&one, name), read(&two, name), "{name}");
    }
    let csv = read(&one, "capacity.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "index,label,engine.chunk_tokens,engine.max_sequences,engine.kv_blocks,gpus,rate_per_s,rate_per_gpu,output_tokens_per_s,ttft.p99_ms<=500,tbt.p99_ms<=50,simulations,outcome,error"
    );
    assert_eq!(lines.len(), 5, "{csv}");
    for (index, line) in lines[1..].iter().enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0], index.to_string());
        let number = |place: usize| fields[place].parse::<f64>().unwrap();
        assert!(number(6) > 0.0 && number(7) == number(6), "{line}");
        assert_eq!(fields[12], "found", "{line}");
        assert!(number(9) <= 500.0 && number(10) <= 50.0, "{line}");
    }
    // With a hundred blocks requests wait for room.
    let rate = |row: usize| lines[row].split(',').nth(6).unwrap().parse::<f64>().unwrap();
    assert!(rate(2) > rate(1) && rate(4) > rate(3), "{csv}");
    let summary = read(&one, "summary.md");
    assert!(summary.contains("| gpus") && summary.contains("![Requests/s"), "{summary}");
    assert!(text.contains("chunk_tokens=128 max_sequences=16 kv_blocks=100"), "{text}");
    let svg = read(&one, "pareto.svg");
    assert!(svg.contains("where ttft.p99 &lt;= 500 ms, tbt.p99 &lt;= 50 ms"), "{svg}");
    assert_eq!(svg.matches("<circle").count(), 4);
}

#[test]
fn partitions_together_are_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    assert_eq!(search(&path("whole"), &[]).0, 0);
    let parts = ["count:1/3", "count:2/3", "count:3/3"].map(|partition| {
        let out = path(&partition.replace(['/', ':'], "-"));
        let (code, text) = search(&out, &["--partition", partition]);
        assert_eq!(code, 0, "{text}");
        out.join("capacity.csv").to_str().unwrap().to_owned()
    });
    let whole = read(&path("whole"), "capacity.csv");
    // As text, the header once.
    let texts = parts.each_ref().map(|part| fs::read_to_string(part).unwrap());
    let mut lines: Vec<&str> = texts.iter().flat_map(|text| text.lines().skip(1)).collect();
    lines.sort_unstable();
    assert_eq!(lines, whole.lines().skip(1).collect::<Vec<_>>());
    let merged = path("merged");
    let arguments: Vec<&str> =
        ["capacity", "--merge"].into_iter().chain(parts.iter().map(String::as_str)).collect();
    let with_out = [&arguments[..], &["--out", merged.to_str().unwrap()]].concat();
    let (code, text) = run(&root(), &with_out);
    assert_eq!(code, 0, "{text}");
    for name in FILES {
        assert_eq!(read(&merged, name), read(&path("whole"), name), "{name}");
    }
    let (code, text) = run(&root(), &arguments[..4]);
    assert_eq!(code, 2);
    assert!(text.contains("candidate 2 stands in no file"), "{text}");
}

#[test]
fn a_combination_that_cannot_be_simulated_says_why_beside_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (code, text) = search(&out, &["--grid", "cluster.tensor_parallel=1,4"]);
    assert_eq!(code, 0, "{text}");
    let csv = read(&out, "capacity.csv");
    let failed: Vec<&str> = csv.lines().filter(|line| line.contains(",failed,")).collect();
    assert_eq!(failed.len(), 4, "{csv}");
    assert!(failed[0].contains("kv_blocks=100 tensor_parallel=4,"), "{csv}");
    let only = search(&out, &["--grid", "cluster.tensor_parallel=4", "--partition", "count:1/4"]);
    assert_eq!(only.0, 2, "{}", only.1);
    assert!(only.1.contains("the profile is of one device, without collectives"));
}

#[test]
fn every_faulty_flag_is_refused_with_what_would_be_right() {
    let slo = ["--slo", "ttft.p99=500ms"];
    let with = |more: &[&'static str]| [&[CASE], &slo[..], more].concat();
    for (arguments, expected) in [
        (vec![CASE], "--slo <FIGURE=LIMIT>"),
        (vec!["--slo", "ttft.p99=1s"], "<CASE>"),
        (vec![CASE, "--slo", "ttft.p99=500"], "`500` is not a duration: write it as 2s"),
        (vec![CASE, "--slo", "ttft.p95=1s"], "`ttft.p95` is not a figure"),
        (with(&["--slo", "ttft.p99=1s"]), "`ttft.p99` has two targets: keep the tighter one"),
        (with(&["--grid", "engine.launch=eager"]), "cannot be varied: the keys are engine.policy,"),
        (with(&["--grid", "engine.kv_blocks=0"]), "it takes whole numbers from 1 to 100000000"),
        (with(&["--grid", "engine.kv_blocks=1,,2"]), "has an empty value"),
        (with(&["--grid", "engine.kv_blocks=1,1"]), "has the value `1` twice"),
        (
            with(&["--grid", "engine.kv_blocks=1", "--grid", "engine.kv_blocks=2"]),
            "engine.kv_blocks stands twice",
        ),
        (
            with(&["--grid", "engine.policy=fifo"]),
            "--grid engine.policy: unknown variant `fifo`, expected",
        ),
        (with(&["--partition", "5/4"]), "write count:M/N with M from 1 to N, such as count:1/4"),
        (with(&["--precision", "1"]), "`1` is not a percentage"),
        (with(&["--precision", "0%"]), "it lies from 0.01% to 100%"),
        (with(&["--requests", "1"]), "1 is not in 2.."),
        (with(&["--seeds", "0"]), "0 is not in 1.."),
        (with(&["--jobs", "0"]), "0 is not in 1.."),
        (with(&["--merge", "a.csv"]), "cannot be used with"),
        (vec!["--merge", "no/such.csv"], "cannot read no/such.csv"),
        (vec!["nowhere", "--slo", "ttft.p99=1s"], "no case is called `nowhere`"),
        (
            vec!["h200/qwen3-0.6b/held-out-burst", "--slo", "ttft.p99=1s"],
            "arrive at once, which is no rate: capacity needs arrivals over time",
        ),
        (
            vec!["control/a100-sarathi-vs-vidur", "--slo", "ttft.p99=1s"],
            "`sim: recorded` tells nothing of other rates and settings",
        ),
    ] {
        let (code, text) = run(&root(), &[&["capacity"], &arguments[..]].concat());
        assert_eq!(code, 2, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

#[test]
fn more_seeds_are_averaged() {
    let dir = tempfile::tempdir().unwrap();
    let figures = |seeds: &str| {
        let out = dir.path().join(seeds);
        let (code, text) = search(&out, &["--partition", "count:1/4", "--seeds", seeds]);
        assert_eq!(code, 0, "{text}");
        read(&out, "capacity.csv")
    };
    assert_eq!(figures("2").lines().count(), 2);
    assert_ne!(figures("1"), figures("2"));
}

#[test]
fn a_folder_of_somebody_elses_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let (code, text) = search(dir.path(), &["--partition", "count:1/4"]);
    assert_eq!(code, 2);
    assert!(text.contains("was not written by simgate"), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
