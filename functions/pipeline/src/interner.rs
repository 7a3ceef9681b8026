//! Byte strings, each kept once in one arena, under dense 32-bit numbers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The arena or its numbers left the range of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than 4 GiB of distinct values")]
pub struct Full;

/// Byte strings one behind the other, 4 bytes each besides their own.
#[derive(Debug, Default)]
pub struct Arena {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Arena {
    pub fn push(&mut self, bytes: &[u8]) -> Result<u32, Full> {
        let id = u32::try_from(self.ends.len()).map_err(|_| Full)?;
        let end = u32::try_from(self.bytes.len() + bytes.len()).map_err(|_| Full)?;
        self.bytes.extend_from_slice(bytes);
        self.ends.push(end);
        Ok(id)
    }

    #[inline]
    pub fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..self.ends[id] as usize]
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let bytes = &self.bytes[start as usize..*end as usize];
            start = *end;
            bytes
        })
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Gives back what growing took too much of.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Bytes held, and of those the strings' own.
    pub fn memory_bytes(&self) -> (usize, usize) {
        (self.bytes.capacity() + self.ends.capacity() * 4, self.bytes.len())
    }
}

/// Equality of short strings without a call: two overlapping words cover 8 to 16 bytes, and most keys and categories are no longer.
#[inline(always)]
pub(crate) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let length = a.len();
    if length != b.len() {
        return false;
    }
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 8).and_then(|w| w.try_into().ok()).map(u64::from_le_bytes);
    let half = |bytes: &[u8], at: usize| bytes.get(at..at + 4).and_then(|w| w.try_into().ok()).map(u32::from_le_bytes);
    match length {
        8..=16 => word(a, 0) == word(b, 0) && word(a, length - 8) == word(b, length - 8),
        4..=7 => half(a, 0) == half(b, 0) && half(a, length - 4) == half(b, length - 4),
        _ => a == b,
    }
}

/// An arena that gives equal strings one number. Numbers follow the order of first sight, never the hash.
#[derive(Debug, Default)]
pub struct Interner {
    arena: Arena,
    index: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

/// A string's number beside half of its hash, which tells nearly all others apart without a look into the arena.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    id: u32,
}

/// The half of a hash that does not choose the place in the table.
#[inline(always)]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The number of no string.
pub const NOT_FOUND: u32 = u32::MAX;

impl Interner {
    #[inline]
    pub fn find(&self, bytes: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(bytes);
        let is_it = |entry: &Entry| entry.tag == tag(hash) && is_equal(self.arena.get(entry.id), bytes);
        self.index.find(hash, is_it).map(|entry| entry.id)
    }

    /// Finds many at once, each [`NOT_FOUND`] if it is not there.
    ///
    /// Step by step for all of them, so that the memory's answers, which are far away in a large table, are waited for together.
    pub fn find_all(&self, strings: &[&[u8]], found: &mut Vec<u32>) {
        let hashes: Vec<u64> = strings.iter().map(|bytes| self.hasher.hash_one(*bytes)).collect();
        found.clear();
        found.extend(hashes.iter().map(|hash| {
            let entry = self.index.find(*hash, |entry| entry.tag == tag(*hash));
            entry.map_or(NOT_FOUND, |entry| entry.id)
        }));
        for (id, bytes) in found.iter_mut().zip(strings) {
            // Another string of the same tag came first: once in four thousand million.
            if *id != NOT_FOUND && !is_equal(self.arena.get(*id), bytes) {
                *id = self.find(bytes).unwrap_or(NOT_FOUND);
            }
        }
    }

    /// The number of the string, and whether it is new.
    #[inline]
    pub fn intern(&mut self, bytes: &[u8]) -> Result<(u32, bool), Full> {
        let hash = self.hasher.hash_one(bytes);
        let Self { arena, index, hasher } = self;
        let is_it = |entry: &Entry| entry.tag == tag(hash) && is_equal(arena.get(entry.id), bytes);
        if let Some(entry) = index.find(hash, is_it) {
            return Ok((entry.id, false));
        }
        let id = arena.push(bytes)?;
        index.insert_unique(hash, Entry { tag: tag(hash), id }, |entry| hasher.hash_one(arena.get(entry.id)));
        Ok((id, true))
    }

