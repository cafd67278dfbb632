//! The power of a gate, from what was recorded: how often it is red for nothing, and what shift it can see.

mod applicable;
mod draws;
mod left_out;

pub use applicable::{Property, not_applicable, properties};
pub use draws::{DRAWS, Rates, rates};
pub use left_out::{LeftOut, left_out};
