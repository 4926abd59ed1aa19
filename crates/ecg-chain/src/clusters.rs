//! Recorded beats together by their shape: what a review shows as clusters.

use arrhythmianet::{BeatClass, CLASS_COUNT};
use ecg_signal::{BeatGroups, BeatWindows, Mains, Placement, SampleRate, WINDOW_SAMPLES};

use super::event::{CHANNEL_COUNT, Scale};

/// Most ids a cluster names, the smallest.
pub const MOST_BEATS_NAMED: usize = 5_000;
/// Most example windows of a cluster.
pub const MOST_EXAMPLES: usize = 30;

/// What is known of a recorded beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeatToCluster {
    /// What it is called by: its row in a store.
    pub id: i64,
    /// The channel its R peak was found in, 0 or 1.
    pub channel: u8,
    /// Its class.
    pub class: BeatClass,
    /// Whether that is not to be relied on.
    pub unclassifiable: bool,
}

/// Why a beat is in no cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOut {
    /// A part of its window is not recorded: a gap, or the beginning or end of the signal.
    GapOrNotStored,
    /// Its signal is clipped at the converter's limits.
    Clipped,
    /// Its signal is too poor to be classified.
    PoorSignal,
}

impl LeftOut {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::GapOrNotStored, Self::Clipped, Self::PoorSignal];

    /// The name used in JSON, e.g. `clipped`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GapOrNotStored => "gap_or_not_stored",
            Self::Clipped => "clipped",
            Self::PoorSignal => "poor_signal",
        }
    }
}

/// Beats of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Their channel, 0 or 1; `None` of beats of several shapes.
    pub channel: Option<usize>,
    /// How many there are of each class, in the order N L R A V.
    pub beats_by_class: [u64; CLASS_COUNT],
    /// Unclassifiable ones among them.
    pub unclassifiable: u64,
    /// The smallest ids, at most [`MOST_BEATS_NAMED`], ascending.
    pub ids: Vec<i64>,
    /// Windows of up to [`MOST_EXAMPLES`] of them, in even distances.
    pub examples_uv: Vec<[f32; WINDOW_SAMPLES]>,
    /// Beats from one example to the next.
    example_every: u64,
    sum_uv: [f64; WINDOW_SAMPLES],
    correlation_sum: f64,
}

impl Cluster {
    const fn new(channel: Option<usize>) -> Self {
        Self {
            channel,
            beats_by_class: [0; CLASS_COUNT],
            unclassifiable: 0,
            ids: Vec::new(),
            examples_uv: Vec::new(),
            example_every: 1,
            sum_uv: [0.0; WINDOW_SAMPLES],
            correlation_sum: 0.0,
        }
    }

    /// How many beats there are.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats_by_class.iter().sum()
    }

    /// Sample by sample the mean of their windows, µV.
    #[must_use]
    pub fn mean_uv(&self) -> [f64; WINDOW_SAMPLES] {
        self.sum_uv.map(|sum_uv| sum_uv / self.beats() as f64)
    }

    /// Mean of each beat's correlation with the template as it was before it; the first one counts as 1.
    #[must_use]
    pub fn mean_correlation(&self) -> f64 {
        self.correlation_sum / self.beats() as f64
    }

    fn add(&mut self, beat: &BeatToCluster, window_uv: &[f32; WINDOW_SAMPLES], correlation: f32) {
        if self.beats().is_multiple_of(self.example_every) {
            self.examples_uv.push(*window_uv);
            self.thin_examples();
        }
        self.beats_by_class[beat.class.index()] += 1;
        self.unclassifiable += u64::from(beat.unclassifiable);
        if self.ids.len() < MOST_BEATS_NAMED {
            self.ids.push(beat.id);
        }
        for (sum_uv, uv) in self.sum_uv.iter_mut().zip(window_uv) {
            *sum_uv += f64::from(*uv);
        }
        self.correlation_sum += f64::from(correlation);
    }

    /// Takes in what another one has.
    fn join(&mut self, other: Self) {
        let counts = self.beats_by_class.iter_mut().zip(other.beats_by_class);
        counts.for_each(|(count, more)| *count += more);
        self.unclassifiable += other.unclassifiable;
        self.ids.extend(other.ids);
        self.ids.sort_unstable();
        self.ids.truncate(MOST_BEATS_NAMED);
        self.examples_uv.extend(other.examples_uv);
        self.thin_examples();
        let sums = self.sum_uv.iter_mut().zip(other.sum_uv);
        sums.for_each(|(sum_uv, more_uv)| *sum_uv += more_uv);
        self.correlation_sum += other.correlation_sum;
    }

    /// Every second one goes where there are too many.
    fn thin_examples(&mut self) {
        while self.examples_uv.len() > MOST_EXAMPLES {
            let mut number = 0;
            self.examples_uv.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.example_every *= 2;
        }
    }
}

