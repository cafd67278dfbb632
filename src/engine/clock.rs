//! The two clocks: one that passes by itself, one that is told.

use std::time::{Duration, Instant};

/// Time in ns since the run's start.
pub trait Clock {
    /// Now.
    fn now(&self) -> u64;

    /// Lets time pass until `at`, when nothing is to be done.
    fn wait_until(&mut self, at: u64);

    /// Learns that work lasted until `at`.
    fn work_until(&mut self, at: u64);
}

/// The machine's monotonic clock: work takes the time that it takes.
#[derive(Debug)]
pub struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

/// Sleeping wakes up late by up to a scheduler tick; the last stretch is spun.
const SPIN: Duration = Duration::from_micros(200);

impl Clock for MonotonicClock {
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn wait_until(&mut self, at: u64) {
        let deadline = Duration::from_nanos(at);
        while let Some(left) = deadline.checked_sub(self.start.elapsed()).filter(|l| !l.is_zero()) {
            match left.checked_sub(SPIN) {
                Some(sleep) if !sleep.is_zero() => std::thread::sleep(sleep),
                _ => std::hint::spin_loop(),
            }
        }
    }

    fn work_until(&mut self, _at: u64) {}
}

/// A clock that stands still until it is told.
#[derive(Debug, Default)]
pub struct VirtualClock {
    now: u64,
}

impl Clock for VirtualClock {
    fn now(&self) -> u64 {
        self.now
    }

    fn wait_until(&mut self, at: u64) {
        self.now = self.now.max(at);
    }

    fn work_until(&mut self, at: u64) {
        self.now = self.now.max(at);
    }
}
