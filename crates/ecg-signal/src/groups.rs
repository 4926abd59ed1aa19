//! Beats grouped by their shape.

use super::likeness::{centred_length, likeness, to_unit};
use super::template::RunningTemplate;
use super::{CHANNEL_COUNT, R_INDEX, WINDOW_SAMPLES};

/// Most groups at a time, of all channels together.
pub const MOST_GROUPS: usize = 32;

/// Samples of the window before and behind its R peak that are compared: the QRS complex, wide ones too,
/// without the P wave and without the T wave, which comes and goes with the rate.
const BEFORE: usize = 16;
const BEHIND: usize = 20;
const COMPARED: usize = BEFORE + 1 + BEHIND;
/// How far beats are moved against a group, samples: the R peak of a wide complex stands now here, now
/// there.
const REACH: usize = 3;
/// Correlation from which on a beat belongs to a group. This one and the next were chosen on the records
/// of DS1 (MIT-BIH), where they part ectopic beats from the others without parting the others much.
const SAME_SHAPE: f32 = 0.9;
/// Correlation of two templates from which on their groups are one: they began before either had settled.
const ONE_SHAPE: f32 = 0.95;

/// Where a beat was placed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Its group.
    pub group: usize,
    /// Whether the group begins with it. The beats of a group that had this number before belong to none.
    pub is_new: bool,
    /// How well it fits the group as it was before, -1 to 1; 1 where it begins it.
    pub correlation: f32,
}

/// What groups beats by their shape, one after the other, once each.
pub trait BeatGroups {
    /// How it does it, in a few words.
    fn method(&self) -> &'static str;

    /// Places the next beat; groups have numbers from 0 to below [`MOST_GROUPS`], and beats of different
    /// channels are in different groups.
    fn place(&mut self, channel: usize, window_uv: &[f32; WINDOW_SAMPLES]) -> Placement;

    /// Groups that turn out to be of one shape, each with the one that its beats belong to as well; asked
    /// once, when all beats are placed.
    fn alike(&self) -> Vec<(usize, usize)>;
}

/// Groups around running templates: each is the median of the last 64 beats of its group, as the chain's
/// template is of all beats of a channel. A beat belongs to the group whose template it correlates best
/// with, by 0.9 at least, else it begins a group of its own. Where all [`MOST_GROUPS`] are taken, the
/// smallest one makes room, the one that had its last beat first among several.
///
/// Memory: 33 KiB per group, 1.1 MiB in all.
#[derive(Debug, Clone, Default)]
pub struct TemplateGroups {
    groups: Vec<Group>,
    beats: u64,
}

#[derive(Debug, Clone)]
struct Group {
    channel: usize,
    template: RunningTemplate,
    /// What of the template is compared.
    unit: [f32; COMPARED],
    beats: u64,
    /// Number of its last beat among all.
    last: u64,
}

/// What of a window is compared at each place within reach, and its length.
type Places<'a> = [(&'a [f32], f32); 2 * REACH + 1];

fn places(window_uv: &[f32; WINDOW_SAMPLES]) -> Places<'_> {
    std::array::from_fn(|place| {
        let from = R_INDEX - BEFORE - REACH + place;
        let values = &window_uv[from..from + COMPARED];
        (values, centred_length(values))
    })
}

impl Group {
    fn new(channel: usize) -> Self {
        Self {
            channel: channel.min(CHANNEL_COUNT - 1),
            template: RunningTemplate::new(),
            unit: [0.0; COMPARED],
            beats: 0,
            last: 0,
        }
    }

    /// Correlation at the best place within reach.
    fn correlation(&self, places: &Places<'_>) -> f32 {
        let places = places.iter();
        places
            .map(|(values, length)| likeness(values, *length, &self.unit))
            .fold(-1.0, f32::max)
    }

    fn add_beat(&mut self, window_uv: &[f32; WINDOW_SAMPLES], number: u64) {
        self.template.add_window(window_uv);
        (self.beats, self.last) = (self.beats + 1, number);
        if let Some(template_uv) = self.template.get() {
            self.unit = to_unit(std::array::from_fn(|place| {
                template_uv[R_INDEX - BEFORE + place]
            }));
        }
    }
}