/// Beats grouped.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// How they were grouped, in a few words.
    pub method: &'static str,
    /// The shapes, the one with the most beats first.
    pub clusters: Vec<Cluster>,
    /// Beats of shapes so rare that they had to make room for others.
    pub others: Option<Cluster>,
    /// Beats that are nowhere here, by the reasons in [`LeftOut::ALL`].
    pub left_out: [u64; LeftOut::ALL.len()],
}

/// Groups recorded beats: takes the codes of a recording in order, and is told of each beat before.
///
/// Each beat is taken once, in its own channel, with its R peak in its place. Memory is bounded however long
/// the recording: about 60 KiB per group for ids and examples, what `G` keeps, two seconds of signal per
/// channel, and the beats told and not reached yet.
#[derive(Debug)]
pub struct Clustering<G> {
    groups: G,
    /// One per channel.
    windows: Vec<BeatWindows<BeatToCluster>>,
    scale: Scale,
    found: Found,
}

#[derive(Debug)]
struct Found {
    /// By the number of the group.
    clusters: Vec<Option<Cluster>>,
    others: Cluster,
    left_out: [u64; LeftOut::ALL.len()],
}

impl Found {
    fn leave_out(&mut self, reason: LeftOut) {
        self.left_out[reason as usize] += 1;
    }

    fn place(
        &mut self,
        groups: &mut impl BeatGroups,
        channel: usize,
        beat: &BeatToCluster,
        window_uv: Option<&[f32; WINDOW_SAMPLES]>,
    ) {
        let Some(window_uv) = window_uv else {
            return self.leave_out(LeftOut::GapOrNotStored);
        };
        let Placement {
            group,
            is_new,
            correlation,
        } = groups.place(channel, window_uv);
        if group >= self.clusters.len() {
            self.clusters.resize_with(group + 1, || None);
        }
        let cluster = &mut self.clusters[group];
        if is_new && let Some(dissolved) = cluster.take() {
            self.others.join(dissolved);
        }
        let cluster = cluster.get_or_insert_with(|| Cluster::new(Some(channel)));
        cluster.add(beat, window_uv, correlation);
    }
}

impl<G: BeatGroups> Clustering<G> {
    /// For a recording at `rate` with so many microvolts per code.
    #[must_use]
    pub fn new(
        rate: SampleRate,
        mains: Mains,
        uv_per_code: [f64; CHANNEL_COUNT],
        groups: G,
    ) -> Self {
        Self {
            groups,
            windows: vec![BeatWindows::new(rate, mains); CHANNEL_COUNT],
            scale: Scale::new(uv_per_code),
            found: Found {
                clusters: Vec::new(),
                others: Cluster::new(None),
                left_out: [0; LeftOut::ALL.len()],
            },
        }
    }

    /// The beat has its R peak at this sample; told in the order of time, at the latest when the codes up to
    /// there are pushed.
    pub fn expect(&mut self, r_sample: u64, beat: BeatToCluster) {
        match self.windows.get_mut(usize::from(beat.channel)) {
            Some(windows) => windows.expect(r_sample, beat),
            None => self.leave_out(LeftOut::GapOrNotStored),
        }
    }

    /// A beat is in no cluster.
    pub fn leave_out(&mut self, reason: LeftOut) {
        self.found.leave_out(reason);
    }

    /// Takes the next sample's codes of the channels that have beats; samples that are left out are a gap.
    #[inline]
    pub fn push(
        &mut self,
        sample: u64,
        codes: [i32; CHANNEL_COUNT],
        wanted: [bool; CHANNEL_COUNT],
    ) {
        let uv = self.scale.microvolts(codes);
        let (groups, found) = (&mut self.groups, &mut self.found);
        for (channel, windows) in self.windows.iter_mut().enumerate() {
            if wanted[channel] {
                windows.push(sample, uv[channel], &mut |beat, window_uv| {
                    found.place(groups, channel, &beat, window_uv);
                });
            }
        }
    }

