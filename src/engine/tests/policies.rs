//! What each policy promises.

use super::*;

prop_compose! {
    /// An engine with room for the whole workload's longest request, under `policy`.
    fn roomy(policy: Policy)(chunk_tokens in 100_u32..200, max_sequences in 1_u32..8, kv_block_tokens in 1_u32..20, spare in 0_u32..60) -> EngineConfig {
        EngineConfig {
            policy, chunk_tokens, max_sequences, kv_block_tokens,
            kv_blocks: Some(100_u32.div_ceil(kv_block_tokens) + spare),
            kv_watermark_bp: 100, launch: Launch::Eager, ignore_eos: true,
        }
    }
}

/// What is seen of every step: its plan, and the state before it.
fn watch(
    workload: &Workload,
    config: &EngineConfig,
    mut see: impl FnMut(&StepPlan, &State) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let sequence = |r: &Request| Sequence::new(r.prefill_tokens, r.decode_tokens);
    let sequences = workload.requests.iter().map(sequence).collect();
    let mut state = State::new(config.clone(), sequences, config.kv_blocks.unwrap());
    let (mut next, mut coming) = (StepPlan::default(), 0..workload.requests.len());
    loop {
        // One request comes with each step, so that queues are of all lengths.
        state.waiting.extend(coming.next().filter(|&i| servable(config, &workload.requests[i])));
        if plan(&state, &mut next) {
            see(&next, &state)?;
            state.begin(&next).unwrap();
            state.commit(&next, |_, _| false);
        } else if coming.is_empty() {
            return Ok(());
        }
    }
}

fn decodes<'a>(plan: &'a StepPlan, state: &'a State) -> impl Iterator<Item = usize> + 'a {
    plan.items.iter().map(|item| item.request).filter(|&r| state.sequences[r].decoding())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn sarathi_never_lets_a_prompt_hold_up_a_decode(workload in any_workload(), config in roomy(Policy::Sarathi)) {
        watch(&workload, &config, |plan, state| {
            let decoding = state.running.iter().filter(|&&r| state.sequences[r].decoding());
            let running = decoding.filter(|r| !plan.preempted.contains(r)).count();
            prop_assert_eq!(decodes(plan, state).count(), running.min(config.chunk_tokens as usize));
            Ok(())
        })?;
    }

    #[test]
    fn vllm_computes_whole_prompts_or_decodes_and_never_both(workload in any_workload(), config in roomy(Policy::Vllm)) {
        watch(&workload, &config, |plan, state| {
            let count = decodes(plan, state).count();
            prop_assert!(count == 0 || count == plan.items.len());
            for item in &plan.items {
                prop_assert_eq!(item.tokens, state.sequences[item.request].remaining());
            }
            // A prompt that could have been admitted is not passed over for decodes.
            if let (true, Some(&first)) = (count > 0 && plan.preempted.is_empty(), state.waiting.front()) {
                let tokens = state.sequences[first].remaining();
                let blocks = state.lacking(first, tokens) + state.watermark();
                let place = state.running.len() < config.max_sequences as usize;
                prop_assert!(!place || blocks > state.blocks.free() || tokens > config.chunk_tokens);
            }
            Ok(())
        })?;
    }

    #[test]
    fn vllm_v1_spends_its_budget_in_the_order_of_admission(workload in any_workload(), config in roomy(Policy::VllmV1)) {
        watch(&workload, &config, |plan, state| {
            let mut line = state.running.clone();
            line.retain(|r| !plan.preempted.contains(r));
            line.extend(&plan.admitted);
            for (item, request) in plan.items.iter().zip(line) {
                prop_assert_eq!(item.request, request);
            }
            // All but the last get everything that they lack.
            for item in plan.items.iter().rev().skip(1) {
                prop_assert_eq!(item.tokens, state.sequences[item.request].remaining());
            }
            Ok(())
        })?;
    }

    #[test]
    fn orca_static_and_light_llm_never_preempt(
        workload in any_workload(),
        config in prop_oneof![roomy(Policy::Orca), roomy(Policy::Static), roomy(Policy::LightLlm)]
    ) {
        watch(&workload, &config, |plan, _| {
            prop_assert!(plan.preempted.is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn orca_joins_prompts_to_all_running_decodes(workload in any_workload(), config in roomy(Policy::Orca)) {
        watch(&workload, &config, |plan, state| {
            prop_assert_eq!(decodes(plan, state).count(), state.running.len());
            Ok(())
        })?;
    }

    #[test]
    fn static_admits_nothing_while_a_batch_runs(workload in any_workload(), config in roomy(Policy::Static)) {
        watch(&workload, &config, |plan, state| {
            prop_assert!(plan.admitted.is_empty() || state.running.is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn light_llm_admits_between_ten_decodes_or_when_nothing_runs(workload in any_workload(), config in roomy(Policy::LightLlm)) {
        watch(&workload, &config, |plan, state| {
            let due = state.decode_steps > 0 && state.decode_steps % 10 == 0;
            prop_assert!(plan.admitted.is_empty() || state.running.is_empty() || due);
            prop_assert!(plan.admitted.is_empty() || decodes(plan, state).count() == 0);
            Ok(())
        })?;
    }

    #[test]
    fn requests_are_admitted_in_the_order_in_which_they_came(workload in any_workload(), config in any_config()) {
        let mut first_seen = Vec::new();
        watch(&workload, &config, |plan, _| {
            for request in &plan.admitted {
                if !first_seen.contains(request) {
                    first_seen.push(*request);
                }
            }
            Ok(())
        })?;
        prop_assert!(first_seen.is_sorted());
    }
}

#[test]
fn whole_prompts_beyond_a_step_are_refused_under_policies_that_do_not_cut_them() {
    for policy in Policy::ALL {
        let served = run(&requests(&[(30, 2), (4, 2)]), &config(policy, 16, 100));
        let cuts = policy.tokens_at_once(30, 2) == 1;
        let expected = if cuts { Status::Ok } else { Status::Refused };
        assert_eq!(served.run.requests[0].status, expected, "{}", policy.as_str());
        assert_eq!(served.run.requests[1].status, Status::Ok, "{}", policy.as_str());
    }
}

#[test]
fn vllm_computes_a_preempted_request_anew_as_one_prompt() {
    let served = run(&requests(&[(4, 5), (4, 5)]), &config(Policy::Vllm, 16, 3));
    let steps = steps(&served);
    assert_eq!(steps[..2], ["0:4@0 1:4@0", "0:1@4"]);
    assert!(steps.contains(&"1:5@0".to_owned()), "{steps:?}");
}
