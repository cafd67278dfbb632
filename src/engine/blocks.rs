//! KV blocks, counted: which block is whose matters only to who computes with them.

/// The KV blocks of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvBlocks {
    free: u32,
    total: u32,
}

impl KvBlocks {
    /// `total` blocks, all free.
    pub fn new(total: u32) -> Self {
        Self { free: total, total }
    }

    /// Free blocks.
    pub fn free(self) -> u32 {
        self.free
    }

    /// All blocks.
    pub fn total(self) -> u32 {
        self.total
    }

    /// Takes `count` blocks; `false`, and nothing taken, when fewer are free.
    pub fn take(&mut self, count: u32) -> bool {
        let left = self.free.checked_sub(count);
        self.free = left.unwrap_or(self.free);
        left.is_some()
    }

    /// Takes back `count` blocks.
    pub fn give_back(&mut self, count: u32) {
        debug_assert!(self.free + count <= self.total, "more blocks came back than there are");
        self.free += count;
    }
}
