//! `vllm`: new requests with their whole prompts as long as any fits, else all decodes. The budget counts
//! sequences times the longest prompt, as if all were padded to it.

use super::super::config::VidurConfig;
use super::super::state::{Item, Replica, Request};
use super::growing::{allocate, by_arrival, can_allocate, make_room};

pub(super) fn next_batch(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    admit(config, replica, requests, batch);
    if !batch.is_empty() {
        return;
    }
    let mut list = std::mem::take(&mut replica.preempted);
    by_arrival(&mut list, requests);
    let mut next = 0;
    while next < list.len() && batch.len() < config.micro_batch() {
        let request = list[next];
        next += 1;
        if make_room(config, replica, requests, request, &mut list, next) {
            let state = &mut requests[request as usize];
            allocate(config, replica, state);
            batch.push((request, state.next_tokens()));
        }
    }
    list.drain(..next);
    replica.preempted = list;
}

fn admit(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    let mut longest = 0;
    while let Some(&request) = replica.queue.front() {
        let state = &mut requests[request as usize];
        let tokens = state.next_tokens();
        longest = longest.max(tokens);
        let padded = (batch.len() as u64 + 1) * u64::from(longest);
        let full = replica.holders == config.max_sequences || batch.len() == config.micro_batch();
        if full || padded > u64::from(config.chunk_tokens) || !can_allocate(config, replica, state)
        {
            return;
        }
        replica.queue.pop_front();
        allocate(config, replica, state);
        batch.push((request, tokens));
    }
}
