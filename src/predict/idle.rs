//! Idle time as a step sees it: steps that follow one are slower for a while.

/// A wait of less is none, ns: the loop between two steps takes some time itself.
pub const IDLE_NS: u64 = 20_000;

/// The last idle time before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// How long it was, ns; 0 before the first one.
    pub ns: u64,
    /// Steps since: 0 for the first one behind it.
    pub steps_since: u32,
}

impl Default for Idle {
    /// There was none yet.
    fn default() -> Self {
        Self { ns: 0, steps_since: u32::MAX }
    }
}

impl Idle {
    /// A step begins after `waited_ns` without one.
    pub fn step(&mut self, waited_ns: u64) {
        match waited_ns >= IDLE_NS {
            true => (self.ns, self.steps_since) = (waited_ns, 0),
            false => self.steps_since = self.steps_since.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_from_the_last_idle_time() {
        let mut idle = Idle::default();
        idle.step(0);
        assert_eq!(idle, Idle::default());
        for waited in [5_000_000, 300, 200] {
            idle.step(waited);
        }
        assert_eq!(idle, Idle { ns: 5_000_000, steps_since: 2 });
    }
}
