//! Baselines: recordings that were accepted, held to their case, and told when they are stale or altered.

#![cfg(feature = "candle")]

mod support;

use std::fs;

use simgate::gate::Recording;
use support::recordings::{RECORD, done, is_whole, profile, project, relist};
use support::{run, simgate, text};

#[test]
fn a_recording_becomes_a_baseline_with_its_reason_and_stays_in_its_budget() {
    let project = project("");
    profile(&project);
    done(&project, &RECORD);
    let recording = Recording::read(&project.path("recordings/c")).unwrap().unwrap();
    assert_eq!(recording.reason.as_deref(), Some("a test"));
    assert!(is_whole(&project.path("recordings/c")));
    let ids: Vec<_> = recording.runs.iter().map(|run| &run.token_ids).collect();
    assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let text = done(&project, &["accept", "c", "--allow-dirty"]);
    assert!(text.contains("c: nothing to compare with"), "{text}");
    assert!(!project.path("recordings/c").exists());
    // Compact as it is, it reads back whole: the sim takes the very same steps.
    let check = simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", support::text(&check));
    let snapshot = project.read("baselines/c.snap");
    assert!(snapshot.contains(" runs of 5 processes"), "{snapshot}");
    // A second recording is shown against the first, real against real.
    done(&project, &RECORD);
    let text = done(&project, &["accept", "c", "--allow-dirty", "--dry-run"]);
    assert!(text.contains("the old baseline (real) against the new one (sim)"), "{text}");
    assert!(text.contains(" runs of 5 processes, sim") && text.contains("] %"), "{text}");
    assert!(project.path("recordings/c").exists());
}

#[test]
fn an_accepted_recording_needs_a_reason() {
    let project = project("");
    done(&project, &RECORD[..5]);
    let (code, text) = run(project.root(), &["accept", "c", "--allow-dirty"]);
    assert_eq!(code, 2);
    assert!(text.contains("c: say why its baseline changes, with --reason"), "{text}");
    done(&project, &["accept", "c", "--allow-dirty", "--reason", "first"]);
}

#[test]
fn an_edit_names_its_file_and_both_hashes_and_a_drift_does_not() {
    let project = project("");
    profile(&project);
    done(&project, &RECORD);
    done(&project, &["accept", "c", "--allow-dirty"]);
    let check = |update: &str| {
        let output = simgate(project.root(), &["check"]).env("INSTA_UPDATE", update).output();
        let output = output.unwrap();
        (output.status.code().unwrap(), text(&output))
    };
    assert_eq!(check("always").0, 0);
    assert_eq!(check("no").0, 0);
    // One digit of a profile.
    let ops = project.read("baselines/cpu/profiles/tiny/ops.csv");
    let line = ops.lines().nth(3).unwrap();
    let digit = line.rfind(|c: char| c.is_ascii_digit()).unwrap();
    let other = if line.ends_with('1') { "2" } else { "1" };
    let edited = ops.replace(line, &format!("{}{other}", &line[..digit]));
    assert_ne!(edited, ops);
    project.write("baselines/cpu/profiles/tiny/ops.csv", &edited);
    let (code, found) = check("no");
    println!("{found}");
    assert_eq!(code, 1, "{found}");
    let stale = "the accepted snapshot baselines/c.snap is stale: baselines/cpu/profiles/tiny/ops.csv changed (";
    assert!(found.contains(stale), "{found}");
    project.write("baselines/cpu/profiles/tiny/ops.csv", &ops);
    // A comment changes nothing, a seed does.
    let case = project.read("cases/c.yaml");
    project.write("cases/c.yaml", format!("# why\n{case}"));
    assert_eq!(check("no").0, 0);
    project.write("cases/c.yaml", case.replace("seeds: 3", "seeds: 4"));
    let (_, found) = check("no");
    assert!(found.contains("is stale: cases/c.yaml changed ("), "{found}");
    // What was served another way makes the baseline itself stale.
    project.write("cases/c.yaml", case.replace("chunk_tokens: 24", "chunk_tokens: 20"));
    let (code, found) = check("no");
    assert_eq!(code, 2, "{found}");
    assert!(
        found.contains("`engine:` in cases/c.yaml changed (")
            && found.contains("baselines/c/p0r0 is stale: it was recorded with another engine"),
        "{found}"
    );
    // Numbers that move by themselves are another matter.
    project.write("cases/c.yaml", &case);
    let snapshot = project.read("baselines/c.snap");
    project.write("baselines/c.snap", snapshot.replacen(" ms", " s", 1));
    let (code, found) = check("no");
    assert_eq!(code, 1, "{found}");
    assert!(found.contains("though no input of it was edited"), "{found}");
}

