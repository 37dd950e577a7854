//! Gathers points into block reads.

use std::collections::HashSet;

use crate::connection::Area;

/// What one point takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub area: Area,
    pub start: u16,
    /// Registers or bits, at least 1.
    pub width: u16,
}

impl Extent {
    const fn end(self) -> u32 {
        self.start as u32 + self.width as u32
    }
}

/// One read request and the points it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub area: Area,
    pub start: u16,
    pub count: u16,
    /// Indexes into the planner's input, by start.
    pub points: Vec<usize>,
}

/// Sorts and merges. A value is never split; a request spans at most `max_registers` registers (16 times as many bits,
/// at most 2000), and at most `max_gap` unwanted ones lie between two values of it.
pub fn plan_blocks(extents: &[Extent], max_registers: u16, max_gap: u16) -> Vec<Block> {
    let mut order: Vec<usize> = (0..extents.len()).collect();
    sort(&mut order, extents);
    merge(extents, &order, &[], max_registers, max_gap)
}

/// As [`plan_blocks`], without the points in `refused`, and so that none of them lies in the gap between two others of a
/// block. The indexes stay those of `extents`.
pub fn plan_around(
    extents: &[Extent],
    refused: &[usize],
    max_registers: u16,
    max_gap: u16,
) -> Vec<Block> {
    let left_out: HashSet<usize> = refused.iter().copied().collect();
    let mut order: Vec<usize> = (0..extents.len())
        .filter(|index| !left_out.contains(index))
        .collect();
    sort(&mut order, extents);
    let barriers: Vec<Extent> = refused.iter().map(|&index| extents[index]).collect();
    merge(extents, &order, &barriers, max_registers, max_gap)
}

fn sort(order: &mut [usize], extents: &[Extent]) {
    order.sort_by_key(|&index| {
        (
            extents[index].area,
            extents[index].start,
            extents[index].width,
        )
    });
}

fn merge(
    extents: &[Extent],
    order: &[usize],
    barriers: &[Extent],
    max_registers: u16,
    max_gap: u16,
) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for &index in order {
        let extent = extents[index];
        let limit = if extent.area.is_bits() {
            (u32::from(max_registers) * 16).min(2000)
        } else {
            u32::from(max_registers)
        };
        if let Some(block) = blocks.last_mut()
            && block.area == extent.area
        {
            let end = u32::from(block.start) + u32::from(block.count);
            let is_barred = || {
                u32::from(extent.start) > end
                    && barriers.iter().any(|barrier| {
                        barrier.area == extent.area
                            && barrier.start < extent.start
                            && barrier.end() > end
                    })
            };
            let span = extent.end().max(end) - u32::from(block.start);
            if u32::from(extent.start) <= end + u32::from(max_gap)
                && let Ok(count) = u16::try_from(span)
                && span <= limit
                && !is_barred()
            {
                block.count = count;
                block.points.push(index);
                continue;
            }
        }
        blocks.push(Block {
            area: extent.area,
            start: extent.start,
            count: extent.width,
            points: vec![index],
        });
    }
    blocks
}

impl Block {
    /// Two blocks in place of one that a device refused, cut at the widest gap, in the middle where there is none.
    /// `None` for a block of one point.
    pub fn split(&self, extents: &[Extent]) -> Option<(Self, Self)> {
        if self.points.len() < 2 {
            return None;
        }
        let middle = self.points.len() / 2;
        let gap_before = |position: usize| {
            let end = self.points[..position]
                .iter()
                .map(|&index| extents[index].end())
                .max()
                .unwrap_or(0);
            u32::from(extents[self.points[position]].start).saturating_sub(end)
        };
        let cut = (1..self.points.len())
            .max_by_key(|&position| {
                (
                    gap_before(position),
                    std::cmp::Reverse(position.abs_diff(middle)),
                )
            })
            .unwrap_or(middle);
        Some((
            self.part(extents, &self.points[..cut]),
            self.part(extents, &self.points[cut..]),
        ))
    }

