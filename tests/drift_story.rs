//! A simulator that worsens commit by commit, each step too small for anybody to look twice: every step is a
//! difference of the snapshot, and the first one that leaves the tolerance is red, whatever is accepted.

mod support;

use std::fs;

use support::{Project, run, run_of, simgate};

/// What each commit makes of the simulator: about two points slower than the one before.
const COMMITS: [f64; 5] = [1.02, 1.04, 1.06, 1.08, 1.10];
const CASE: &str = "tolerance: { ttft: { p50: 5% }, tbt: { p50: 5% } }\n";

fn simulate(project: &Project, slower: f64) {
    for k in 0..5 {
        let scale = slower * (1.0 + 0.001 * f64::from(k));
        project.write_run(&format!("sim/r{k}"), &run_of(&project.workload, scale));
    }
}

/// Takes the pending snapshot, as `cargo insta accept` does.
fn accept(project: &Project) {
    fs::rename(project.path("baselines/c.snap.new"), project.path("baselines/c.snap")).unwrap();
}

/// The line of a snapshot's difference that adds this figure.
fn added(text: &str, figure: &str) -> String {
    let line = text.lines().find(|line| line.contains(&format!("+ {figure} ")));
    line.unwrap_or_else(|| panic!("no new {figure} in\n{text}")).to_owned()
}

#[test]
fn every_step_is_a_snapshot_difference_and_the_first_beyond_the_tolerance_is_red() {
    let project = Project::new(40, 3);
    project.case("c", CASE);
    simulate(&project, 1.0005);
    simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    assert_eq!(run(project.root(), &["check"]).0, 0);
    for (commit, slower) in (1..).zip(COMMITS) {
        simulate(&project, slower);
        let (code, text) = run(project.root(), &["check"]);
        assert_eq!(code, 1, "commit {commit} went by unseen: {text}");
        assert!(text.contains("baselines/c.snap is stale: sim changed ("), "{text}");
        let percent = format!("{:+.2} %", (slower - 1.0) * 100.0);
        for figure in ["ttft.p50", "tbt.p50"] {
            let line = added(&text, figure);
            assert!(line.contains(&percent), "commit {commit}, {percent}: {line}");
        }
        println!("commit {commit}: {}", added(&text, "ttft.p50").trim());
        // Somebody takes the new snapshot: two points seem harmless.
        accept(&project);
        let (code, text) = run(project.root(), &["check"]);
        let beyond = slower > 1.05;
        assert_eq!(code, i32::from(beyond), "commit {commit}: {text}");
        println!("commit {commit}, accepted: exit code {code}");
        assert_eq!(text.contains("tolerance 5 %: outside"), beyond, "{text}");
    }
}
