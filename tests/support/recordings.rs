//! A project whose case can be recorded in seconds, and what its tests look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use simgate::gate::Recording;

use super::{Project, root, run};

/// Records case `c`, whatever this build and host are like.
pub const RECORD: [&str; 6] =
    ["record", "c", "--allow-dirty", "--max-host-drift", "95%", "--reason=a test"];

/// A project with a recordable case `c` of the tiny checkpoint, and its profile.
pub fn project(tolerance: &str) -> Project {
    let project = Project::new(1, 1);
    let fixture = root().join("tests/fixtures/tiny-qwen3");
    for name in ["config.json", "model.safetensors"] {
        project.write(&format!("models/tiny/{name}"), fs::read(fixture.join(name)).unwrap());
    }
    project.write("cases/c.yaml", format!(
        "model: tiny\nhardware: cpu\nworkload: {{ prompts: {{ synthetic: {{ tokens: {{ uniform: {{ min: 3, max: 40 }} }} }} }}, output_tokens: {{ uniform: {{ min: 2, max: 20 }} }}, arrivals: all_at_once, requests: 12, seed: 5 }}\n\
         engine: {{ policy: sarathi, chunk_tokens: 24, max_sequences: 4, kv_block_tokens: 4, kv_blocks: 40, ignore_eos: true }}\n\
         real: {{ candle: {{ processes: 5, repeats: 2, warmup: 1 }} }}\nsim: {{ native: {{ profile: cpu/tiny, seeds: 3 }} }}\n{tolerance}"
    ));
    project
}

pub fn profile(project: &Project) {
    let arguments = [
        "profile",
        "tiny",
        "--out",
        "baselines/cpu/profiles/tiny",
        "--max-tokens",
        "24",
        "--max-context",
        "64",
        "--max-sequences",
        "4",
        "--kv-block-tokens",
        "4",
    ];
    let (code, text) = run(project.root(), &arguments);
    assert_eq!(code, 0, "{text}");
}

pub fn done(project: &Project, arguments: &[&str]) -> String {
    let (code, text) = run(project.root(), arguments);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

/// A whole recording: each of its processes counts, whatever single repeats a loaded host lost.
pub fn is_whole(place: &Path) -> bool {
    let recording = Recording::read(place).unwrap().unwrap();
    let processes: BTreeSet<u32> = recording.kept().map(|run| run.process).collect();
    processes.len() == 5 && recording.runs.len() >= 10
}

/// Every file below a folder with its bytes.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            for (below, bytes) in files(&path) {
                found.insert(format!("{name}/{below}"), bytes);
            }
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// Lets the recording in `dir` list its runs as they are now.
pub fn relist(dir: &Path) {
    let mut recording = Recording::read(dir).unwrap().unwrap();
    for run in &mut recording.runs {
        let Some(folder) = run.dir.as_ref().map(|name| dir.join(name)) else { continue };
        run.files = Some(simgate::run::files_hash(&folder).unwrap());
    }
    recording.write(dir).unwrap();
}