    /// Appends to `ids` those of another arena, as the numbers that its strings have here.
    pub fn adopt(&mut self, ids: &mut Vec<u32>, strings: &Arena, others: &[u32]) -> Result<(), Full> {
        let here = strings.iter().map(|bytes| self.intern(bytes).map(|(id, _)| id)).collect::<Result<Vec<u32>, Full>>()?;
        ids.extend(others.iter().map(|id| here[*id as usize]));
        Ok(())
    }

    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// The strings without the means to find them.
    pub fn into_arena(self) -> Arena {
        self.arena
    }

    pub fn clear(&mut self) {
        self.arena.clear();
        self.index.clear();
    }

    pub fn memory_bytes(&self) -> (usize, usize) {
        let (held, text) = self.arena.memory_bytes();
        (held + self.index.allocation_size(), text)
    }

    pub fn shrink(&mut self) {
        self.arena.shrink();
        let Self { arena, index, hasher } = self;
        index.shrink_to_fit(|entry| hasher.hash_one(arena.get(entry.id)));
    }
}

/// The short strings an interner has seen last: a category is found by comparing two words, without a hash over its bytes.
#[derive(Debug)]
pub struct Recent {
    slots: Vec<Slot>,
}

/// A string of at most 16 bytes, as two words and its length, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    words: [u64; 2],
    length: u32,
    id: u32,
}

const SLOTS: usize = 256;

impl Default for Recent {
    fn default() -> Self {
        // Of no string's length.
        Self { slots: vec![Slot { words: [0; 2], length: u32::MAX, id: NOT_FOUND }; SLOTS] }
    }
}

impl Recent {
    /// As [`Interner::intern`], of the one interner this goes with.
    #[inline]
    pub fn intern(&mut self, interner: &mut Interner, bytes: &[u8]) -> Result<u32, Full> {
        let Some(words) = short_words(bytes) else { return interner.intern(bytes).map(|(id, _)| id) };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // Fibonacci hashing; the top byte chooses the slot.
        let mixed = (words[0] ^ words[1].rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let slot = &mut self.slots[usize::from(mixed.to_be_bytes()[0])];
        if slot.words != words || slot.length != length {
            *slot = Slot { words, length, id: interner.intern(bytes)?.0 };
        }
        Ok(slot.id)
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// With its length, these words are the string: from 8 bytes on they overlap.
#[inline(always)]
fn short_words(bytes: &[u8]) -> Option<[u64; 2]> {
    let last = |n: usize| bytes.len() - n;
    let word = |at: usize| bytes.get(at..at + 8).and_then(|w| w.try_into().ok()).map(u64::from_le_bytes);
    let half = |at: usize| bytes.get(at..at + 4).and_then(|w| w.try_into().ok()).map(u32::from_le_bytes).map(u64::from);
    match bytes {
        [] => Some([0, 0]),
        [a] => Some([u64::from(*a), 0]),
        [a, b] => Some([u64::from(u16::from_le_bytes([*a, *b])), 0]),
        [a, b, c] => Some([u64::from(u32::from_le_bytes([*a, *b, *c, 0])), 0]),
        _ if bytes.len() < 8 => Some([half(0)?, half(last(4))?]),
        _ if bytes.len() <= 16 => Some([word(0)?, word(last(8))?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the strings: equal ones have one number, in the order of first sight, by every way to ask.
        #[test]
        fn equal_strings_have_one_number(strings in proptest::collection::vec("[ab\\x00]{0,20}", 0..200)) {
            let (mut plain, mut short, mut recent) = (Interner::default(), Interner::default(), Recent::default());
            let mut seen: Vec<&str> = Vec::new();
            for text in &strings {
                let expected = seen.iter().position(|s| s == text).unwrap_or_else(|| {
                    seen.push(text);
                    seen.len() - 1
                });
                prop_assert_eq!(plain.intern(text.as_bytes()).unwrap().0 as usize, expected);
                prop_assert_eq!(recent.intern(&mut short, text.as_bytes()).unwrap() as usize, expected);
            }
            let asked: Vec<&[u8]> = strings.iter().map(|s| s.as_bytes()).chain([b"none".as_slice()]).collect();
            let mut found = Vec::new();
            plain.find_all(&asked, &mut found);
            for (text, id) in asked.iter().zip(&found) {
                prop_assert_eq!(plain.find(text).unwrap_or(NOT_FOUND), *id);
                prop_assert_eq!(seen.iter().position(|s| s.as_bytes() == *text), (*id != NOT_FOUND).then_some(*id as usize));
            }
            prop_assert_eq!(plain.arena().iter().collect::<Vec<_>>(), seen.iter().map(|s| s.as_bytes()).collect::<Vec<_>>());
        }
    }
}
