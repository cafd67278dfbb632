//! `simgate power` as a user meets it: what kills, what does not, and when it is red itself.

mod support;

use std::fs;

use serde_json::Value;
use simgate::gate::Gate;
use simgate::study::Fault;
use support::{Project, root, run, run_of};

/// Runs it over a project's cases: the exit code, what was printed, and the document.
fn power(project: &Project) -> (i32, String, Value) {
    let (code, text) = run(project.root(), &["power", "--json", "power.json"]);
    let json = fs::read_to_string(project.path("power.json")).unwrap_or("null".to_owned());
    (code, text, serde_json::from_str(&json).unwrap())
}

fn outcome<'a>(json: &'a Value, case: usize, fault: &str) -> &'a Value {
    let faults = json["cases"][case]["faults"].as_array().unwrap();
    faults.iter().find(|injected| injected["fault"] == fault).unwrap()
}

#[test]
fn a_case_kills_what_moves_its_figures_and_says_what_it_cannot_have() {
    let project = Project::new(40, 3);
    project.case("c", "tolerance: { ttft: { p50: 5% }, tbt: { p50: 5% } }\n");
    let (code, text, json) = power(&project);
    assert_eq!(code, 0, "{text}");
    for (fault, expected) in [
        ("no-op", "survived"),
        ("latencies-10-percent-longer", "outside"),
        ("gaps-10-percent-shorter", "outside"),
        ("decode-one-step-short", "outside"),
        ("request-lost", "outside"),
        ("arrival-shifted", "refused"),
        ("results-swapped", "survived"),
        // The sim side is a recording: it has no GPU.
        ("no-host", "not_applicable"),
        ("policy-swapped", "not_applicable"),
    ] {
        assert_eq!(outcome(&json, 0, fault)["outcome"], expected, "{fault}: {text}");
    }
    let longer = outcome(&json, 0, "latencies-10-percent-longer");
    assert!((longer["shift_pct"].as_f64().unwrap() - 10.0).abs() < 0.01, "{longer}");
    let refused = outcome(&json, 0, "arrival-shifted")["reason"].as_str().unwrap();
    assert!(refused.starts_with("workload: "), "{refused}");
    // Five repeats 0.1 % apart, sim 1 % off: 5 % and what the interval adds.
    let smallest = json["cases"][0]["min_detectable_pct"]["ttft.p50"].as_f64().unwrap();
    assert!((5.0..6.0).contains(&smallest), "{smallest}");
    let alarms = &json["cases"][0]["false_alarms"];
    assert_eq!((&alarms["trials"], &alarms["alarms"]), (&5.into(), &0.into()));
    // 1 - 0.05^(1/5)
    assert!((alarms["upper95_pct"].as_f64().unwrap() - 45.07).abs() < 0.01);
}

#[test]
fn a_distance_kills_what_percentiles_cannot_see() {
    let project = Project::new(40, 3);
    project.case("c", "distances: { ttft: { requests: 10% } }\n");
    let (code, text, json) = power(&project);
    assert_eq!(code, 0, "{text}");
    assert_eq!(outcome(&json, 0, "results-swapped")["outcome"], "outside", "{text}");
}

#[test]
fn a_case_that_no_fault_of_times_turns_red_is_an_error() {
    let project = Project::new(40, 3);
    project.case("c", "tolerance: { ttft: { p50: 60% } }\n");
    let (code, text, json) = power(&project);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("c kills no fault: a case that cannot fail is no check"), "{text}");
    // The document is written all the same.
    assert_eq!(json["cases"][0]["case"], "c");
}

#[test]
fn a_case_that_is_red_without_a_fault_is_an_error_and_a_control_is_exempt() {
    let project = Project::new(40, 3);
    for k in 0..5 {
        let scale = 1.2 * (1.0 + 0.001 * f64::from(k));
        project.write_run(&format!("sim/r{k}"), &run_of(&project.workload, scale));
    }
    project.case("c", "tolerance: { ttft: { p50: 5% } }\n");
    let (code, text, _) = power(&project);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("c is red without a fault"), "{text}");
    project.case("c", "tolerance: { ttft: { p50: 5% } }\nexpect: { outside: [ttft.p50] }\n");
    let (code, text, json) = power(&project);
    assert_eq!(code, 0, "{text}");
    let reason = outcome(&json, 0, "no-op")["reason"].as_str().unwrap();
    assert_eq!(reason, "a negative control is outside to begin with");
}

#[test]
fn a_case_that_cannot_be_judged_keeps_no_other_from_it() {
    let project = Project::new(40, 3);
    project.case("good", "tolerance: { ttft: { p50: 5% } }\n");
    project.case("missing", "tolerance: { ttft: { p99: 5% } }\n");
    let (code, text, json) = power(&project);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("error: missing: the case has a tolerance on ttft.p99"), "{text}");
    assert_eq!(json["cases"][0]["case"], "good");
    let (code, text) = run(project.root(), &["power", "none"]);
    assert_eq!(code, 2, "{text}");
}

/// A case that excuses a fault which it can have would hide that it does not see it.
#[test]
fn what_a_case_excuses_as_not_applicable_changes_nothing_in_its_simulation() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("power.json");
    let (code, text) = run(&root(), &["power", "2s", "--json", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let json: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let gate = Gate::new(root().join("cases"));
    let files = gate.case_files().unwrap();
    let mut excused = 0;
    for case in json["cases"].as_array().unwrap() {
        let file = files.iter().find(|file| case["case"] == file.name).unwrap();
        let intact = gate.simulated(file, None).unwrap();
        for injected in case["faults"].as_array().unwrap() {
            let fault: Fault = injected["fault"].as_str().unwrap().parse().unwrap();
            if injected["outcome"] == "not_applicable" && fault.is_of_steps() {
                excused += 1;
                assert!(gate.simulated(file, Some(fault)).unwrap() == intact, "{fault:?}");
            }
        }
    }
    // Two cases of lone short prompts: policy, chunks, blocks twice, early stops.
    assert_eq!(excused, 10);
}

#[test]
fn recordings_made_since_are_held_against_the_baseline() {
    let out = tempfile::tempdir().unwrap();
    let case = "h200/qwen3-0.6b/short-answers";
    let night = out.path().join("night/set-1").join(case);
    fs::create_dir_all(&night).unwrap();
    copy(&root().join("baselines").join(case), &night);
    let dir = out.path().to_str().unwrap();
    let (code, text) = run(&root(), &["power", "short-answers", "--held-out", dir]);
    assert_eq!(code, 0, "{text}");
    // The baseline itself lies in the middle of itself; 1 - 0.05^(1/11).
    assert!(text.contains("0 of 11") && text.contains("23.84 %"), "{text}");
    let (code, text) = run(&root(), &["power", "short-answers", "--held-out", "cases"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("there is no recording of any of these cases"), "{text}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
