//! Choices that a plan's text names by a word each.

/// A word and what it stands for.
pub type Word<T> = (&'static str, T);

/// A closed set of choices.
pub trait Worded: Copy + PartialEq + 'static {
    const WORDS: &'static [Word<Self>];

    fn word(self) -> &'static str {
        let named = Self::WORDS.iter().find(|(_, choice)| *choice == self);
        named.map(|(word, _)| *word).expect("every choice has its word in the table")
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice)
    }

    fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.iter().map(|(_, choice)| *choice)
    }
}
