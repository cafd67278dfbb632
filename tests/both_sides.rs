//! Both sides alive on a tiny model: the same scheduler, the same steps, the same bytes each time; and
//! what is said about models, tokenizers and profiles that do not fit.

#![cfg(feature = "candle")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use simgate::compare::{CaseVerdict, Rules, Verdict, compare};
use simgate::gate::{CaseFile, Gate, Role, Settings};
use simgate::run::{Status, hash};
use support::{Project, root};

/// A project with the tiny checkpoint as model `tiny`, and a case over both sides.
fn project(workload: &str, more: &str) -> Project {
    let project = Project::new(1, 1);
    let fixture = root().join("tests/fixtures/tiny-qwen3");
    for name in ["config.json", "model.safetensors"] {
        project.write(&format!("models/tiny/{name}"), std::fs::read(fixture.join(name)).unwrap());
    }
    project.write("cases/live.yaml", case(workload, more));
    project
}

const RECIPE: &str = "{ prompts: { synthetic: { tokens: { uniform: { min: 3, max: 40 } } } }, output_tokens: { uniform: { min: 2, max: 20 } }, arrivals: all_at_once, requests: 12, seed: 5 }";

fn case(workload: &str, more: &str) -> String {
    format!(
        "model: tiny\nhardware: cpu\nworkload: {workload}\n\
         engine: {{ policy: sarathi, chunk_tokens: 24, max_sequences: 4, kv_block_tokens: 4, kv_blocks: 40, ignore_eos: true }}\n\
         real: {{ candle: {{ repeats: 2, warmup: 0 }} }}\nsim: {{ native: {{ profile: here, seeds: 3 }} }}\nbaseline: none\n{more}"
    )
}

fn live(project: &Project) -> (Gate, CaseFile) {
    let gate = project.gate().settings(Settings { live: true, ..Settings::default() });
    let file = gate.case_files().unwrap().remove(0);
    (gate, file)
}

fn error(project: &Project) -> String {
    let (gate, file) = live(project);
    gate.check(&file).judged.unwrap_err().to_string()
}

#[test]
fn both_sides_take_the_very_same_steps_when_all_arrive_at_once() {
    let project = project(RECIPE, "");
    let (gate, file) = live(&project);
    let judged = gate.check(&file).judged.unwrap();
    assert_eq!(
        judged.comparison.verdict(),
        CaseVerdict::StructureOnly,
        "{:?}",
        judged.comparison.structure
    );
    assert_eq!(judged.comparison.requests, 12);
    // Block by block the plans are those of the first real run; one other step would be seen.
    let real = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap().side;
    let mut other = real.clone();
    other.labels = vec!["other".to_owned(); other.runs.len()];
    other.runs.truncate(1);
    other.labels.truncate(1);
    other.runs[0].plans[3].tokens += 1;
    // No two measured runs have the same times.
    other.runs[0].requests[0].completion_ns = real.runs[0].requests[0].completion_ns.map(|t| t + 1);
    let rules = Rules { same_plans: true, ..Rules::default() };
    let comparison = compare(&real, &other, &rules).unwrap();
    assert_eq!(comparison.verdict(), CaseVerdict::Judged(Verdict::Outside));
    assert!(comparison.structure.plan.unwrap().contains("differ at step"));
}

#[test]
fn the_simulator_serves_the_lengths_that_the_real_side_came_to() {
    let project = project(RECIPE, "");
    let (gate, file) = live(&project);
    let real = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap().side;
    let tokens = real.runs[0].tokens.as_ref().unwrap();
    // From now on the second token of the first request ends a text.
    let eos = tokens.ids_of(0)[1];
    let config = project.read("models/tiny/config.json");
    project.write(
        "models/tiny/config.json",
        config.replace("\"eos_token_id\": null", &format!("\"eos_token_id\": {eos}")),
    );
    let text = project.read("cases/live.yaml").replace("ignore_eos: true", "ignore_eos: false");
    project.write("cases/live.yaml", text);
    let judged = gate.check(&file).judged.unwrap();
    assert_eq!(
        judged.comparison.verdict(),
        CaseVerdict::StructureOnly,
        "{:?}",
        judged.comparison.structure
    );
    let real = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap().side;
    assert!(real.runs[0].requests[0].decode_tokens_actual <= 2);
    assert!(real.runs[0].requests[0].decode_tokens > 2);
}

#[test]
fn the_stock_model_serves_the_same_workload_one_request_at_a_time() {
    let project = project(RECIPE, "");
    let text = project
        .read("cases/live.yaml")
        .replace("{ candle: { repeats: 2, warmup: 0 } }", "transformers");
    project.write("cases/live.yaml", text);
    let (gate, file) = live(&project);
    let real = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap().side;
    assert!(real.labels[0].contains("single-stream"));
    let run = &real.runs[0];
    assert!(
        run.requests
            .iter()
            .all(|r| r.status == Status::Ok && r.decode_tokens_actual == r.decode_tokens)
    );
    let ends: Vec<u64> = run.requests.iter().filter_map(|r| r.completion_ns).collect();
    assert!(ends.is_sorted());
}

