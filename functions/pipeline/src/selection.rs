//! Which customers the rows of a group have, numbered anew in the order of the customers.
//!
//! In that order their values lie one behind the other in memory; in the order of the rows each would be a cache miss.

use crate::customers::NULL;

/// A set of customers that tells each one's rank in it.
#[derive(Debug)]
pub(crate) struct Selection {
    /// A bit a customer.
    bits: Vec<u64>,
    /// By word of `bits`, how many bits are set before it.
    before: Vec<u32>,
}

impl Selection {
    /// For so many customers.
    pub(crate) fn new(customers: usize) -> Self {
        let words = customers.div_ceil(64);
        Self { bits: vec![0; words], before: vec![0; words] }
    }

    /// Selects the customers of these rows, [`NULL`] being none, and forgets those of before.
    pub(crate) fn select(&mut self, customers: &[u32]) {
        self.bits.fill(0);
        for customer in customers {
            if let Some(word) = self.bits.get_mut((customer / 64) as usize) {
                *word |= 1 << (customer % 64);
            }
        }
        let mut selected = 0;
        for (before, word) in self.before.iter_mut().zip(&self.bits) {
            *before = selected;
            selected += word.count_ones();
        }
    }

    /// The selected customers in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.bits.iter().zip(0u32..).flat_map(|(word, at)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// A selected customer's place in [`Self::iter`]; [`NULL`] of none.
    #[inline]
    pub(crate) fn rank(&self, customer: u32) -> u32 {
        let word = (customer / 64) as usize;
        match (self.bits.get(word), self.before.get(word)) {
            (Some(bits), Some(before)) => before + (bits & ((1 << (customer % 64)) - 1)).count_ones(),
            _ => NULL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranks_the_selected(first in proptest::collection::vec(0u32..300, 0..50), rows in proptest::collection::vec(0u32..300, 0..50)) {
            let mut selection = Selection::new(300);
            selection.select(&first);
            selection.select(&[rows.as_slice(), &[NULL]].concat());
            let expected: Vec<u32> = BTreeSet::from_iter(rows).into_iter().collect();
            prop_assert_eq!(&selection.iter().collect::<Vec<_>>(), &expected);
            for (rank, customer) in (0u32..).zip(expected) {
                prop_assert_eq!(selection.rank(customer), rank);
            }
            prop_assert_eq!(selection.rank(NULL), NULL);
        }
    }
}