    fn part(&self, extents: &[Extent], points: &[usize]) -> Self {
        let start = points
            .iter()
            .map(|&index| extents[index].start)
            .min()
            .unwrap_or(self.start);
        let end = points
            .iter()
            .map(|&index| extents[index].end())
            .max()
            .unwrap_or_else(|| u32::from(self.start));
        let count = u16::try_from(end - u32::from(start)).unwrap_or(u16::MAX);
        Self {
            area: self.area,
            start,
            count,
            points: points.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn holding(start: u16, width: u16) -> Extent {
        Extent {
            area: Area::Holding,
            start,
            width,
        }
    }

    #[test]
    fn near_values_share_a_request_and_far_ones_do_not() {
        let extents = [
            holding(100, 2),
            holding(0, 2),
            holding(10, 1),
            holding(4, 2),
        ];
        let blocks = plan_blocks(&extents, 125, 5);
        let spans: Vec<_> = blocks
            .iter()
            .map(|block| (block.start, block.count))
            .collect();
        assert_eq!(spans, [(0, 11), (100, 2)]);
        assert_eq!(blocks[0].points, [1, 3, 2]);
    }

    #[test]
    fn no_gap_merges_only_what_touches() {
        let blocks = plan_blocks(&[holding(0, 2), holding(2, 2), holding(5, 1)], 125, 0);
        assert_eq!(blocks.len(), 2);
    }

    #[test]
    fn a_refused_block_is_cut_at_its_widest_gap() {
        let extents = [holding(0, 2), holding(2, 2), holding(20, 2)];
        let block = plan_blocks(&extents, 125, 50).remove(0);
        let (left, right) = block.split(&extents).unwrap();
        assert_eq!(
            (left.start, left.count, right.start, right.count),
            (0, 4, 20, 2)
        );
        assert!(right.split(&extents).is_none());
    }

    #[test]
    fn a_plan_goes_around_what_was_refused() {
        let extents: Vec<Extent> = (0..6).map(|start| holding(start, 1)).collect();
        let blocks = plan_around(&extents, &[2], 125, 50);
        assert_eq!(
            blocks
                .iter()
                .map(|block| (block.start, block.count))
                .collect::<Vec<_>>(),
            [(0, 2), (3, 3)]
        );
        assert_eq!(blocks[1].points, [3, 4, 5]);
        assert_eq!(plan_around(&extents, &[], 125, 50).len(), 1);
    }

    prop_compose! {
        fn extent(max_width: u16)(area in 0..4_u8, start in 0..65_000_u16, width in 1..=max_width) -> Extent {
            let area = [Area::Coil, Area::Discrete, Area::Input, Area::Holding][usize::from(area)];
            Extent { area, start, width: if area.is_bits() { 1 } else { width } }
        }
    }

    fn assert_whole(blocks: &[Block], extents: &[Extent]) {
        let mut seen: Vec<usize> = blocks
            .iter()
            .flat_map(|block| block.points.iter().copied())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..extents.len()).collect::<Vec<_>>());
        for block in blocks {
            for &index in &block.points {
                let extent = extents[index];
                assert_eq!(extent.area, block.area);
                assert!(extent.start >= block.start);
                assert!(extent.end() <= u32::from(block.start) + u32::from(block.count));
            }
        }
    }

    proptest! {
        #[test]
        fn every_point_is_read_once_and_whole(
            extents in prop::collection::vec(extent(8), 0..80), max_registers in 8..=125_u16, max_gap in 0..60_u16,
        ) {
            let blocks = plan_blocks(&extents, max_registers, max_gap);
            assert_whole(&blocks, &extents);
            for block in &blocks {
                let limit = if block.area.is_bits() { 2000.min(max_registers * 16) } else { max_registers };
                prop_assert!(block.count <= limit);
            }
        }

        #[test]
        fn splitting_loses_no_point(extents in prop::collection::vec(extent(4), 1..40)) {
            let mut work = plan_blocks(&extents, 125, 50);
            let mut singles = Vec::new();
            while let Some(block) = work.pop() {
                match block.split(&extents) {
                    Some((left, right)) => work.extend([left, right]),
                    None => singles.push(block),
                }
            }
            assert_whole(&singles, &extents);
            prop_assert_eq!(singles.len(), extents.len());
        }
    }
}
