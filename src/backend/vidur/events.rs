//! Vidur's event queue: by time, and at one time in the order in which events were made.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// What happens. Numbers are of requests, replicas, stages and batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Arrival(u32),
    GlobalSchedule,
    ReplicaSchedule { replica: u32 },
    StageArrival { stage: u32, batch: u32 },
    StageSchedule { replica: u32, stage: u32 },
    StageEnd { stage: u32, batch: u32 },
    BatchEnd { batch: u32 },
}

struct Later {
    time: f64,
    made: u64,
    event: Event,
}

impl Ord for Later {
    /// The earliest is the greatest, since the heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.time.total_cmp(&self.time).then(other.made.cmp(&self.made))
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Later {}

/// Events to come. Most are of the very time at which they are made, and need no sorting.
pub(super) struct Events {
    pub now: f64,
    made: u64,
    /// Of now, in order.
    current: VecDeque<(u64, Event)>,
    later: BinaryHeap<Later>,
    /// (time, request), ascending; Vidur makes them before all others.
    arrivals: Vec<(f64, u32)>,
    arrived: usize,
}

impl Events {
    pub fn new(arrivals: impl Iterator<Item = f64>) -> Self {
        let mut arrivals: Vec<(f64, u32)> = arrivals.zip(0..).collect();
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self {
            now: 0.0,
            made: 0,
            current: VecDeque::new(),
            later: BinaryHeap::new(),
            arrivals,
            arrived: 0,
        }
    }

    /// Makes an event of now.
    pub fn push(&mut self, event: Event) {
        self.made += 1;
        self.current.push_back((self.made, event));
    }

    /// Makes an event of `time`.
    pub fn push_at(&mut self, time: f64, event: Event) {
        self.made += 1;
        self.later.push(Later { time, made: self.made, event });
    }

    /// The next event, at its time.
    pub fn pop(&mut self) -> Option<Event> {
        let next = self.later.peek().map_or(f64::INFINITY, |later| later.time);
        let time = if self.current.is_empty() { next } else { self.now };
        if let Some(&(arrival, request)) = self.arrivals.get(self.arrived)
            && arrival <= time
        {
            self.arrived += 1;
            self.now = arrival;
            return Some(Event::Arrival(request));
        }
        if let Some(&(made, event)) = self.current.front()
            && !self.later.peek().is_some_and(|l| l.time <= self.now && l.made < made)
        {
            self.current.pop_front();
            return Some(event);
        }
        let later = self.later.pop()?;
        self.now = later.time;
        Some(later.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_one_time_arrivals_come_first_and_then_what_was_made_first() {
        let mut events = Events::new([2.0, 1.0, 1.0].into_iter());
        events.push_at(1.0, Event::StageEnd { stage: 0, batch: 7 });
        assert_eq!(events.pop(), Some(Event::Arrival(1)));
        events.push(Event::GlobalSchedule);
        assert_eq!(events.pop(), Some(Event::Arrival(2)));
        assert_eq!(events.pop(), Some(Event::StageEnd { stage: 0, batch: 7 }));
        assert_eq!(events.pop(), Some(Event::GlobalSchedule));
        assert_eq!((events.pop(), events.now), (Some(Event::Arrival(0)), 2.0));
        assert_eq!(events.pop(), None);
    }
}
