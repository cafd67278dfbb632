//! `faster_transformer`: a batch runs until its last request is done. Vidur drops requests that are done
//! from the batch, and then frees only what the batch still has: the blocks of all others stay taken for
//! ever, and later batches are smaller. That is kept.

use super::super::config::VidurConfig;
use super::super::state::{Item, Replica, Request};

pub(super) fn next_batch(
    config: &VidurConfig,
    replica: &mut Replica,
    requests: &mut [Request],
    batch: &mut Vec<Item>,
) {
    let Some(resumed) = replica.batches.pop_front() else {
        return super::admit_with_longest(config, replica, requests, batch);
    };
    let left = resumed.iter().filter(|&&request| !requests[request as usize].completed);
    batch.extend(left.map(|&request| (request, requests[request as usize].next_tokens())));
}

pub(super) fn on_batch_end(replica: &mut Replica, requests: &mut [Request], batch: &[Item]) {
    if batch.iter().all(|&(request, _)| requests[request as usize].completed) {
        for &(request, _) in batch {
            replica.free(&mut requests[request as usize]);
        }
    } else {
        replica.batches.push_back(batch.iter().map(|item| item.0).collect());
    }
}
