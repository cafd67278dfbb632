//! What a step computes, in one word: `1@512*8+64@0` are eight sequences of one token behind 512 in the
//! cache and one of 64 tokens at the start of its prompt.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Sequences of a step: tokens computed now, and tokens in the cache before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Content(pub Vec<(u32, u32)>);

/// A word that is no content.
#[derive(Debug, Error)]
#[error(
    "`{0}` is no content of a step: expected tokens@context, with *count for several, joined by +"
)]
pub struct ContentError(String);

impl Content {
    /// Tokens in all.
    pub fn tokens(&self) -> u64 {
        self.0.iter().map(|sequence| u64::from(sequence.0)).sum()
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.0.chunk_by(|a, b| a == b).enumerate() {
            let (tokens, context) = run[0];
            let plus = if i > 0 { "+" } else { "" };
            write!(f, "{plus}{tokens}@{context}")?;
            if run.len() > 1 {
                write!(f, "*{}", run.len())?;
            }
        }
        Ok(())
    }
}

impl FromStr for Content {
    type Err = ContentError;

    fn from_str(text: &str) -> Result<Self, ContentError> {
        let fault = || ContentError(text.to_owned());
        let mut sequences = Vec::new();
        for part in text.split('+') {
            let (shape, count) = part.split_once('*').unwrap_or((part, "1"));
            let (tokens, context) = shape.split_once('@').ok_or_else(fault)?;
            let number = |text: &str| text.parse::<u32>().map_err(|_| fault());
            let (tokens, context, count) = (number(tokens)?, number(context)?, number(count)?);
            // More sequences than any engine has is a slip, and would fill the memory.
            let most = 1 << 24;
            if tokens == 0 || tokens > most || context > most || count == 0 || count > 1 << 16 {
                return Err(fault());
            }
            sequences.extend(std::iter::repeat_n((tokens, context), count as usize));
        }
        Ok(Self(sequences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_that_is_no_content_is_refused() {
        for word in ["", "5", "5@", "0@3", "1@2*0", "1@2+", "1@-2", "1@2*99999999"] {
            assert!(word.parse::<Content>().is_err(), "{word}");
        }
        assert_eq!("1@512*2+64@0".parse::<Content>().unwrap().0, [(1, 512), (1, 512), (64, 0)]);
    }

    proptest! {
        #[test]
        fn contents_read_back_as_they_were_written(
            sequences in prop::collection::vec((1_u32..5, 0_u32..3), 1..20)
        ) {
            let content = Content(sequences);
            prop_assert_eq!(content.to_string().parse::<Content>().unwrap(), content);
        }
    }
}
