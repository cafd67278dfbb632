//! `orca`: all running requests and as many new ones as there is room for, whole prompts and decodes in one
//! step. Each holds the blocks of the longest request.

use super::super::config::VidurConfig;
use super::super::state::{Item, Replica, Request};

pub(super) fn next_batch(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    let running = replica.preempted.len().min(config.max_batch as usize);
    for request in replica.preempted.drain(..running) {
        batch.push((request, requests[request as usize].next_tokens()));
    }
    super::admit_with_longest(config, replica, requests, batch);
}
