//! How fast this host is right now: machines in clouds drift by tens of percent within minutes.

use std::hint::black_box;
use std::time::Instant;

use crate::files::sha256_hex;
use crate::stats::percentiles;

/// Bytes hashed in one piece of work, and pieces timed.
const BYTES: usize = 256 << 10;
const PIECES: usize = 101;

/// Microseconds that a fixed piece of work takes on one core, the median of several: SHA-256 of 256 KiB.
/// Indices compare on one machine and one build only.
pub fn index_us() -> f64 {
    let bytes = vec![0_u8; BYTES];
    let time = |_| {
        let start = Instant::now();
        black_box(sha256_hex(black_box(&bytes)));
        start.elapsed().as_secs_f64() * 1e6
    };
    let mut times: Vec<f64> = (0..PIECES).map(time).collect();
    let [median] = percentiles(&mut times, [0.5]);
    median
}
