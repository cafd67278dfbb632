//! Why the simulator's host spans do not follow the host-speed index of a recording: between repeats of one case, the
//! index says little of how long the engine's own host work took.

mod support;

use simgate::run::{self, Run, StepRecord};

/// Host time of a step, its launch included, ns.
fn host(step: &StepRecord) -> u64 {
    step.schedule_ns + step.prepare_ns + step.launch_ns + step.post_ns
}

/// ln of the host-speed index of a run, and of its host time a step.
fn logs(run: &Run) -> Option<[f64; 2]> {
    let index = run.meta.as_ref()?.host_speed_index?;
    let steps = run.steps.len() as f64;
    let mean = run.steps.iter().map(host).sum::<u64>() as f64 / steps;
    (steps > 0.0).then(|| [((index.before_us + index.after_us) / 2.0).ln(), mean.ln()])
}

/// `of` each run, less the mean of its case: what differs between repeats of the same work.
fn deviations(runs: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mean = |i: usize| runs.iter().map(|run| run[i]).sum::<f64>() / runs.len() as f64;
    let means = [mean(0), mean(1)];
    runs.iter().map(|run| [run[0] - means[0], run[1] - means[1]]).collect()
}

#[test]
fn the_host_speed_index_explains_less_than_half_of_what_host_spans_differ_by() {
    let profiles = support::gpu_profiles();
    assert!(!profiles.is_empty());
    for (_, model) in profiles {
        let mut all = Vec::new();
        for case in std::fs::read_dir(&model).unwrap().flatten().filter(|e| e.path().is_dir()) {
            let dirs = run::read_repeats(&case.path()).unwrap();
            let runs = dirs.iter().filter_map(|dir| logs(&run::read(dir).unwrap()));
            all.extend(deviations(&runs.collect::<Vec<_>>()));
        }
        assert!(all.len() > 50, "{}: {} repeats", model.display(), all.len());
        let sum = |i: usize, j: usize| all.iter().map(|d| d[i] * d[j]).sum::<f64>();
        let correlation = sum(0, 1) / (sum(0, 0) * sum(1, 1)).sqrt();
        let spread = |i: usize| 100.0 * (sum(i, i) / all.len() as f64).sqrt().exp_m1();
        println!(
            "{}: {} repeats; the index differs by {:.0} % (standard deviation), host time by {:.0} %; correlation {correlation:.2}",
            model.display(),
            all.len(),
            spread(0),
            spread(1)
        );
        assert!(correlation.powi(2) < 0.5, "the index tells: let host spans follow it");
    }
}