    /// The signal ends: the clusters.
    #[must_use]
    pub fn finish(mut self) -> Clusters {
        let (groups, mut found) = (&mut self.groups, self.found);
        for (channel, windows) in self.windows.iter_mut().enumerate() {
            windows.finish(&mut |beat, window_uv| {
                found.place(groups, channel, &beat, window_uv);
            });
        }
        for (number, larger) in self.groups.alike() {
            let smaller = found.clusters.get_mut(number).and_then(Option::take);
            if let (Some(smaller), Some(Some(larger))) = (smaller, found.clusters.get_mut(larger)) {
                larger.join(smaller);
            }
        }
        let mut clusters: Vec<_> = found.clusters.into_iter().flatten().collect();
        // Those of one size in the order in which they began.
        clusters.sort_by_key(|cluster| {
            let first = cluster.ids.first().copied();
            (std::cmp::Reverse(cluster.beats()), first)
        });
        Clusters {
            method: self.groups.method(),
            clusters,
            others: Some(found.others).filter(|others| others.beats() > 0),
            left_out: found.left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins a new group whenever the window's first value is another one, in two places.
    #[derive(Default)]
    struct ByFirstValue {
        places: [Option<f32>; 2],
        next: usize,
    }

    impl BeatGroups for ByFirstValue {
        fn method(&self) -> &'static str {
            "first value"
        }

        fn place(&mut self, _channel: usize, window_uv: &[f32; WINDOW_SAMPLES]) -> Placement {
            let value = Some(window_uv[0]);
            let known = self.places.iter().position(|place| *place == value);
            let group = known.unwrap_or_else(|| {
                let place = self.next;
                self.next = 1 - place;
                self.places[place] = value;
                place
            });
            Placement {
                group,
                is_new: known.is_none(),
                correlation: 0.5,
            }
        }

        fn alike(&self) -> Vec<(usize, usize)> {
            Vec::new()
        }
    }

    fn placed(values: impl IntoIterator<Item = (i64, f32)>) -> Clusters {
        let rate = SampleRate::from_hz(500.0).unwrap();
        let groups = ByFirstValue::default();
        let mut clustering = Clustering::new(rate, Mains::Hz50, [1.0; 2], groups);
        for (id, value) in values {
            let beat = BeatToCluster {
                id,
                channel: 0,
                class: if value > 5.0 {
                    BeatClass::V
                } else {
                    BeatClass::N
                },
                unclassifiable: id % 2 == 0,
            };
            let window_uv = [value; WINDOW_SAMPLES];
            let (groups, found) = (&mut clustering.groups, &mut clustering.found);
            found.place(groups, 0, &beat, Some(&window_uv));
        }
        clustering.finish()
    }

    #[test]
    fn a_cluster_counts_what_it_has() {
        let found = placed([(1, 2.0), (2, 7.0), (3, 2.0), (4, 2.0)]);
        let [two, seven] = &*found.clusters else {
            panic!("{found:?}")
        };
        assert_eq!((two.beats(), &*two.ids), (3, &[1, 3, 4][..]));
        assert_eq!(
            (two.beats_by_class, two.unclassifiable),
            ([3, 0, 0, 0, 0], 1)
        );
        assert_eq!(
            (seven.beats_by_class, seven.unclassifiable),
            ([0, 0, 0, 0, 1], 1)
        );
        let mean_uv = two.mean_uv();
        assert!(mean_uv.iter().all(|uv| (uv - 2.0).abs() < 1e-9));
        assert!((two.mean_correlation() - 0.5).abs() < 1e-9);
        assert_eq!(
            (found.method, found.others.is_none()),
            ("first value", true)
        );
    }

    #[test]
    fn what_makes_room_is_one_of_the_others() {
        // 1 and 2, then 3 in the place of 1, then 1 again in that of 2.
        let found = placed([(10, 1.0), (11, 1.0), (12, 2.0), (13, 3.0), (14, 1.0)]);
        let ids: Vec<_> = found.clusters.iter().map(|cluster| &*cluster.ids).collect();
        assert_eq!(ids, [[13], [14]]);
        let others = found.others.unwrap();
        assert_eq!((others.channel, &*others.ids), (None, &[10, 11, 12][..]));
        assert_eq!(others.beats(), 3);
    }

    #[test]
    fn ids_and_examples_are_bounded_and_examples_come_from_everywhere() {
        let most = i64::try_from(MOST_BEATS_NAMED).unwrap();
        let found = placed((0..most + 10).map(|id| (id, 1.0)));
        let [cluster] = &*found.clusters else {
            panic!("{}", found.clusters.len())
        };
        assert_eq!(cluster.beats(), 5_010);
        assert!(cluster.ids.iter().copied().eq(0..most));
        let examples = cluster.examples_uv.len();
        assert!(
            (MOST_EXAMPLES / 2..=MOST_EXAMPLES).contains(&examples),
            "{examples}"
        );
        assert!(cluster.example_every * (examples as u64) >= 5_010);
    }

    #[test]
    fn a_beat_without_its_signal_is_left_out_and_one_of_no_channel_too() {
        let rate = SampleRate::from_hz(500.0).unwrap();
        let groups = ByFirstValue::default();
        let mut clustering = Clustering::new(rate, Mains::Hz50, [1.0; 2], groups);
        let beat = |id, channel| BeatToCluster {
            id,
            channel,
            class: BeatClass::N,
            unclassifiable: false,
        };
        clustering.expect(1_000, beat(1, 0));
        clustering.expect(1_000, beat(2, 1));
        clustering.expect(1_000, beat(3, 7));
        clustering.leave_out(LeftOut::Clipped);
        for sample in 0..2_000 {
            clustering.push(sample, [5, 9], [true, false]);
        }
        let found = clustering.finish();
        assert_eq!(found.left_out, [2, 1, 0]);
        assert_eq!(
            (found.clusters.len(), &*found.clusters[0].ids),
            (1, &[1][..])
        );
    }

    #[test]
    fn every_reason_has_its_place() {
        for (place, reason) in LeftOut::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
        }
    }
}
