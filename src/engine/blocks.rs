//! KV blocks: a pool of numbered blocks, taken and given back.

/// The free blocks of a KV cache.
#[derive(Debug, Clone)]
pub struct BlockPool {
    free: Vec<u32>,
    total: u32,
}

impl BlockPool {
    /// A pool of blocks `0..total`, all free.
    pub fn new(total: u32) -> Self {
        // Reversed, so that low numbers are taken first.
        Self { free: (0..total).rev().collect(), total }
    }

    /// Free blocks.
    pub fn free(&self) -> u32 {
        self.free.len() as u32
    }

    /// All blocks.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Moves `count` blocks to `to`; `false`, and nothing taken, when fewer are free.
    pub fn take(&mut self, count: u32, to: &mut Vec<u32>) -> bool {
        let Some(left) = self.free.len().checked_sub(count as usize) else { return false };
        to.extend(self.free.drain(left..).rev());
        true
    }

    /// Takes back all of `blocks`.
    pub fn give_back(&mut self, blocks: &mut Vec<u32>) {
        self.free.extend(blocks.drain(..).rev());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_block_is_ever_held_twice_and_all_come_back(total in 1_u32..60, moves in prop::collection::vec((0_usize..4, 0_u32..20), 0..60)) {
            let mut pool = BlockPool::new(total);
            let mut held = vec![Vec::new(); 4];
            for (who, count) in moves {
                if count == 0 {
                    pool.give_back(&mut held[who]);
                } else {
                    let before = (pool.free(), held[who].len());
                    let taken = pool.take(count, &mut held[who]);
                    prop_assert_eq!(taken, count <= before.0);
                    prop_assert_eq!(held[who].len() - before.1, if taken { count as usize } else { 0 });
                }
                let mut all: Vec<u32> = held.iter().flatten().chain(&pool.free).copied().collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..total).collect::<Vec<_>>());
            }
        }
    }
}