impl TemplateGroups {
    /// No groups yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The group of this channel that the beat fits best, and how well.
    fn best(&self, channel: usize, window_uv: &[f32; WINDOW_SAMPLES]) -> Option<(usize, f32)> {
        let places = places(window_uv);
        let of_channel = self.groups.iter().enumerate();
        of_channel
            .filter(|(_, group)| group.channel == channel)
            .map(|(number, group)| (number, group.correlation(&places)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// A place for another group.
    fn room(&mut self, channel: usize) -> usize {
        if self.groups.len() < MOST_GROUPS {
            self.groups.push(Group::new(channel));
            return self.groups.len() - 1;
        }
        let groups = self.groups.iter_mut().enumerate();
        let smallest = groups.min_by_key(|(_, group)| (group.beats, group.last));
        smallest.map_or(0, |(number, group)| {
            *group = Group::new(channel);
            number
        })
    }
}

impl BeatGroups for TemplateGroups {
    fn method(&self) -> &'static str {
        "running template correlation"
    }

    fn place(&mut self, channel: usize, window_uv: &[f32; WINDOW_SAMPLES]) -> Placement {
        self.beats += 1;
        let best = self.best(channel, window_uv);
        let known = best.filter(|(_, correlation)| *correlation >= SAME_SHAPE);
        let placement = match known {
            Some((group, correlation)) => Placement {
                group,
                is_new: false,
                correlation,
            },
            None => Placement {
                group: self.room(channel),
                is_new: true,
                correlation: 1.0,
            },
        };
        self.groups[placement.group].add_beat(window_uv, self.beats);
        placement
    }

    fn alike(&self) -> Vec<(usize, usize)> {
        let mut by_size: Vec<usize> = (0..self.groups.len()).collect();
        by_size.sort_by_key(|&number| std::cmp::Reverse(self.groups[number].beats));
        let mut apart: Vec<usize> = Vec::new();
        let mut alike = Vec::new();
        for number in by_size {
            let group = &self.groups[number];
            let Some(template_uv) = group.template.get() else {
                continue;
            };
            let places = places(&template_uv);
            let is_one = |larger: &&usize| {
                let larger = &self.groups[**larger];
                larger.channel == group.channel && larger.correlation(&places) >= ONE_SHAPE
            };
            match apart.iter().find(is_one) {
                Some(&larger) => alike.push((number, larger)),
                None => apart.push(number),
            }
        }
        alike
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A complex of this width, with its middle this far from R, samples.
    fn complex(width: f32, height_uv: f32, from_r: f32) -> [f32; WINDOW_SAMPLES] {
        let centre = R_INDEX as f32 + from_r;
        std::array::from_fn(|place| {
            let distance = (place as f32 - centre) / width;
            height_uv * (-distance * distance / 2.0).exp()
        })
    }

    fn placed(beats: &[(usize, [f32; WINDOW_SAMPLES])]) -> (TemplateGroups, Vec<Placement>) {
        let mut groups = TemplateGroups::new();
        let place = |(channel, window_uv): &(usize, _)| groups.place(*channel, window_uv);
        let placements = beats.iter().map(place).collect();
        (groups, placements)
    }

    #[test]
    fn shape_parts_beats_and_neither_size_nor_offset_nor_a_step_aside_does() {
        let (groups, placements) = placed(&[
            (0, complex(1.5, 1_000.0, 0.0)),
            (0, complex(6.0, 1_500.0, 0.0)),
            (0, complex(1.5, 400.0, 2.0)),
            (0, complex(6.0, 900.0, -3.0).map(|uv| uv + 250.0)),
            (0, complex(6.0, -900.0, 0.0)),
            // The same complex in the other channel.
            (1, complex(1.5, 1_000.0, 0.0)),
        ]);
        let numbers: Vec<_> = placements.iter().map(|p| (p.group, p.is_new)).collect();
        let expected = [
            (0, true),
            (1, true),
            (0, false),
            (1, false),
            (2, true),
            (3, true),
        ];
        assert_eq!(numbers, expected);
        assert!(
            placements.iter().all(|p| p.correlation > 0.99),
            "{placements:?}"
        );
        assert_eq!(groups.alike(), []);
    }

    #[test]
    fn the_smallest_group_that_was_seen_longest_ago_makes_room() {
        // As many shapes as there are groups and one more: a deflection at another place each.
        let shape = |number: usize| {
            let mut window_uv = [0.0; WINDOW_SAMPLES];
            // Two spikes, farther apart than beats are moved; no two pairs are alike.
            window_uv[R_INDEX - BEFORE + number % 6 * 6] = 1_000.0;
            window_uv[R_INDEX - BEFORE + 1 + number / 6 * 5] -= 700.0;
            window_uv
        };
        let mut beats: Vec<_> = (0..MOST_GROUPS).map(|number| (0, shape(number))).collect();
        // All but two have a second beat.
        beats.extend(
            (0..MOST_GROUPS)
                .filter(|n| ![4, 9].contains(n))
                .map(|n| (0, shape(n))),
        );
        let (mut groups, placements) = placed(&beats);
        assert!(placements[..MOST_GROUPS].iter().all(|p| p.is_new));
        assert!(!placements[MOST_GROUPS..].iter().any(|p| p.is_new));
        let next = groups.place(0, &shape(MOST_GROUPS));
        assert_eq!((next.group, next.is_new), (4, true));
        // That one has just had its beat, so the other of one beat is next.
        let next = groups.place(0, &shape(4));
        assert_eq!((next.group, next.is_new), (9, true));
    }

    #[test]
    fn groups_that_come_to_one_shape_are_told() {
        // A complex that widens a little from beat to beat is not followed backwards: what begins too far
        // off is a group of its own, until both have settled on the same.
        let narrow = complex(2.0, 1_000.0, 0.0);
        let wide = complex(5.5, 1_000.0, 0.0);
        let between = complex(3.4, 1_000.0, 0.0);
        let mut groups = TemplateGroups::new();
        assert_eq!(groups.place(0, &narrow).group, 0);
        assert_eq!(groups.place(0, &wide).group, 1);
        assert_eq!(groups.alike(), [], "as far apart as they began");
        for group in &mut groups.groups {
            for number in 0..64 {
                group.add_beat(&between, number);
            }
        }
        groups.groups[1].beats += 1;
        assert_eq!(groups.alike(), [(0, 1)], "the smaller one to the larger");
    }
}
