//! A project in a temporary folder: a workload, runs and cases to hold against them.

#![allow(dead_code, reason = "each test binary uses its own part")]

#[cfg(feature = "candle")]
pub mod recordings;
#[cfg(feature = "candle")]
pub mod stock;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use simgate::backend::served;
use simgate::files::write_inside;
use simgate::gate::{Gate, Outcome};
use simgate::run as runs;
use simgate::run::{Boundary, Run, RunMeta};
use simgate::workload::{self, Request, Workload};

/// The checkout that the tests run in, also from an archive.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
}

/// The committed profiles of GPUs, each with the folder of its model's baselines.
pub fn gpu_profiles() -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for hardware in fs::read_dir(root().join("baselines")).unwrap().flatten() {
        let Ok(profiles) = fs::read_dir(hardware.path().join("profiles")) else { continue };
        for bundle in profiles.flatten().map(|entry| entry.path()) {
            let model = hardware.path().join(bundle.file_name().unwrap());
            found.extend(bundle.join("replays.csv.zst").is_file().then_some((bundle, model)));
        }
    }
    found
}

/// A project with `cases/`, `baselines/` and `w/`, a workload directory.
pub struct Project {
    dir: tempfile::TempDir,
    pub workload: Workload,
}

/// Requests that never overlap: arrival every second, TTFT 10 ms + i x 0.1 ms, gaps of 2 ms.
pub fn run_of(workload: &Workload, scale: f64) -> Run {
    let times = |request: &Request| -> Vec<u64> {
        let at = |token: u32| {
            let latency = 10e6 + request.request_id as f64 * 0.1e6 + f64::from(token) * 2e6;
            request.arrival_ns + (latency * scale) as u64
        };
        (0..request.decode_tokens).map(at).collect()
    };
    let times: Vec<Vec<u64>> = workload.requests.iter().map(times).collect();
    Run { meta: None, ..served(workload, &times, RunMeta::new("test", Boundary::Engine)) }
}

impl Project {
    /// `requests` requests of `tokens` output tokens each; sides `real` and `sim` of five repeats
    /// each, the sim 1 % slower.
    pub fn new(requests: u64, tokens: u32) -> Self {
        let request = |i| Request {
            request_id: i,
            prompt_id: format!("p{i}"),
            prefill_tokens: 8,
            decode_tokens: tokens,
            arrival_ns: i * 1_000_000_000,
        };
        let workload =
            Workload { requests: (0..requests).map(request).collect(), ..Workload::default() };
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("cases")).unwrap();
        fs::create_dir_all(dir.path().join("baselines")).unwrap();
        workload::write(&workload, &dir.path().join("w")).unwrap();
        let project = Self { dir, workload };
        for k in 0..5 {
            let repeat = 1.0 + 0.001 * f64::from(k);
            project.write_run(&format!("real/r{k}"), &run_of(&project.workload, repeat));
            project.write_run(&format!("sim/r{k}"), &run_of(&project.workload, repeat * 1.01));
        }
        project
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, relative: &str, text: impl AsRef<[u8]>) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_inside(&path, text.as_ref()).unwrap();
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    pub fn write_run(&self, relative: &str, run: &Run) {
        fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        runs::write(run, &self.path(relative)).unwrap();
    }

    /// Changes every repeat of one side.
    pub fn change_side(&self, side: &str, change: impl Fn(&mut Run)) {
        for k in 0..5 {
            let relative = format!("{side}/r{k}");
            let mut run = runs::read(&self.path(&relative)).unwrap();
            change(&mut run);
            self.write_run(&relative, &run);
        }
    }

    /// A case over both sides with these further lines.
    pub fn case(&self, name: &str, more: &str) {
        let sides = "workload: { dir: w }\n\
             real: { recorded: { runs: [real], boundary: engine } }\n\
             sim: { recorded: { runs: [sim], boundary: engine } }\n";
        self.write(&format!("cases/{name}.yaml"), format!("{sides}{more}"));
    }

    pub fn gate(&self) -> Gate {
        Gate::new(self.path("cases")).baselines(self.path("baselines"))
    }

    /// Judges the project's case called `name`.
    pub fn check(&self, name: &str) -> Outcome {
        let gate = self.gate();
        let files = gate.case_files().unwrap();
        gate.check(files.iter().find(|file| file.name == name).unwrap())
    }

    /// Why the project's only case, of these further lines, cannot be judged.
    pub fn error(&self, more: &str) -> String {
        self.case("c", more);
        self.check("c").judged.unwrap_err().to_string()
    }
}

pub const TTFT_P50: &str = "tolerance: { ttft: { p50: 5% } }\n";

/// The `simgate` command; nextest says where it is when tests run from an archive.
pub fn binary() -> std::ffi::OsString {
    std::env::var_os("NEXTEST_BIN_EXE_simgate")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_simgate").into())
}

/// It, in a folder.
pub fn simgate(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(dir).args(arguments);
    for variable in [
        "INSTA_UPDATE",
        "INSTA_FORCE_PASS",
        "SIMGATE_LIVE",
        "CI",
        "GITHUB_ACTIONS",
        "GITHUB_WORKSPACE",
        "GITHUB_STEP_SUMMARY",
    ] {
        command.env_remove(variable);
    }
    command
}

/// All that it printed.
pub fn text(output: &Output) -> String {
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", read(&output.stdout), read(&output.stderr))
}

/// Its exit code and all that it printed.
pub fn run(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let output = simgate(dir, arguments).output().unwrap();
    (output.status.code().unwrap(), text(&output))
}
