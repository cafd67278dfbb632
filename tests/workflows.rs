//! The workflows of `.github` and the scripts that they run, with stubs in place of what they call: a job is run
//! step by step as GitHub runs it, from a fresh copy of the checkout.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Stands in for every program and for the scripts that need a GPU or a network: it notes how it was called,
/// and leaves what the real one would.
const STUB: &str = r#"#!/usr/bin/env bash
set -euo pipefail
program=${0##*/}
called=$program$(printf ' %q' "$@")
echo "$called, live=${SIMGATE_LIVE:-} require=${SIMGATE_REQUIRE_GPU:-} update=${INSTA_UPDATE:-}" >>"$LOG"
# What follows `$1` among the arguments.
after() { local name=$1; shift; while [ $# -gt 1 ]; do [ "$1" != "$name" ] || { echo "$2"; return; }; shift; done; }
arguments=("$@")
of() { after "$1" "${arguments[@]}"; }
leave() { mkdir -p "$(dirname "$1")" && cp "$0" "$1"; }
case "$program $*" in
"cargo nextest archive "*) leave "$(of --archive-file)"; leave "$(of --target-dir)/release/simgate" ;;
"build-cuda.sh "*) leave "$3"; leave "target/cuda-$2/release/simgate" ;;
"gpu-preflight.sh"*) exit "$LACK" ;;
"cargo-nextest nextest run "*)
    [ -f "$(of --archive-file)" ] && [ -d "$(of --workspace-remap)/cases" ]
    leave target/nextest/ci/junit.xml
    [ "$INSTA_UPDATE" != new ] || leave 'baselines/h200/a model/burst.snap.new'
    exit "$GATE" ;;
"simgate check --list "*) printf 'h200::a::burst\nh200::a::spaced\n' ;;
"simgate check "* | "simgate power "*) leave "$(of --json)"; exit "$GATE" ;;
"simgate report "*) [ -f "$(of --power)" ]; leave "$(of --out)/index.html" ;;
"simgate record "*) leave "$(of --out)/h200/a/burst/recording.json"; exit "$GATE" ;;
*) echo "nobody expected: $program $*" >&2; exit 99 ;;
esac
"#;

const WORKFLOWS: [&str; 3] = ["pull-request", "nightly-gpu", "update-baselines"];

fn text(workflow: &str) -> String {
    let path = support::root().join(format!(".github/workflows/{workflow}.yml"));
    fs::read_to_string(path).unwrap()
}

fn workflow(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The steps of all jobs.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().unwrap();
    jobs.values().flat_map(|job| job["steps"].as_array().unwrap()).collect()
}

/// The shell of each step, with its workflow.
fn shells() -> Vec<(&'static str, String)> {
    let shells = |name| {
        let workflow = workflow(name);
        let of = |step: &&Value| step["run"].as_str().map(|run| (name, run.to_owned()));
        steps(&workflow).iter().filter_map(of).collect::<Vec<_>>()
    };
    WORKFLOWS.into_iter().flat_map(shells).collect()
}

/// The scripts of a folder.
fn scripts() -> Vec<PathBuf> {
    let files = fs::read_dir(support::root().join("ci")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "sh")).collect()
}

fn executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Whether bash can parse it.
fn parses(arguments: &[&str]) -> bool {
    Command::new("bash").arg("-n").args(arguments).status().unwrap().success()
}

