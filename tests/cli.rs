//! The `simgate` command as a user meets it: output, exit codes, and what it refuses.

mod support;

use std::path::Path;

use support::{Project, TTFT_P50, root, run, run_of, simgate, text};

const A100: &str = "baselines/control/a100-sarathi-vs-vidur";

/// One row of a percentile table.
fn row(dir: &Path, metric: &str, percentile: &str) -> Vec<String> {
    let text =
        std::fs::read_to_string(dir.join(format!("tables/{metric}_percentiles.csv"))).unwrap();
    let row = text.lines().find(|line| line.starts_with(percentile)).unwrap();
    row.split(',').map(str::to_owned).collect()
}

#[test]
fn the_a100_prediction_is_caught_with_exact_figures() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("report");
    let (real, sim) = (format!("{A100}/real"), format!("{A100}/sim"));
    let out_argument = dir.to_str().unwrap();
    let arguments = [
        "compare",
        &real,
        &sim,
        "--tolerance",
        "5%",
        "--boundary",
        "engine",
        "--out",
        out_argument,
    ];
    let (code, text) = run(&root(), &arguments);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(
            "TBT refused: baselines/control/a100-sarathi-vs-vidur/real has no token_metrics.csv"
        ),
        "{text}"
    );
    for (metric, expected) in [
        (
            "ttft",
            [["17283962.5", "1967610"], ["20037415.3", "1967610"], ["22755979.33", "1967610"]],
        ),
        (
            "tpot",
            [
                ["13823683.48", "1824867.71"],
                ["13917054.45", "1827792.07"],
                ["13959336.89", "1828450.06"],
            ],
        ),
    ] {
        for (percentile, [real, sim]) in ["p50", "p90", "p99"].into_iter().zip(expected) {
            let row = row(&dir, metric, percentile);
            assert_eq!(
                [&row[1], &row[2], &row[12]],
                [real, sim, "outside"],
                "{metric} {percentile}"
            );
            assert!(text.contains(&format!("{real} ns")), "{text}");
        }
    }
    assert_eq!(row(&dir, "e2e", "p50")[1], "887873714.5");
    for file in ["summary.md", "comparison.json", "figs/ttft_cdf.svg", "tables/tbt_percentiles.csv"]
    {
        assert!(dir.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_comparison_without_tolerance_has_no_verdicts_and_exits_0() {
    let (real, sim) = (format!("{A100}/real"), format!("{A100}/sim"));
    let (code, text) = run(&root(), &["compare", &real, &sim, "--boundary", "engine"]);
    assert_eq!(code, 0);
    assert!(!text.contains("outside"), "{text}");
    let (code, text) = run(&root(), &["compare", &real, &sim]);
    assert_eq!(code, 2);
    assert!(text.contains("has no run_meta.json: say where it was timed"), "{text}");
    let (code, text) = run(&root(), &["compare", &real, &sim, "--tolerance", "5"]);
    assert_eq!(code, 2);
    assert!(text.contains("`5` is not a percentage: write it as 5% or 0.5%"), "{text}");
}

/// The A100 control in a project of its own, with an accepted snapshot.
fn control(expect: bool) -> Project {
    let project = Project::new(1, 1);
    let copy = |from: &Path, to: &str| {
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            project.write(&format!("{to}/{name}"), std::fs::read(path).unwrap());
        }
    };
    for part in ["real", "sim", "workload"] {
        copy(&root().join(A100).join(part), &format!("{A100}/{part}"));
    }
    let case =
        std::fs::read_to_string(root().join("cases/control/a100-sarathi-vs-vidur.yaml")).unwrap();
    let lines = case.lines().filter(|line| expect || !line.starts_with("expect:"));
    project.write("cases/control/a100-sarathi-vs-vidur.yaml", lines.collect::<Vec<_>>().join("\n"));
    simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    project
}

#[test]
fn the_control_passes_and_turns_red_without_its_expectation() {
    let (code, text) = run(control(true).root(), &["check"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("outside as expected") && text.contains("1 passed, 0 failed"), "{text}");
    let (code, text) = run(control(false).root(), &["check"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("ttft.p50 -88.62 % (real 17.28 ms, sim 1.968 ms), tolerance 5 %: outside"),
        "{text}"
    );
}

#[test]
fn an_outside_case_stays_red_whatever_insta_is_told() {
    // Its snapshot is accepted already.
    let project = control(false);
    for (variable, value) in
        [("INSTA_FORCE_PASS", "1"), ("INSTA_UPDATE", "always"), ("INSTA_UPDATE", "no")]
    {
        let output = simgate(project.root(), &["check"]).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}={value}: {}", text(&output));
    }
}

#[test]
fn a_drift_of_figures_is_red_until_its_snapshot_is_accepted() {
    let project = Project::new(40, 3);
    project.case("c", TTFT_P50);
    simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    assert_eq!(run(project.root(), &["check"]).0, 0);
    for k in 0..5 {
        let scale = 1.02 * (1.0 + 0.001 * f64::from(k));
        project.write_run(&format!("sim/r{k}"), &run_of(&project.workload, scale));
    }
    let (code, text) = run(project.root(), &["check"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("the accepted snapshot baselines/c.snap is stale: sim changed ("),
        "{text}"
    );
    assert!(text.contains("+ ttft.p50"), "{text}");
    std::fs::rename(project.path("baselines/c.snap.new"), project.path("baselines/c.snap"))
        .unwrap();
    assert_eq!(run(project.root(), &["check"]).0, 0);
}

#[test]
fn exit_codes_rank_errors_before_outside_before_undecided() {
    let project = Project::new(40, 3);
    let single = "workload: { dir: w }\nreal: { recorded: { runs: [real/r0], boundary: engine } }\n\
        sim: { recorded: { runs: [sim/r0], boundary: engine } }\n";
    project.write("cases/undecided.yaml", format!("{single}{TTFT_P50}"));
    let check = || {
        let output =
            simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
        (output.status.code().unwrap(), text(&output))
    };
    check();
    let (code, text) = check();
    assert_eq!(code, 3, "{text}");
    project.case("outside", "tolerance: { ttft: { p50: 0.1% } }\n");
    assert_eq!(check().0, 1);
    project.write("cases/faulty.yaml", "real: 3\n");
    let (code, text) = check();
    assert_eq!(code, 2);
    assert!(text.contains("cases/faulty.yaml:1:1"), "{text}");
}

#[test]
fn the_json_of_a_check_has_every_figure() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("check.json");
    let (code, text) =
        run(&root(), &["check", "synthetic/within", "--json", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let case = &json["cases"][0];
    assert_eq!(
        (&case["case"], &case["verdict"], &case["passed"]),
        (&"synthetic::within".into(), &"within".into(), &true.into())
    );
    assert_eq!(case["metrics"].as_array().unwrap().len(), 12);
    assert_eq!(
        (&case["metrics"][0]["metric"], &case["metrics"][0]["tolerance_pct"]),
        (&"ttft".into(), &2.0.into())
    );
}

#[test]
fn a_gate_without_cases_or_with_a_filter_that_matches_none_is_an_error() {
    let project = Project::new(1, 1);
    let (code, text) = run(project.root(), &["check"]);
    assert_eq!(code, 2);
    assert!(text.contains("a gate without cases cannot fail"), "{text}");
    let (code, text) = run(&root(), &["check", "nothing-like-it"]);
    assert_eq!(code, 2);
    assert!(text.contains("no case matches `nothing-like-it`"), "{text}");
    let (code, text) = run(&root(), &["check", "cpu/live"]);
    assert_eq!(code, 2);
    assert!(text.contains("skipped cpu::live: it only runs live"), "{text}");
    assert!(text.contains("nothing was judged"), "{text}");
}

#[test]
fn a_starter_case_is_valid_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["new", "h100/my-model/spaced-2s"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(dir.path(), &["check", "--list"]);
    assert_eq!((code, text.as_str()), (0, "h100::my-model::spaced-2s\n"));
    let case =
        std::fs::read_to_string(dir.path().join("cases/h100/my-model/spaced-2s.yaml")).unwrap();
    assert!(case.starts_with("# yaml-language-server: $schema=../../case.schema.json\n"), "{case}");
    let (code, text) = run(dir.path(), &["new", "h100/my-model/spaced-2s"]);
    assert_eq!(code, 2);
    assert!(text.contains("spaced-2s.yaml exists: remove it first"), "{text}");
    let (code, text) = run(dir.path(), &["new", "../escape"]);
    assert_eq!(code, 2);
    assert!(text.contains("`../escape` is no case name"), "{text}");
}

#[test]
fn the_harness_is_written_into_an_existing_crate() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["new", "--harness"]);
    assert_eq!(code, 2);
    assert!(
        text.contains("cannot read Cargo.toml: run this in the folder of an existing crate"),
        "{text}"
    );
    std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = \"a\"\nversion = \"0.1.0\"\n")
        .unwrap();
    let (code, text) = run(dir.path(), &["new", "--harness"]);
    assert_eq!(code, 0, "{text}");
    for file in ["tests/gate.rs", ".config/nextest.toml"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    let manifest = std::fs::read_to_string(dir.path().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("[[test]]\nname = \"gate\"\nharness = false"), "{manifest}");
}
