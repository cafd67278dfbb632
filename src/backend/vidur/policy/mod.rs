//! Vidur's replica schedulers: what a replica computes next. One file each.

use super::RuntimeStop;
use super::config::{VidurConfig, VidurPolicy};
use super::state::{Item, Replica, Request};

mod growing;
mod lightllm;
mod orca;
mod sarathi;
mod static_batch;
mod vllm;

/// Puts the next batch of `replica` into `batch`; leaves it empty where there is none.
pub(super) fn next_batch(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) -> Result<(), RuntimeStop> {
    match config.policy {
        VidurPolicy::Sarathi => sarathi::next_batch(config, replica, requests, batch),
        VidurPolicy::Vllm => vllm::next_batch(config, replica, requests, batch),
        VidurPolicy::Orca => orca::next_batch(config, replica, requests, batch),
        VidurPolicy::Static => static_batch::next_batch(config, replica, requests, batch),
        VidurPolicy::LightLlm => return lightllm::next_batch(config, replica, requests, batch),
    }
    Ok(())
}

/// Takes back a batch that was computed.
pub(super) fn on_batch_end(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &[Item],
) {
    replica.running -= 1;
    if config.policy == VidurPolicy::Static {
        return static_batch::on_batch_end(replica, requests, batch);
    }
    for &(request, _) in batch {
        let state = &mut requests[request as usize];
        if state.completed {
            replica.free(state);
        } else {
            replica.preempted.push(request);
        }
    }
}

/// Takes waiting requests, each with room for the longest one, and computes whole prompts.
fn admit_with_longest(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    let blocks = config.blocks_of_longest();
    while let Some(&request) = replica.queue.front() {
        let full = batch.len() == config.max_batch as usize;
        if full || config.blocks - replica.allocated < blocks {
            return;
        }
        replica.queue.pop_front();
        let state = &mut requests[request as usize];
        replica.allocate(state, blocks);
        batch.push((request, state.next_tokens()));
    }
}

#[cfg(test)]
mod tests;
