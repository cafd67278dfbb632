//! Held-out workloads were served on the machine of their profile after it was measured, and nothing of them went
//! into it.

mod support;

use std::collections::BTreeSet;

use simgate::profile::Profile;
use simgate::run::{self, RequestRecord, Run};

/// Arrival, prompt tokens and output tokens of a request.
type Served = (u64, u32, u32);

/// What a run served.
fn served(run: &Run) -> Vec<Served> {
    let of = |r: &RequestRecord| (r.arrival_ns, r.prefill_tokens, r.decode_tokens);
    run.requests.iter().map(of).collect()
}

#[test]
fn held_out_workloads_were_served_after_their_profile_and_are_not_in_it() {
    let profiles = support::gpu_profiles();
    assert!(!profiles.is_empty());
    for (bundle, model) in profiles {
        let profile = Profile::read(&bundle, "").unwrap();
        let calibration = std::fs::read_dir(bundle.join("calibration")).unwrap().flatten();
        let runs = calibration.map(|dir| run::read(&dir.path()).unwrap());
        let fitted: BTreeSet<Vec<Served>> = runs.map(|run| served(&run)).collect();
        assert!(!fitted.is_empty(), "{} has no calibration runs", bundle.display());
        let mut held_out = 0;
        for case in std::fs::read_dir(&model).unwrap().flatten().map(|entry| entry.path()) {
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with("held-out-") || !case.is_dir() {
                continue;
            }
            held_out += 1;
            for dir in run::read_repeats(&case).unwrap() {
                let run = run::read(&dir).unwrap();
                let meta = run.meta.as_ref().unwrap();
                // Both are RFC 3339 to the second in UTC, so their order is that of their text.
                assert!(meta.started_at > Some(profile.meta.ended_at.clone()), "{}", dir.display());
                let uuid = meta.device.as_ref().and_then(|device| device.uuid.clone());
                assert_eq!(uuid, profile.meta.device_uuid, "{}", dir.display());
                let id = meta.run_id.clone().unwrap();
                assert!(!profile.meta.run_ids.contains(&id), "{}", dir.display());
                assert!(!fitted.contains(&served(&run)), "{}", dir.display());
            }
        }
        assert!(held_out >= 4, "{}: {held_out} held-out workloads", model.display());
    }
}
