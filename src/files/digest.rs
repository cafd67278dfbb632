//! SHA-256 over canonical bytes, shown as lower-case hex.

use sha2::{Digest as _, Sha256};

/// A running SHA-256. Every text is preceded by its length and every number has eight bytes, so that
/// neighbouring parts can never trade bytes without changing the hash.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// A hash of a kind of thing; `domain` keeps equal bytes of different kinds apart.
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self::default();
        hasher.text(domain);
        hasher
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    /// Adds a number, little-endian.
    pub fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// The hash, 64 hex digits.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of `bytes`, 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_test_vector() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), expected);
    }

    #[test]
    fn parts_cannot_trade_bytes() {
        let of = |parts: [&str; 2]| {
            let mut hasher = Hasher::new("test");
            parts.iter().for_each(|part| hasher.text(part));
            hasher.finish()
        };
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
    }
}
