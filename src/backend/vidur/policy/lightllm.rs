//! `lightllm`: decodes, and every so many steps new requests instead. One is admitted where the memory that
//! all running requests could come to hold at one time is below what there is.

use super::super::RuntimeStop;
use super::super::config::VidurConfig;
use super::super::state::{Item, Replica, Request};

pub(super) fn next_batch(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) -> Result<(), RuntimeStop> {
    if replica.preempted.is_empty() {
        admit(config, replica, requests, batch);
        if !batch.is_empty() {
            replica.waited = 0;
        }
        return Ok(());
    }
    if replica.waited >= config.max_waiting_steps {
        replica.waited = 0;
        admit(config, replica, requests, batch);
        if !batch.is_empty() {
            return Ok(());
        }
    }
    let running = std::mem::take(&mut replica.preempted);
    if ((config.blocks - replica.allocated) as usize) < running.len() {
        return Err(RuntimeStop::LightLlmMemory);
    }
    replica.waited += 1;
    for &request in &running {
        let state = &mut requests[request as usize];
        replica.allocate(state, 1);
        batch.push((request, state.next_tokens()));
    }
    Ok(())
}

fn admit(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    if replica.queue.is_empty() {
        return;
    }
    let mut lengths: Vec<(u32, u32)> =
        replica.preempted.iter().map(|&request| lengths_of(&requests[request as usize])).collect();
    let mut tokens = 0;
    while let Some(&request) = replica.queue.front() {
        let state = &mut requests[request as usize];
        let next = state.next_tokens();
        let full = replica.holders == config.max_sequences || batch.len() == config.micro_batch();
        if full || tokens + next > config.chunk_tokens {
            return;
        }
        lengths.push(lengths_of(state));
        if peak(&mut lengths) >= u64::from(config.blocks) {
            return;
        }
        replica.queue.pop_front();
        replica.allocate(state, state.outcome.prefill_tokens);
        batch.push((request, next));
        tokens += next;
    }
}

/// Tokens that a request has by its next step, and those that it may still get.
fn lengths_of(request: &Request) -> (u32, u32) {
    let outcome = &request.outcome;
    if request.scheduled {
        let decoded = request.processed.saturating_sub(outcome.prefill_tokens);
        (request.processed, outcome.decode_tokens.saturating_sub(decoded + 1))
    } else {
        (outcome.prefill_tokens + 1, outcome.decode_tokens.saturating_sub(2))
    }
}

/// The most tokens at one time: at the end of each request, its own and those of all that last longer.
fn peak(lengths: &mut [(u32, u32)]) -> u64 {
    lengths.sort_by_key(|lengths| std::cmp::Reverse(lengths.1));
    let mut sum = 0;
    let at_end = lengths.iter().zip(1_u64..).map(|(&(has, left), count)| {
        sum += u64::from(has);
        sum + u64::from(left) * count
    });
    at_end.max().unwrap_or(0)
}