#[test]
fn what_fits_a_profile_may_not_gate_it_and_other_machines_only_show() {
    let project = project("");
    profile(&project);
    done(&project, &RECORD);
    let meta = project.read("baselines/cpu/profiles/tiny/profile_meta.json");
    let recording = Recording::read(&project.path("recordings/c")).unwrap().unwrap();
    let id = &recording.runs[2].run_id;
    project.write(
        "baselines/cpu/profiles/tiny/profile_meta.json",
        meta.replacen("\"run_ids\": [", &format!("\"run_ids\": [\n    \"{id}\","), 1),
    );
    let (code, found) = run(project.root(), &["accept", "c", "--allow-dirty"]);
    assert_eq!(code, 2);
    assert!(found.contains("is one of the runs that the profile was fitted to"), "{found}");
    // A recording from another host lies beside the baseline and is never judged.
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", &meta);
    done(&project, &["accept", "c", "--allow-dirty"]);
    done(&project, &RECORD);
    let host = meta.lines().find(|line| line.contains("\"host\":")).unwrap();
    let elsewhere = meta.replace(host, "  \"host\": \"another CPU\",");
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", &elsewhere);
    let found = done(&project, &["accept", "c", "--allow-dirty"]);
    assert!(found.contains("baselines/c/cross/cpu-"), "{found}");
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", &meta);
    let check = simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));
    let snapshot = project.read("baselines/c.snap");
    assert!(snapshot.contains("cross-machine, cpu-"), "{snapshot}");
    // Were it the baseline, a gated case would refuse it.
    let case = project.read("cases/c.yaml");
    project.write("cases/c.yaml", format!("{case}tolerance: {{ tbt: {{ p50: 90% }} }}\n"));
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", &elsewhere);
    let (code, found) = run(project.root(), &["check"]);
    assert_eq!(code, 2, "{found}");
    assert!(found.contains("was recorded on another machine than the profile"), "{found}");
}

#[test]
fn a_live_run_far_from_its_recording_says_that_the_baseline_is_stale() {
    let project = project("");
    profile(&project);
    done(&project, &RECORD);
    done(&project, &["accept", "c", "--allow-dirty"]);
    let tolerance = "tolerance: { tbt: { p50: 60% } }\n";
    // Without a snapshot: live figures never stand in one.
    let live = |more: &str| {
        let case = project.read("cases/c.yaml");
        project.write("cases/c.yaml", format!("{case}{tolerance}{more}"));
        let found = run(project.root(), &["check", "--live", "c"]);
        project.write("cases/c.yaml", case);
        found
    };
    let (_, found) = live("");
    assert!(found.contains("live against recorded: 12 requests; real "), "{found}");
    let meta = project.read("baselines/cpu/profiles/tiny/profile_meta.json");
    let host = meta.lines().find(|line| line.contains("\"host\":")).unwrap();
    let elsewhere = meta.replace(host, "  \"host\": \"another CPU\",");
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", &elsewhere);
    let (code, found) = live("");
    assert_eq!(code, 3, "{found}");
    assert!(found.contains("other machine"), "{found}");
    let (_, found) = live("machine: any\n");
    assert!(found.contains("- cross-machine: the profile's host is another CPU"), "{found}");
    assert!(!found.contains("other machine"), "{found}");
    project.write("baselines/cpu/profiles/tiny/profile_meta.json", &meta);
    // A baseline a thousand times slower, whose processes hardly differ however loaded this host is.
    let dirs = simgate::run::read_repeats(&project.path("baselines/c")).unwrap();
    let first = simgate::run::read(&dirs[0]).unwrap();
    for (k, dir) in dirs.iter().enumerate() {
        let later = |time: u64| time * (1000 + k as u64);
        let mut slow = first.clone();
        slow.meta = simgate::run::read_meta(dir).unwrap();
        slow.requests.iter_mut().for_each(|request| {
            request.first_token_ns = request.first_token_ns.map(later);
            request.completion_ns = request.completion_ns.map(later);
        });
        slow.steps.iter_mut().for_each(|step| {
            step.start_ns = later(step.start_ns);
            step.end_ns = later(step.end_ns);
        });
        let tokens = slow.tokens.take().unwrap();
        let times = |i| tokens.of(i).iter().map(|time| later(*time)).collect::<Vec<u64>>();
        let all: Vec<_> = (0..slow.requests.len()).map(times).collect();
        slow.tokens = Some(simgate::run::TokenTimes::from_requests(all));
        simgate::run::write_compact(&slow, dir, simgate::run::Keep::Whole).unwrap();
    }
    relist(&project.path("baselines/c"));
    let (code, found) = live("");
    assert_eq!(code, 1, "{found}");
    assert!(
        found.contains("c: the baseline is stale: live against recorded, tbt.p50 -"),
        "{found}"
    );
}

