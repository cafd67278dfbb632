//! What `simgate report` and `simgate trace` write, and what GitHub Actions is told.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Project, TTFT_P50, root, run, run_of, simgate, text};

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A project with a red case `h/red` and a green one.
fn project() -> Project {
    let project = Project::new(40, 3);
    for k in 0..5 {
        let scale = 1.2 * (1.0 + 0.001 * f64::from(k));
        project.write_run(&format!("slow/r{k}"), &run_of(&project.workload, scale));
    }
    project.case("green", &format!("{TTFT_P50}distances: {{ e2e: {{ requests: 10% }} }}\n"));
    let sides = "workload: { dir: w }\n\
         real: { recorded: { runs: [real], boundary: engine } }\n\
         sim: { recorded: { runs: [slow], boundary: engine } }\n";
    project.write("cases/h/red.yaml", format!("{sides}{TTFT_P50}"));
    simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    project
}

#[test]
fn a_report_has_every_case_on_one_page_and_a_folder_for_each() {
    let project = project();
    run(project.root(), &["power", "--json", "power.json"]);
    let (code, text) = run(project.root(), &["report", "--out", "report", "--power", "power.json"]);
    assert_eq!(code, 0, "{text}");
    let page = project.read("report/index.html");
    // Nothing is fetched from anywhere.
    let addresses = page.matches("http").count();
    assert_eq!(addresses, page.matches("http://www.w3.org/2000/svg").count());
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    let red = cases.iter().find(|case| case["case"] == "h::red").unwrap();
    assert_eq!((&red["passed"], &red["verdict"]), (&false.into(), &"outside".into()));
    assert_eq!(red["file"], "cases/h/red.yaml");
    // `tolerance: { ttft: ...` stands on the fourth line.
    assert_eq!(red["line"], 4);
    let curve = &red["curves"]["ttft"];
    let values = |key: &str| curve[key].as_array().unwrap().len();
    assert!(values("share") > 50 && values("share") == values("real_ms"));
    assert_eq!(values("real_ms"), values("sim_ms"));
    // All distances, not only those that a case holds to something.
    assert!(red["distances"].as_array().unwrap().len() > 10);
    assert_eq!(data["power"]["cases"].as_array().unwrap().len(), 2);
    let summary = project.read("report/summary.md");
    assert!(summary.contains("| RED | h::red") && summary.contains("+20.00 %"), "{summary}");
    assert!(project.read("report/h/red/summary.md").contains("## Distances"));
    assert_eq!(json(&project.path("report/check.json"))["cases"].as_array().unwrap().len(), 2);
}

#[test]
fn a_report_without_power_or_with_a_faulty_one_says_so() {
    let project = project();
    assert_eq!(run(project.root(), &["report", "--out", "report"]).0, 0);
    project.write("power.json", "[]");
    let (code, text) = run(project.root(), &["report", "--out", "other", "--power", "power.json"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("power.json: not what `simgate power --json FILE` writes"), "{text}");
    assert!(!project.path("other").exists());
}

#[test]
fn github_is_told_on_the_line_of_the_case_and_in_the_summary() {
    let project = project();
    let summary = project.path("step-summary.md");
    let output = simgate(project.root(), &["check"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", project.root())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    let text = text(&output);
    let annotations: Vec<&str> = text.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1, "{text}");
    let expected = "::error file=cases/h/red.yaml,line=4,title=h%3A%3Ared::ttft.p50 +20.00 %25";
    assert!(annotations[0].starts_with(expected), "{}", annotations[0]);
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.contains("| RED | h::red") && summary.contains("green"), "{summary}");
    // Elsewhere nobody is told.
    assert!(!run(project.root(), &["check"]).1.contains("::error"));
}

#[test]
fn the_trace_of_a_case_has_the_steps_of_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace.json");
    let case = "h200/qwen3-0.6b/spaced-2s-eager";
    let (code, text) = run(&root(), &["trace", case, "--out", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let trace = json(&file);
    let events = trace["traceEvents"].as_array().unwrap();
    let named = |pid: u64| {
        let is = |event: &&Value| event["name"] == "process_name" && event["pid"] == pid;
        events.iter().find(is).unwrap()["args"]["name"].as_str().unwrap().to_owned()
    };
    assert!(named(1).starts_with("real: ") && named(2).starts_with("sim: "));
    // Eight requests of 64 tokens, one after another.
    for pid in [1, 2] {
        let count = |tid: u64, name: &str| {
            let is = |e: &&Value| {
                e["ph"] == "X" && e["pid"] == pid && e["tid"] == tid && e["name"] == name
            };
            events.iter().filter(is).count()
        };
        assert_eq!(count(1, "step"), 512, "{text}");
        assert_eq!(count(2, "step"), 512, "{text}");
        assert_eq!(count(1, "launch"), 512, "{text}");
    }
    let (code, text) = run(&root(), &["trace", "synthetic::within", "--out", "x.json"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("no run of the real side has steps"), "{text}");
}

/// All keys of a document, but for maps whose keys are names of their own.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if !key.contains('.') {
                    found.insert(key.clone());
                }
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_every_document_is_documented() {
    let project = project();
    run(project.root(), &["power", "--json", "power.json"]);
    run(project.root(), &["report", "--out", "report"]);
    let documented = fs::read_to_string(root().join("docs/json.md")).unwrap();
    for file in ["power.json", "report/check.json", "report/h/red/comparison.json"] {
        let mut found = BTreeSet::new();
        keys(&json(&project.path(file)), &mut found);
        assert!(found.len() > 8, "{file}");
        for key in found {
            assert!(
                documented.contains(&format!("`{key}`")),
                "docs/json.md lacks `{key}` of {file}"
            );
        }
    }
}