#[test]
fn a_request_beyond_positions_or_blocks_is_refused_and_the_rest_goes_on() {
    for (min, blocks) in [(30, 5), (120, 400)] {
        let recipe = RECIPE.replace("min: 3, max: 40", &format!("min: {min}, max: 140"));
        let project = project(&recipe, "");
        let text = project
            .read("cases/live.yaml")
            .replace("kv_blocks: 40", &format!("kv_blocks: {blocks}"));
        project.write(
            "cases/live.yaml",
            text.replace("sim: { native: { profile: here, seeds: 3 } }", "sim: candle"),
        );
        let (gate, file) = live(&project);
        let real = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap().side;
        let refused = real.runs[0].requests.iter().filter(|r| r.status == Status::Refused).count();
        assert!(refused > 0, "{min} {blocks}");
        assert!(
            real.runs[0].requests.iter().all(|r| matches!(r.status, Status::Ok | Status::Refused))
        );
    }
}

#[test]
fn a_live_case_covers_its_own_shapes_however_small_or_large() {
    // Short outputs one at a time, and prompts of which some exceed the model's 128 positions.
    let short = "{ prompts: { synthetic: { tokens: { fixed: 2 } } }, output_tokens: { fixed: 2 }, arrivals: { fixed: { every: 20ms } }, requests: 6 }";
    let long = RECIPE.replace("min: 3, max: 40", "min: 60, max: 200");
    for (recipe, blocks) in [(short, 40), (&long, 400)] {
        let project = project(recipe, "");
        let text = project
            .read("cases/live.yaml")
            .replace("kv_blocks: 40", &format!("kv_blocks: {blocks}"));
        project.write("cases/live.yaml", text);
        let (gate, file) = live(&project);
        let judged = gate.check(&file).judged.unwrap();
        assert_eq!(
            judged.comparison.verdict(),
            CaseVerdict::StructureOnly,
            "{:?}",
            judged.comparison.structure
        );
        assert_eq!(judged.comparison.not_ok > 0, blocks == 400);
    }
}

#[test]
fn token_ids_beyond_the_vocabulary_and_recordings_asked_to_serve_are_refused() {
    let prompts = RECIPE.replace(
        "{ synthetic: { tokens: { uniform: { min: 3, max: 40 } } } }",
        "{ file: p.jsonl }",
    );
    let project = project(&prompts, "");
    project.write("cases/p.jsonl", "{\"prompt_id\": \"a\", \"token_ids\": [1, 2, 999]}\n");
    let text = project.read("cases/live.yaml").replace("profile: here", "profile: cpu/none");
    project.write("cases/live.yaml", text);
    let (gate, file) = live(&project);
    let message = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap_err().to_string();
    assert!(
        message.starts_with("prompt `a` has token id 999, but the model's vocabulary ends at 128"),
        "{message}"
    );
    project.case("live", "");
    let message = gate.serve(&file, Role::Real, &|_, _, _| {}).unwrap_err().to_string();
    assert!(message.contains("there is nothing to serve"), "{message}");
}

#[test]
fn models_and_tokenizers_that_do_not_fit_are_named() {
    let text_prompts = RECIPE.replace(
        "{ synthetic: { tokens: { uniform: { min: 3, max: 40 } } } }",
        "{ file: p.jsonl }",
    );
    let project = project(&text_prompts, "");
    assert!(error(&project).contains("`p.jsonl` is neither beside the case file"));
    project.write("cases/p.jsonl", "");
    assert!(error(&project).ends_with(
        "p.jsonl: no prompts: write one JSON object a line, with `prompt_id` and `text`"
    ));
    project.write("cases/p.jsonl", "{\"prompt_id\": \"a\"}\n");
    assert!(error(&project).contains("prompt `a`: it has neither `text` nor `token_ids`"));
    project.write("cases/p.jsonl", "{\"prompt_id\": \"a\", \"text\": \"Hello\"}\n");
    assert!(error(&project).contains("no tokenizer.json or tokenizer.json.zst here"));
    std::fs::copy(
        root().join("models/qwen3-0.6b/tokenizer.json.zst"),
        project.path("models/tiny/tokenizer.json.zst"),
    )
    .unwrap();
    assert!(error(&project).contains("it has 151669 ids, the model 128: it is of another model"));
    project.write("models/tiny/tokenizer.json.zst", "{}");
    assert!(error(&project).contains("not a tokenizer"));
    std::fs::remove_file(project.path("models/tiny/config.json")).unwrap();
    assert!(error(&project).contains("no config.json here"));
}