fn copy(from: &Path, to: &Path, keep_permissions: bool) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()), keep_permissions);
        }
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
    if !keep_permissions {
        fs::set_permissions(to, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

fn stub(path: &Path) {
    fs::write(path, STUB).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs jobs as GitHub does, and keeps their artefacts.
struct Runner {
    dir: TempDir,
    workflow: Value,
    /// The exit status of the gate.
    gate: u8,
    /// The exit status of the preflight.
    lack: u8,
    /// What expressions stand for.
    values: BTreeMap<&'static str, String>,
}

impl Runner {
    fn new(name: &str, gate: u8) -> Self {
        let values = BTreeMap::from([("github.run_id", "7".to_owned())]);
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        for program in ["cargo", "cargo-nextest", "rustup", "nvidia-smi", "python3"] {
            stub(&dir.path().join("bin").join(program));
        }
        Self { dir, workflow: workflow(name), gate, lack: 0, values }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// An artefact, or a file in one.
    fn artefact(&self, relative: &str) -> PathBuf {
        self.path("artefacts").join(relative)
    }

    /// A text with its expressions replaced.
    fn filled(&self, text: &Value) -> String {
        let mut text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
        for (name, value) in &self.values {
            text = text.replace(&format!("${{{{ {name} }}}}"), value);
        }
        assert!(!text.contains("${{"), "an expression without a value: {text}");
        text
    }

    /// Runs a job from a fresh checkout. Returns its exit status, that of the first step that failed, and how its
    /// programs were called.
    fn job(&self, name: &str) -> (i32, String) {
        let checkout = self.path("check out");
        let _ = fs::remove_dir_all(&checkout);
        copy(&support::root().join("ci"), &checkout.join("ci"), true);
        fs::create_dir_all(checkout.join("cases")).unwrap();
        fs::create_dir_all(checkout.join("baselines")).unwrap();
        for script in ["ci/build-cuda.sh", "ci/gpu-preflight.sh"] {
            stub(&checkout.join(script));
        }
        fs::write(self.path("log"), "").unwrap();
        let job = &self.workflow["jobs"][name];
        let mut status = 0;
        for step in job["steps"].as_array().unwrap_or_else(|| panic!("no job {name}")) {
            let runs = match step["if"].as_str() {
                None => status == 0,
                Some("failure()") => status != 0,
                Some("always()" | "${{ !cancelled() }}") => true,
                Some(other) => panic!("the test knows no condition `{other}`"),
            };
            if runs {
                let code = self.step(job, step, &checkout);
                status = if status == 0 { code } else { status };
            }
        }
        (status, fs::read_to_string(self.path("log")).unwrap())
    }

    fn step(&self, job: &Value, step: &Value, checkout: &Path) -> i32 {
        if let Some(shell) = step["run"].as_str() {
            return self.shell(shell, [&self.workflow, job, step], checkout);
        }
        let action = step["uses"].as_str().unwrap().split_once('@').unwrap().0;
        if action == "actions/checkout" {
            return 0;
        }
        let with = &step["with"];
        let (artefact, path) =
            (self.artefact(&self.filled(&with["name"])), checkout.join(self.filled(&with["path"])));
        match action {
            "actions/download-artifact" => copy(&artefact, &path, false),
            "actions/upload-artifact" if path.is_dir() => copy(&path, &artefact, false),
            "actions/upload-artifact" if path.exists() => {
                copy(&path, &artefact.join(path.file_name().unwrap()), false);
            }
            "actions/upload-artifact" => return i32::from(with["if-no-files-found"] == "error"),
            other => panic!("the test knows no action `{other}`"),
        }
        0
    }

    /// Runs the shell of a step with nothing in its environment but what the workflow says.
    fn shell(&self, shell: &str, levels: [&Value; 3], checkout: &Path) -> i32 {
        let search = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", shell]);
        command.current_dir(checkout).env_clear();
        command.env("PATH", search).env("HOME", self.path("home")).env("CI", "true");
        command.env("LOG", self.path("log")).env("GATE", self.gate.to_string());
        command.env("LACK", self.lack.to_string());
        for variables in levels.into_iter().filter_map(|level| level["env"].as_object()) {
            command.envs(variables.iter().map(|(name, value)| (name, self.filled(value))));
        }
        let output = command.output().unwrap();
        let text = support::text(&output);
        print!("{text}");
        fs::write(self.path("printed"), text).unwrap();
        output.status.code().unwrap()
    }
}

/// The one line of a log that starts so.
fn line<'a>(log: &'a str, start: &str) -> &'a str {
    let found: Vec<_> = log.lines().filter(|line| line.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "`{start}` in {log}");
    found[0]
}

#[test]
fn every_workflow_is_tested_here() {
    let files = fs::read_dir(support::root().join(".github/workflows")).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut tested = WORKFLOWS.map(|name| format!("{name}.yml"));
    tested.sort();
    assert_eq!(names, tested);
}

#[test]
fn every_step_and_every_script_is_bash() {
    for (workflow, shell) in shells() {
        assert!(parses(&["-c", &shell]), "{workflow}: {shell}");
    }
    for script in scripts() {
        assert!(parses(&[script.to_str().unwrap()]), "{}", script.display());
        assert!(executable(&script), "{} is not executable", script.display());
    }
}

#[test]
fn every_script_that_a_step_names_is_there_and_executable() {
    for (workflow, shell) in shells() {
        for script in shell.split_whitespace().filter(|word| word.starts_with("ci/")) {
            assert!(executable(&support::root().join(script)), "{workflow}: {script}");
        }
    }
}

/// GitHub puts an expression's text into the shell before it runs: a branch or an input could hold commands.
#[test]
fn no_shell_contains_an_expression() {
    for (workflow, shell) in shells() {
        assert!(!shell.contains("${{"), "{workflow}: pass it through `env:`: {shell}");
    }
}

#[test]
fn nothing_hides_a_red_step() {
    let scripts = scripts().into_iter().map(|path| fs::read_to_string(path).unwrap());
    for text in WORKFLOWS.into_iter().map(text).chain(scripts) {
        for word in ["continue-on-error", "--retries", "NEXTEST_RETRIES", "|| true"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn jobs_may_only_read_end_in_time_and_run_pinned_actions() {
    for name in WORKFLOWS {
        let workflow = workflow(name);
        assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }), "{name}");
        assert!(workflow["concurrency"]["group"].is_string(), "{name}");
        for (job, value) in workflow["jobs"].as_object().unwrap() {
            assert!(value["timeout-minutes"].is_u64(), "{name}: {job}");
            assert!(value["permissions"].is_null(), "{name}: {job}");
        }
        for action in steps(&workflow).iter().filter_map(|step| step["uses"].as_str()) {
            let (_, commit) = action.split_once('@').unwrap();
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(pinned, "{name}: {action}");
        }
    }
}

#[test]
fn a_pull_request_runs_every_partition_from_one_build() {
    let mut runner = Runner::new("pull-request", 0);
    assert_eq!(runner.job("build").0, 0);
    let partitions = runner.workflow["jobs"]["gate"]["strategy"]["matrix"]["partition"].clone();
    let partitions = partitions.as_array().unwrap();
    for partition in partitions {
        runner.values.insert("matrix.partition", partition.to_string());
        let (status, log) = runner.job("gate");
        assert_eq!(status, 0, "{log}");
        let run = line(&log, "cargo-nextest nextest run ");
        assert!(
            run.contains(&format!(" --partition hash:{partition}/{},", partitions.len())),
            "{run}"
        );
        assert!(run.contains(" --profile ci ") && run.contains(" live= "), "{run}");
        assert!(runner.artefact(&format!("junit-{partition}/junit.xml")).is_file());
        assert!(!runner.artefact(&format!("pending-snapshots-{partition}")).exists());
    }
}

#[test]
fn a_red_partition_passes_its_status_on_and_leaves_junit_and_snapshots() {
    let mut runner = Runner::new("pull-request", 100);
    runner.job("build");
    runner.values.insert("matrix.partition", "2".to_owned());
    assert_eq!(runner.job("gate").0, 100);
    assert!(runner.artefact("junit-2/junit.xml").is_file());
    let printed = fs::read_to_string(runner.path("printed")).unwrap();
    let take = "cargo insta accept --snapshot 'baselines/h200/a model/burst.snap'";
    assert!(printed.contains(take), "{printed}");
    // At its place in a checkout.
    assert!(runner.artefact("pending-snapshots-2/baselines/h200/a model/burst.snap.new").is_file());
}

#[test]
fn a_pull_request_reports_what_was_judged_and_what_would_be_noticed_also_when_red() {
    for gate in [0, 1] {
        let runner = Runner::new("pull-request", gate);
        runner.job("build");
        let (status, log) = runner.job("report");
        assert_eq!(status, i32::from(gate), "{log}");
        for part in ["check", "power", "report"] {
            line(&log, &format!("simgate {part} "));
        }
        for file in ["check.json", "power.json", "report/index.html"] {
            assert!(runner.artefact("report").join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn a_night_runs_the_real_side_live_and_records_repeats_also_when_red() {
    for gate in [0, 100] {
        let runner = Runner::new("nightly-gpu", gate);
        let (status, log) = runner.job("build");
        assert_eq!(status, 0, "{log}");
        assert!(line(&log, "build-cuda.sh ").contains(" 90 target/bundle/gate.tar.zst,"), "{log}");
        let (status, log) = runner.job("gpu");
        assert_eq!(status, i32::from(gate), "{log}");
        assert!(log.starts_with("gpu-preflight.sh 90,"), "{log}");
        let run = line(&log, "cargo-nextest nextest run ");
        assert!(run.contains(" --test-threads 1 -- h200::, live=1 require=1 "), "{run}");
        for set in 1..=3 {
            let records = log
                .lines()
                .filter(|line| line.starts_with("simgate record h200::a::burst h200::a::spaced "));
            assert_eq!(
                records.filter(|line| line.contains(&format!("/set-{set} "))).count(),
                1,
                "{log}"
            );
        }
        let nights: Vec<_> = fs::read_dir(runner.artefact("held-out-repeats-7")).unwrap().collect();
        assert_eq!(nights.len(), 1);
        let night = nights[0].as_ref().unwrap().path();
        assert!(night.join("set-3/h200/a/burst/recording.json").is_file());
        assert!(runner.artefact("junit/junit.xml").is_file());
        assert_eq!(runner.artefact("pending-snapshots").exists(), gate != 0);
    }
}

#[test]
fn a_gpu_machine_that_is_not_ready_measures_nothing() {
    let mut runner = Runner::new("nightly-gpu", 0);
    runner.job("build");
    runner.lack = 1;
    let (status, log) = runner.job("gpu");
    assert_eq!(status, 1, "{log}");
    assert!(log.lines().all(|line| line.starts_with("gpu-preflight.sh")), "{log}");
}

#[test]
fn the_nights_that_it_takes_follow_from_the_recipes() {
    let trials = 299;
    assert!(0.99_f64.powi(trials) < 0.05 && 0.99_f64.powi(trials - 1) >= 0.05);
    let workflow = workflow("nightly-gpu");
    let record = steps(&workflow).into_iter().find(|step| step["env"]["SETS"].is_u64()).unwrap();
    let sets = record["env"]["SETS"].as_u64().unwrap();
    let cases = simgate::gate::discover(&support::root().join("cases")).unwrap();
    let hardware = format!("{}::", workflow["env"]["HARDWARE"].as_str().unwrap());
    let processes = cases.iter().filter(|case| case.name.starts_with(&hardware)).map(|case| {
        let case: Value = serde_saphyr::from_str(&fs::read_to_string(&case.path).unwrap()).unwrap();
        case["real"]["candle"]["processes"].as_u64().unwrap()
    });
    let processes = processes.min().unwrap();
    let a_night = sets * processes;
    let nights = u64::try_from(trials).unwrap().div_ceil(a_night);
    let comment = text("nightly-gpu").replace("\n# ", " ");
    for part in [
        format!("{sets} sets of {processes} are {a_night} a night"),
        format!("{trials} take {nights} nights"),
    ] {
        assert!(comment.contains(&part), "nightly-gpu.yml should say `{part}`");
    }
}

#[test]
fn an_update_keeps_what_moved_and_passes_its_filter_on_as_one_word() {
    for (filter, passed_on) in [("", r" -E binary\(gate\),"), ("a; touch b", r" -- a\;\ touch\ b,")]
    {
        let mut runner = Runner::new("update-baselines", 100);
        runner.values.insert("inputs.filter", filter.to_owned());
        let (status, log) = runner.job("snapshots");
        assert_eq!(status, 100, "{log}");
        let run = line(&log, "cargo-nextest nextest run ");
        assert!(run.contains(passed_on) && run.ends_with(" update=new"), "{run}");
        assert!(
            runner.artefact("pending-snapshots/baselines/h200/a model/burst.snap.new").is_file()
        );
    }
}
