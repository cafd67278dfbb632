//! A real side against itself, and what a recording tells of itself.

mod support;

use simgate::run::{Boundary, RunMeta};
use support::{Project, run_of};

/// A case whose real side, five processes of which every second is 1 % slower, is held against itself.
fn project(processes: u32) -> Project {
    let project = Project::new(40, 3);
    std::fs::remove_dir_all(project.path("real")).unwrap();
    for k in 0..processes {
        let slower = 1.0 + 0.01 * f64::from(k % 2) + 1e-4 * f64::from(k);
        let mut run = run_of(&project.workload, slower);
        let mut meta = RunMeta::new("test", Boundary::Engine);
        meta.process = Some(k);
        run.meta = Some(meta);
        project.write_run(&format!("real/p{k}"), &run);
    }
    case(&project, "");
    project
}

fn case(project: &Project, more: &str) {
    let sides = "workload: { dir: w }\nreal: { recorded: { runs: [real], boundary: engine } }\nsim: itself\n";
    project.write("cases/c.yaml", format!("{sides}{more}"));
}

#[test]
fn every_other_process_is_held_against_the_rest() {
    let project = project(5);
    let judged = project.check("c").judged.unwrap();
    let figure = judged.comparison.figure("ttft.p50".parse().unwrap()).unwrap();
    assert_eq!((figure.real.units, figure.sim.units), (3, 2));
    assert!((figure.error() - 0.01).abs() < 3e-4, "{}", figure.error());
    assert!(judged.notes.iter().any(|note| note.contains("against itself")), "{:?}", judged.notes);
    // Nothing is predicted, so nothing can be within.
    case(&project, support::TTFT_P50);
    let message = project.check("c").judged.unwrap_err().to_string();
    assert!(message.contains("a tolerance beside `sim: itself`"), "{message}");
}

#[test]
fn a_side_without_a_second_process_has_nothing_to_be_held_against() {
    let message = project(1).check("c").judged.unwrap_err().to_string();
    assert!(message.contains("`sim: itself` needs two recorded processes"), "{message}");
}

#[test]
fn only_the_sim_side_can_be_the_other_one_again() {
    let project = project(2);
    for (text, expected) in [
        ("real: itself\nsim: { recorded: { runs: [real] } }\n", "`real: itself`"),
        (
            "real: { registered: { name: x } }\nsim: itself\nbaseline: none\n",
            "`sim: itself` on a case without a recording",
        ),
        (
            "real: { recorded: { runs: [real] } }\nsim: { itself: {} }\n",
            "unexpected value for unit",
        ),
    ] {
        project.write("cases/c.yaml", format!("workload: {{ dir: w }}\n{text}"));
        let message = project.check("c").judged.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[cfg(feature = "candle")]
mod recorded {
    use simgate::gate::Recording;
    use simgate::run::Keep;

    use super::support::recordings::{RECORD, done, project, relist};
    use super::support::{run, simgate};

    #[test]
    fn a_recording_tells_how_well_it_agrees_with_itself_and_where_its_steps_spend_their_time() {
        let project = project("");
        let case = project.read("cases/c.yaml");
        let itself =
            case.replace("sim: { native: { profile: cpu/tiny, seeds: 3 } }", "sim: itself");
        assert_ne!(case, itself);
        project.write("cases/c.yaml", itself);
        done(&project, &RECORD);
        done(&project, &["accept", "c", "--allow-dirty"]);
        let text = done(&project, &["spread", "--metric", "ttft"]);
        let rows: Vec<&str> = text.lines().filter(|line| line.contains(" ttft.")).collect();
        assert!(rows.len() == 3 && !text.contains("tbt"), "{text}");
        assert!(rows[0].contains("ttft.p50") && rows[0].contains("2 %"), "{text}");
        // Twelve requests carry no p99.
        assert!(rows[2].trim_end().ends_with("few"), "{text}");
        let text = done(&project, &["spread", "c", "--steps", "--markdown"]);
        assert!(text.contains("| launch") && text.contains("| c "), "{text}");
        let (code, text) = run(project.root(), &["spread", "nothing"]);
        assert_eq!(code, 2);
        assert!(text.contains("no case with `nothing` in its name was recorded"), "{text}");
        let accept = simgate(project.root(), &["check"]).env("INSTA_UPDATE", "always").output();
        assert_eq!(accept.unwrap().status.code(), Some(0));
        // Served anew, it is held against its recording.
        let live = simgate(project.root(), &["check", "--live"]).output().unwrap();
        assert_eq!(live.status.code(), Some(0), "{}", super::support::text(&live));
        // One repeat that took other steps.
        let dir = project.path("baselines/c/p1r0");
        let whole = super::support::recordings::files(&dir);
        let mut other = simgate::run::read(&dir).unwrap();
        let chunk = other.plans.iter().position(|plan| plan.tokens > 2).unwrap();
        other.plans[chunk].context += 1;
        std::fs::remove_dir_all(&dir).unwrap();
        simgate::run::write_compact(&other, &dir, Keep::Whole).unwrap();
        relist(&project.path("baselines/c"));
        let (code, text) = run(project.root(), &["check"]);
        assert_eq!(code, 1);
        assert!(text.contains("the plans"), "{text}");
        for (name, bytes) in whole {
            std::fs::write(dir.join(name), bytes).unwrap();
        }
        relist(&project.path("baselines/c"));
        // A list that says another thing of the host than the run itself.
        let listed = project.read("baselines/c/recording.json");
        let mut recording = Recording::read(&project.path("baselines/c")).unwrap().unwrap();
        recording.runs[0].host_speed_us[0] *= 1.001;
        recording.write(&project.path("baselines/c")).unwrap();
        let (code, text) = run(project.root(), &["check"]);
        assert_eq!(code, 2);
        assert!(text.contains("tells another state of host or GPU"), "{text}");
        project.write("baselines/c/recording.json", listed);
        done(&project, &["check"]);
        // A traced repeat that nobody recorded is no part of it.
        let traced = project.path("baselines/c/traced");
        std::fs::create_dir_all(&traced).unwrap();
        for name in ["request_metrics.csv.zst", "run_meta.json"] {
            std::fs::copy(project.path("baselines/c/p0r0").join(name), traced.join(name)).unwrap();
        }
        let (code, text) = run(project.root(), &["check"]);
        assert_eq!(code, 2);
        assert!(
            text.contains("traced") && text.contains("recording.json does not list it"),
            "{text}"
        );
    }
}
