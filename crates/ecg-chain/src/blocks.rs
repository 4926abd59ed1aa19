//! Raw samples gathered into blocks for the store.

use super::event::{CHANNEL_COUNT, EcgBlock};
use super::time::MonotonicNs;

/// Gathers consecutive samples and hands out a block when it is full or the sequence breaks.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    capacity: usize,
    first_sample: u64,
    first_time: MonotonicNs,
    codes: Vec<[i32; CHANNEL_COUNT]>,
}

impl BlockBuilder {
    /// A builder of blocks of `capacity` samples, at least 2.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(2);
        Self {
            capacity,
            first_sample: 0,
            first_time: MonotonicNs(0),
            codes: Vec::with_capacity(capacity),
        }
    }

    /// Adds a sample; a block comes back when this sample filled it, or when it does not follow
    /// the samples before it (then the block ends before this sample).
    pub(super) fn push(
        &mut self,
        index: u64,
        time: MonotonicNs,
        codes: [i32; CHANNEL_COUNT],
    ) -> Option<EcgBlock> {
        let follows = self.first_sample + self.codes.len() as u64 == index;
        let broken = if self.codes.is_empty() || follows {
            None
        } else {
            self.flush()
        };
        if self.codes.is_empty() {
            self.first_sample = index;
            self.first_time = time;
        }
        self.codes.push(codes);
        if broken.is_some() {
            return broken;
        }
        if self.codes.len() >= self.capacity {
            self.flush()
        } else {
            None
        }
    }

    /// The samples gathered so far, if any.
    pub(super) fn flush(&mut self) -> Option<EcgBlock> {
        if self.codes.is_empty() {
            return None;
        }
        let codes = std::mem::replace(&mut self.codes, Vec::with_capacity(self.capacity));
        Some(EcgBlock {
            first_sample: self.first_sample,
            first_time: self.first_time,
            codes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_sample_once_and_never_span_a_gap() {
        let mut builder = BlockBuilder::new(4);
        let indices = (0..6).chain(10..11).chain(20..30);
        let mut blocks: Vec<EcgBlock> = indices
            .clone()
            .filter_map(|index| builder.push(index, MonotonicNs(index * 10), [1, 2]))
            .collect();
        blocks.extend(builder.flush());
        let covered: Vec<u64> = blocks
            .iter()
            .flat_map(|block| block.first_sample..block.first_sample + block.codes.len() as u64)
            .collect();
        assert_eq!(covered, indices.collect::<Vec<_>>());
        for block in &blocks {
            assert!(block.codes.len() <= 4);
            assert_eq!(block.first_time, MonotonicNs(block.first_sample * 10));
        }
        assert_eq!(builder.flush(), None);
    }
}
