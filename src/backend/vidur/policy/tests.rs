//! What no scheduler may break, whatever comes: blocks, sequences, budgets, and every request's end.

use proptest::prelude::*;

use super::super::config::VidurRouter;
use super::super::state::VidurRequest;
use super::*;

fn config(policy: VidurPolicy, blocks: u32, max_sequences: u32, chunk_tokens: u32) -> VidurConfig {
    let block_tokens = if policy == VidurPolicy::LightLlm { 1 } else { 4 };
    VidurConfig {
        policy,
        router: VidurRouter::RoundRobin,
        replicas: 1,
        pipeline_parallel: 1,
        block_tokens,
        blocks: blocks * 4 / block_tokens,
        watermark_blocks: 1,
        max_sequences,
        max_batch: max_sequences,
        chunk_tokens,
        max_request_tokens: 40,
        max_waiting_steps: 3,
        seed: 0,
    }
}

fn requests(lengths: &[(u32, u32)], config: &VidurConfig) -> Vec<Request> {
    let request = |(place, &(prefill_tokens, decode_tokens)): (usize, &(u32, u32))| {
        Request::new(&VidurRequest { arrived_at: place as f64, prefill_tokens, decode_tokens })
    };
    let admitted =
        |(_, lengths): &(usize, &(u32, u32))| config.admits(lengths.0, lengths.1).is_ok();
    lengths.iter().enumerate().filter(admitted).map(request).collect()
}

fn check(config: &VidurConfig, replica: &Replica, requests: &[Request], batch: &[Item]) {
    let held: Vec<u32> = requests.iter().filter_map(|request| request.blocks).collect();
    assert_eq!(held.iter().sum::<u32>(), replica.allocated);
    assert_eq!(held.len() as u32, replica.holders);
    assert!(replica.allocated <= config.blocks);
    let mut ids: Vec<u32> = batch.iter().map(|item| item.0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), batch.len(), "a request twice in one batch");
    assert!(ids.iter().all(|&id| requests[id as usize].blocks.is_some()));
    assert!(batch.iter().all(|item| item.1 > 0), "no tokens");
    let prefill = |&&(id, _): &&Item| !requests[id as usize].prefill_done;
    let prompts: u32 = batch.iter().filter(prefill).map(|item| item.1).sum();
    match config.policy {
        VidurPolicy::Sarathi => {
            let decodes = batch.len() - batch.iter().filter(prefill).count();
            assert!(prompts == 0 || prompts + decodes as u32 <= config.chunk_tokens);
        }
        VidurPolicy::Vllm | VidurPolicy::LightLlm => {
            assert!(prompts <= config.chunk_tokens);
            assert!(prompts == 0 || batch.iter().filter(prefill).count() == batch.len());
        }
        VidurPolicy::Orca | VidurPolicy::Static => {
            assert!(batch.len() <= config.max_batch as usize);
        }
    }
}

/// Serves everything from one queue; whether all came to their end.
fn drain(config: &VidurConfig, requests: &mut [Request]) -> Result<bool, RuntimeStop> {
    let mut replica = Replica::new(1);
    replica.queue.extend(0..requests.len() as u32);
    let mut batch = Vec::new();
    for step in 1..20_000 {
        batch.clear();
        next_batch(config, &mut replica, requests, &mut batch)?;
        if batch.is_empty() {
            break;
        }
        check(config, &replica, requests, &batch);
        replica.running += 1;
        for &(id, tokens) in &batch {
            requests[id as usize].on_batch_schedule(f64::from(step));
            requests[id as usize].on_batch_end(f64::from(step), tokens);
        }
        on_batch_end(config, &mut replica, requests, &batch);
    }
    let done = requests.iter().all(|request| request.completed);
    if done && config.policy != VidurPolicy::Static {
        assert_eq!((replica.allocated, replica.holders), (0, 0));
    }
    Ok(done)
}

#[test]
fn a_batch_that_ends_unevenly_never_frees_the_blocks_of_those_done_first() {
    let config = config(VidurPolicy::Static, 20, 2, 64);
    let mut requests = requests(&[(4, 2), (4, 5), (4, 2)], &config);
    // The third is served alone, since half the blocks are lost.
    assert_eq!(drain(&config, &mut requests), Ok(true));
    let held: Vec<Option<u32>> = requests.iter().map(|request| request.blocks).collect();
    assert_eq!(held, [Some(10), None, None]);
}

#[test]
fn vllm_counts_a_batch_as_padded_to_its_longest_prompt() {
    let config = config(VidurPolicy::Vllm, 100, 8, 20);
    let mut requests = requests(&[(4, 2), (10, 2), (1, 2)], &config);
    let mut replica = Replica::new(1);
    replica.queue.extend(0..3);
    let mut batch = Vec::new();
    next_batch(&config, &mut replica, &mut requests, &mut batch).unwrap();
    assert_eq!(batch, [(0, 4), (1, 10)]);
}

#[test]
fn who_gives_way_starts_anew_with_its_tokens_as_prompt() {
    // Two requests of 8 + 12 tokens, and 9 blocks of 4: both cannot grow to their end.
    let config = config(VidurPolicy::Sarathi, 9, 8, 64);
    let mut requests = requests(&[(8, 12), (8, 12)], &config);
    assert_eq!(drain(&config, &mut requests), Ok(true));
    assert_eq!(requests[0].outcome.restarts, 0);
    let second = requests[1].outcome;
    assert!(second.restarts >= 1 && second.prefill_tokens > 8);
    assert_eq!(second.prefill_tokens + second.decode_tokens, 20);
}

proptest! {
    #[test]
    fn blocks_sequences_and_budgets_hold_and_all_are_served(
        place in 0_usize..5,
        blocks in 4_u32..40,
        sequences in 1_u32..6,
        chunk in 4_u32..48,
        lengths in prop::collection::vec((1_u32..24, 1_u32..16), 1..14),
    ) {
        let policy = VidurPolicy::ALL[place].1;
        let config = config(policy, blocks, sequences, chunk);
        let mut requests = requests(&lengths, &config);
        let done = drain(&config, &mut requests);
        let enough = match policy {
            VidurPolicy::Static | VidurPolicy::Orca | VidurPolicy::LightLlm => true,
            // What was restarted may not fit above the watermark again.
            VidurPolicy::Sarathi | VidurPolicy::Vllm => {
                requests.iter().all(|request| request.outcome.restarts == 0)
            }
        };
        if enough {
            prop_assert_eq!(done, Ok(true));
        }
    }
}
