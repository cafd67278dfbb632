//! What sarathi and vLLM share: blocks for the prompt first, then one at a time as a request grows, and the
//! last to come gives way where none is left.

use super::super::config::VidurConfig;
use super::super::state::{Replica, Request};

pub(super) fn can_allocate(config: &VidurConfig, replica: &Replica, request: &Request) -> bool {
    let free = config.blocks - replica.allocated;
    match request.blocks {
        // The output's blocks do not count yet.
        None => {
            let prompt = request.outcome.prefill_tokens.div_ceil(config.block_tokens);
            free.checked_sub(prompt).is_some_and(|left| left >= config.watermark_blocks)
        }
        // Asked for even where its last block has room.
        Some(_) => free >= 1,
    }
}

pub(super) fn allocate(config: &VidurConfig, replica: &mut Replica, request: &mut Request) {
    match request.blocks {
        None => {
            let prompt = request.outcome.prefill_tokens.div_ceil(config.block_tokens);
            replica.allocate(request, prompt);
        }
        Some(held) if request.processed > held * config.block_tokens => {
            replica.allocate(request, 1)
        }
        Some(_) => {}
    }
}

/// Makes room for one more block of `request` at the cost of those at the end of `behind`, or of itself:
/// whoever gives way starts anew at the head of the queue. `false` where it was itself.
pub(super) fn make_room(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    request: u32,
    behind: &mut Vec<u32>,
    first_behind: usize,
) -> bool {
    while !can_allocate(config, replica, &requests[request as usize]) {
        let victim = if behind.len() > first_behind { behind.pop() } else { None };
        let state = &mut requests[victim.unwrap_or(request) as usize];
        state.restart();
        replica.free(state);
        replica.queue.push_front(victim.unwrap_or(request));
        if victim.is_none() {
            return false;
        }
    }
    true
}

/// Puts requests in the order of their arrival; those that came together stay as they are.
pub(super) fn by_arrival(list: &mut [u32], requests: &[Request]) {
    let arrival = |request: &u32| requests[*request as usize].outcome.arrived_at;
    if !list.is_sorted_by(|a, b| arrival(a) <= arrival(b)) {
        list.sort_by(|a, b| arrival(a).total_cmp(&arrival(b)));
    }
}