#[test]
fn repeats_past_the_fifth_may_keep_percentiles_only() {
    let project = project("");
    profile(&project);
    done(&project, &RECORD);
    done(&project, &["accept", "c", "--allow-dirty"]);
    let check = || {
        let command = ["check", "--json", "out.json"];
        simgate(project.root(), &command).env("INSTA_UPDATE", "no").output().unwrap();
        let json: serde_json::Value = serde_json::from_str(&project.read("out.json")).unwrap();
        json["cases"][0].clone()
    };
    let whole = check();
    let dirs = simgate::run::read_repeats(&project.path("baselines/c")).unwrap();
    for dir in &dirs[5..] {
        let run = simgate::run::read(dir).unwrap();
        let samples = simgate::compare::samples_of(&run);
        let gaps = simgate::run::GapPercentiles {
            percentiles_ns: samples.percentiles(simgate::compare::Metric::Tbt),
            independent: samples.distinct_gaps as u64,
        };
        simgate::run::write_compact(&run, dir, simgate::run::Keep::Percentiles(gaps)).unwrap();
        assert!(!dir.join("step_metrics.csv.zst").exists());
    }
    relist(&project.path("baselines/c"));
    let thin = check();
    assert_eq!(whole["verdict"], thin["verdict"]);
    // Percentiles are kept to the picosecond.
    let digits = |case: &serde_json::Value| {
        let metrics = case["metrics"].as_array().unwrap();
        let of = |m: &serde_json::Value, key| format!("{:.4}", m[key].as_f64().unwrap());
        let keys = ["real_ns", "sim_ns", "error_pct", "ci_low_pct", "noise_pct"];
        metrics.iter().map(|m| keys.map(|key| of(m, key))).collect::<Vec<_>>()
    };
    assert_eq!(digits(&whole), digits(&thin));
}

#[test]
fn a_recording_that_somebody_altered_is_refused() {
    let project = project("");
    profile(&project);
    done(&project, &RECORD);
    done(&project, &["accept", "c", "--allow-dirty"]);
    let place = project.path("baselines/c");
    let list = project.read("baselines/c/recording.json");
    let refused = |expected: &str| {
        let (code, found) = run(project.root(), &["check"]);
        assert_eq!(code, 2, "{found}");
        assert!(found.contains(expected), "{expected}: {found}");
    };
    // A repeat taken out, put in, or changed.
    fs::rename(place.join("p1r0"), project.path("p1r0")).unwrap();
    refused("p1r0: recording.json lists it, but it is gone");
    fs::rename(project.path("p1r0"), place.join("p1r0")).unwrap();
    project.write("baselines/c/p7r0/request_metrics.csv", "request_id\n");
    refused("p7r0: recording.json does not list it");
    fs::remove_dir_all(place.join("p7r0")).unwrap();
    let meta = project.read("baselines/c/p0r0/run_meta.json");
    project
        .write("baselines/c/p0r0/run_meta.json", meta.replace("\"process\": 0", "\"process\": 9"));
    refused("p0r0: its files changed (");
    project.write("baselines/c/p0r0/run_meta.json", meta);
    // One refused by hand, and a list cut short.
    let mut by_hand = Recording::read(&place).unwrap().unwrap();
    let of_p1 = by_hand.runs.iter_mut().find(|run| run.process == 1 && run.repeat == 0);
    of_p1.unwrap().refused = Some("too slow".to_owned());
    by_hand.write(&place).unwrap();
    refused("p1r0: it is refused, or kept, against the recording's own criterion");
    by_hand.runs.truncate(2);
    by_hand.write(&place).unwrap();
    refused("recording.json does not list it");
    project.write("baselines/c/recording.json", list);
    let check = simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));
}

#[test]
fn baselines_are_neither_recorded_over_nor_moved_onto_themselves() {
    let project = project("");
    let (code, found) =
        run(project.root(), &["record", "c", "--allow-dirty", "--out", "baselines"]);
    assert_eq!(code, 2);
    assert!(found.contains("lies among the baselines"), "{found}");
    done(&project, &RECORD);
    done(&project, &["accept", "c", "--allow-dirty"]);
    let (code, found) = run(
        project.root(),
        &["accept", "c", "--allow-dirty", "--from", "baselines", "--reason", "x"],
    );
    assert_eq!(code, 2);
    assert!(found.contains("lies among the baselines: there is nothing to move"), "{found}");
    assert!(project.path("baselines/c/p0r0").is_dir());
}
