//! Recording: processes of their own, resumed after a kill, and what is refused while it goes on.

#![cfg(feature = "candle")]

mod support;

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use simgate::files::read_text;
use simgate::gate::Recording;
use simgate::stats::Random;
use support::recordings::{RECORD, done, files, is_whole, project};
use support::{run, simgate};

/// `SIMGATE_KILLS=100 cargo test --test recording -- kill --nocapture` tries that many moments.
#[test]
fn a_kill_at_any_moment_leaves_the_old_baseline_and_whole_processes() {
    let project = project("");
    done(&project, &RECORD);
    done(&project, &["accept", "c", "--allow-dirty"]);
    let baseline = files(&project.path("baselines"));
    let kills = std::env::var("SIMGATE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let mut random = Random::new(std::process::id().into(), 0);
    let (mut finished, mut resumed) = (0, 0);
    for _ in 0..kills {
        let mut recorder = simgate(project.root(), &RECORD)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs_f64(random.unit() * 2.5));
        recorder.kill().unwrap();
        recorder.wait().unwrap();
        assert_eq!(files(&project.path("baselines")), baseline);
        // What is under the final name is complete.
        let place = project.path("recordings/c");
        if place.exists() {
            let recording = Recording::read(&place).unwrap().unwrap();
            assert!(is_whole(&place));
            for kept in recording.kept() {
                simgate::run::read(&place.join(kept.dir.as_ref().unwrap())).unwrap();
            }
            finished += 1;
        }
        // And what is not, goes on or starts anew.
        let text = done(&project, &RECORD);
        resumed += u32::from(text.contains("goes on behind"));
        assert!(is_whole(&place));
        let names: Vec<_> = fs::read_dir(project.path("recordings")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        fs::remove_dir_all(place).unwrap();
    }
    println!("{kills} kills: {finished} after the end, {resumed} resumed, the others began anew");
}

#[test]
fn a_recorder_of_several_cases_leaves_those_alone_that_it_had_finished() {
    let project = project("");
    let case = project.read("cases/c.yaml");
    project.write("cases/d.yaml", case.replace("seed: 5", "seed: 6"));
    let both: Vec<&str> = RECORD.iter().copied().chain(["d"]).collect();
    done(&project, &both);
    let first = files(&project.path("recordings/c"));
    // As a kill leaves it before the last case takes its place.
    let (place, under_way) =
        (project.path("recordings/d"), project.path("recordings/.d.recording"));
    fs::rename(&place, &under_way).unwrap();
    fs::rename(under_way.join("recording.json"), under_way.join("progress.json")).unwrap();
    let text = done(&project, &both);
    assert!(text.contains("c: recorded already"), "{text}");
    assert!(text.contains("d: goes on behind 10 repeats"), "{text}");
    assert_eq!(files(&project.path("recordings/c")), first);
    // With all of them finished, all are recorded anew.
    let text = done(&project, &both);
    assert!(!text.contains("recorded already"), "{text}");
    assert_ne!(files(&project.path("recordings/c")), first);
}

#[test]
fn two_recorders_of_one_case_do_not_mix() {
    let project = project("");
    let folder = project.path("recordings/.c.recording");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::open(&folder).unwrap();
    lock.lock().unwrap();
    let (code, text) = run(project.root(), &RECORD);
    assert_eq!(code, 2);
    assert!(text.contains("c is being recorded by another process"), "{text}");
}

#[test]
fn repeats_on_an_unsteady_host_are_refused_and_stay_in_the_list() {
    let project = project("");
    let (code, text) =
        run(project.root(), &["record", "c", "--allow-dirty", "--max-host-drift", "0.0000001%"]);
    assert!(text.contains("a repeat is refused: the host-speed index moved by"), "{text}");
    // A very steady host may measure the same index to the digit, and so get through after all.
    let list = match code {
        0 => "recordings/c/recording.json",
        _ => "recordings/.c.recording/progress.json",
    };
    assert_eq!(code == 2, text.contains("of 5 processes count"), "{text}");
    let list = read_text(&project.path(list)).unwrap();
    assert!(list.contains("\"refused\": \"the host-speed index moved by"), "{list}");
}

#[test]
fn a_tolerance_below_the_noise_is_refused_and_says_how_many_processes_would_do() {
    let project = project("tolerance: { tbt: { p50: 0.001% } }\n");
    let (code, text) = run(project.root(), &RECORD);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("the tolerance of 0.001 % on tbt.p50 is refused"), "{text}");
    let (code, text) = run(project.root(), &["accept", "c", "--allow-dirty"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("more than half of it; not even 100 processes would do"), "{text}");
    assert!(!project.path("baselines/c").exists());
}

#[test]
fn what_could_never_be_judged_is_not_recorded() {
    let project = project("tolerance: { ttft: { p99: 5% } }\n");
    let (code, text) = run(project.root(), &RECORD);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("ttft.p99, which needs 300 requests in each repeat"), "{text}");
}

#[test]
fn a_recorder_goes_on_only_with_what_it_began() {
    let project = project("");
    let mut recorder = simgate(project.root(), &RECORD)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let progress = project.path("recordings/.c.recording/progress.json");
    while !fs::read_to_string(&progress).is_ok_and(|text| text.contains("p1r1")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let case = project.read("cases/c.yaml");
    project.write("cases/c.yaml", case.replace("repeats: 2", "repeats: 1"));
    let (code, found) = run(project.root(), &RECORD);
    assert_eq!(code, 2, "{found}");
    assert!(
        found.contains("holds the beginning of another recording: the recipe is another"),
        "{found}"
    );
    let again = [&RECORD[..], &["--restart"]].concat();
    let found = done(&project, &again);
    assert!(!found.contains("goes on behind"), "{found}");
    assert_eq!(Recording::read(&project.path("recordings/c")).unwrap().unwrap().runs.len(), 5);
}
