//! `sarathi`: every decode, then chunks of prompts up to the budget, then new requests. Decodes count
//! against the budget but are never held back by it.

use super::super::config::VidurConfig;
use super::super::state::{Item, Replica, Request};
use super::growing::{allocate, by_arrival, can_allocate, make_room};

pub(super) fn next_batch(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    let mut tokens = 0;
    let mut list = std::mem::take(&mut replica.preempted);
    let [mut prefills, mut kept] = std::mem::take(&mut replica.scratch);
    let mut next = 0;
    while next < list.len() && batch.len() < config.micro_batch() {
        let request = list[next];
        next += 1;
        if !requests[request as usize].prefill_done {
            prefills.push(request);
        } else if make_room(config, replica, requests, request, &mut list, next) {
            allocate(config, replica, &mut requests[request as usize]);
            batch.push((request, 1));
            tokens += 1;
        }
    }
    // Prompts under way are not held to the number of sequences.
    for &request in &prefills {
        let chunk = chunk(config, &requests[request as usize], tokens);
        if chunk == 0 {
            kept.push(request);
        } else {
            batch.push((request, chunk));
            tokens += chunk;
        }
    }
    kept.extend_from_slice(&list[next..]);
    by_arrival(&mut kept, requests);
    replica.preempted = kept;
    list.clear();
    prefills.clear();
    replica.scratch = [prefills, list];
    admit(config, replica, requests, batch, tokens);
}

fn admit(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
    mut tokens: u32,
) {
    while let Some(&request) = replica.queue.front() {
        let state = &mut requests[request as usize];
        let full = replica.holders == config.max_sequences || batch.len() == config.micro_batch();
        if full || !can_allocate(config, replica, state) {
            return;
        }
        let chunk = chunk(config, state, tokens);
        if chunk == 0 {
            return;
        }
        replica.queue.pop_front();
        allocate(config, replica, state);
        batch.push((request, chunk));
        tokens += chunk;
    }
}

/// What is left of the prompt, as far as the budget goes.
fn chunk(config: &VidurConfig, request: &Request, tokens: u32) -> u32 {
    let left = request.outcome.prefill_tokens - request.processed;
    left.min(config.chunk_tokens.saturating_sub(tokens))
}