#[test]
fn profiles_that_do_not_fit_are_named() {
    let project = project(RECIPE, "");
    let text = project.read("cases/live.yaml").replace("profile: here", "profile: cpu/tiny");
    project.write("cases/live.yaml", text);
    let message = error(&project);
    assert!(
        message.contains("no profile here; collect it with `simgate profile tiny --out "),
        "{message}"
    );
    let profile = root().join("baselines/cpu/profiles/qwen3-tiny");
    let read = |name: &str| std::fs::read_to_string(profile.join(name)).unwrap();
    for name in ["ops.csv", "host.csv", "residuals.csv", "profile_meta.json"] {
        project.write(&format!("baselines/cpu/profiles/tiny/{name}"), read(name));
    }
    assert!(error(&project).contains("the profile is of KV block size 16, the case of 4"));
    let text = project.read("cases/live.yaml").replace("kv_block_tokens: 4", "kv_block_tokens: 16");
    project.write("cases/live.yaml", &text);
    assert!(error(&project).contains("the profile is of another architecture"));
    project.write("cases/live.yaml", text.replace("hardware: cpu", "hardware: h100"));
    assert!(error(&project).contains("the profile is of device cpu, the case of h100"));
    project.write("cases/live.yaml", text);
    let config = simgate::model::ModelConfig::read(&project.path("models/tiny")).unwrap();
    let other = simgate::model::ModelConfig::read(&root().join("models/qwen3-tiny")).unwrap();
    let meta = read("profile_meta.json").replace(&other.hash(), &config.hash());
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", meta);
    let without = |drop: fn(&&str) -> bool| {
        let ops = read("ops.csv");
        let kept: Vec<&str> = ops.lines().filter(|line| !drop(line)).collect();
        project.write("baselines/cpu/profiles/tiny/ops.csv", kept.join("\n"));
        error(&project)
    };
    assert!(
        without(|line| line.starts_with("qkv,"))
            .contains("the profile has no entry for op `qkv`; collect it with `simgate profile")
    );
    let message = without(|line| {
        line.starts_with("qkv,") && !line.starts_with("qkv,1,") && !line.starts_with("qkv,2,")
    });
    assert!(message.contains("the profile has op `qkv` for rows 1 to 2, not "), "{message}");
}

/// The committed case whose simulator needs neither model nor tokenizer.
const DETERMINISTIC: &str = "cpu/chunked-prefill";

fn simulated() -> Vec<String> {
    let gate = Gate::new(root().join("cases")).baselines(root().join("baselines"));
    let files = gate.case_files().unwrap();
    let file = files.iter().find(|file| file.relative == DETERMINISTIC).unwrap();
    let side = gate.serve(file, Role::Sim, &|_, _, _| {}).unwrap().side;
    side.runs.iter().map(hash).collect()
}

#[test]
fn the_simulator_gives_the_same_bytes_each_time_and_on_every_machine() {
    let first = simulated();
    assert_eq!(first, simulated());
    assert_eq!(first, simulated());
    assert_eq!(first[0], "8eaf0e71aadcf33e5282d69aaef875ab47b616a93e17815bc6bbc79a35baaaf8");
    assert_eq!(first[15], "cd89d1c4c41322741673f0064d247e3ed6821a35b0b5aa873f2041ff6176c5a4");
    assert_ne!(first[0], first[1]);
}

#[test]
fn real_prompts_give_the_same_workload_on_every_machine() {
    let gate = Gate::new(root().join("cases")).baselines(root().join("baselines"));
    let files = gate.case_files().unwrap();
    let file = files.iter().find(|file| file.relative == "cpu/burst").unwrap();
    let workload = gate.workload(file).unwrap();
    assert_eq!(workload.hash(), "8f1e4fd9db4b18369f0a9070f314399bc1a7052a71818c6254d79ea0d15c252b");
    let dir = tempfile::tempdir().unwrap();
    simgate::workload::write(&workload, &dir.path().join("w")).unwrap();
    assert_eq!(simgate::workload::read(&dir.path().join("w")).unwrap(), workload);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_ended_halfway_leaves_nothing_half_written() {
    let long = RECIPE.replace("all_at_once", "{ fixed: { every: 1s } }");
    let project = project(&long, "");
    let out = project.path("out");
    let binary = std::env::var_os("NEXTEST_BIN_EXE_simgate")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_simgate")), PathBuf::from);
    let mut child = Command::new(binary)
        .current_dir(project.root())
        .args(["real", "live", "--out", "out"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let id = child.id().to_string();
    // Programs that a script starts in the background are deaf to SIGINT.
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(!child.wait().unwrap().success());
    assert!(!out.exists(), "{:?}", std::fs::read_dir(out).unwrap().collect::<Vec<_>>());
}
