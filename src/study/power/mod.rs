//! The power of a gate, from what was recorded: how often it is red for nothing, and what shift it can see.

mod applicable;
mod draws;
mod left_out;

pub use applicable::{not_applicable, properties};
pub use draws::rates;
pub use left_out::{LeftOut, held_out, left_out};
