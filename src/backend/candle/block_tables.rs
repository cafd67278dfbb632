//! Which KV block is whose: the engine counts blocks, and who computes with them has to know them by number.

use crate::engine::{State, StepPlan};

/// Numbered KV blocks, and those of each request in the order of its tokens.
#[derive(Debug, Default)]
pub(super) struct BlockTables {
    free: Vec<u32>,
    tables: Vec<Vec<u32>>,
    /// Requests that hold blocks.
    holding: Vec<usize>,
}

impl BlockTables {
    /// Brings the tables to what `state` counts, which has just begun `plan`.
    pub fn follow(&mut self, plan: &StepPlan, state: &State) {
        if self.tables.is_empty() {
            // Reversed, so that low numbers are taken first.
            self.free = (0..state.blocks.total()).rev().collect();
        }
        self.tables.resize_with(self.tables.len().max(state.sequences.len()), Vec::new);
        let Self { free, tables, holding } = self;
        holding.retain(|&request| {
            let holds = state.sequences[request].blocks > 0;
            if !holds {
                free.extend(tables[request].drain(..).rev());
            }
            holds
        });
        for item in &plan.items {
            let (table, count) = (&mut tables[item.request], state.sequences[item.request].blocks);
            if table.is_empty() {
                holding.push(item.request);
            }
            let more = (count as usize).saturating_sub(table.len());
            let left = free.len().saturating_sub(more);
            table.extend(free.drain(left..).rev());
        }
    }

    /// The blocks of `request`.
    pub fn of(&self, request: usize) -> &[u32] {
        self.tables.get(request).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineConfig, Launch, Policy, Sequence, plan};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tables_hold_what_is_counted_and_no_block_twice(
            requests in prop::collection::vec((1_u32..40, 1_u32..20), 1..20), kv_blocks in 8_u32..40
        ) {
            let config = EngineConfig {
                policy: Policy::Sarathi, chunk_tokens: 16, max_sequences: 6, kv_block_tokens: 4,
                kv_blocks: Some(kv_blocks), kv_watermark_bp: 0, launch: Launch::Eager, ignore_eos: true,
            };
            let fits = |&&(p, d): &&(u32, u32)| config.blocks_of_request(p, d) <= kv_blocks;
            let sequences: Vec<Sequence> = requests.iter().filter(fits).map(|&(p, d)| Sequence::new(p, d)).collect();
            let count = sequences.len();
            let mut state = State::new(config, sequences, kv_blocks);
            state.waiting = (0..count).collect();
            let (mut tables, mut next) = (BlockTables::default(), StepPlan::default());
            while plan(&state, &mut next) {
                state.begin(&next).unwrap();
                tables.follow(&next, &state);
                for (request, sequence) in state.sequences.iter().enumerate() {
                    prop_assert_eq!(tables.of(request).len(), sequence.blocks as usize);
                }
                let mut all: Vec<u32> = tables.tables.iter().flatten().chain(&tables.free).copied().collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..kv_blocks).collect::<Vec<_>>());
                state.commit(&next, |_, _| false);
            }
        }
    }
}
