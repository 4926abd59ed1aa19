//! What lasts on the patient's side: electrodes off, inputs at the converter's limits or dead.

use ecg_signal::SignalQuality;

use super::event::CHANNEL_COUNT;
use super::kind::EventKind;
use super::lead_off::ELECTRODES;
use super::source::{Episode, Event, RawSample};
use super::time::MonotonicNs;

/// Names of the channels as an episode's subject.
const CHANNELS: [&str; CHANNEL_COUNT] = ["ch1", "ch2"];

/// The name of a channel, counted from 0, as an event's subject.
pub(super) fn channel_name(channel: usize) -> &'static str {
    CHANNELS.get(channel).copied().unwrap_or_default()
}

/// Which channel, counted from 0, an event's subject belongs to: a channel (`ch1`) or one of its
/// electrodes (`in1p`, `in1n`).
#[must_use]
pub fn channel_of_subject(subject: &str) -> Option<u8> {
    let subject = subject.strip_prefix("ch").or_else(|| {
        let electrode = subject.strip_prefix("in")?;
        electrode.strip_suffix(['p', 'n'])
    })?;
    match subject {
        "1" => Some(0),
        "2" => Some(1),
        _ => None,
    }
}

/// What lasts now, and since when.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    electrodes: [Option<(u64, MonotonicNs)>; ELECTRODES.len()],
    channels: [Option<(SignalQuality, u64, MonotonicNs)>; CHANNEL_COUNT],
}

impl Episodes {
    /// An electrode (its place in [`ELECTRODES`]) came off or is on again.
    pub(super) fn electrode(&mut self, electrode: usize, off: bool, at: &RawSample) -> Event {
        let subject = ELECTRODES.get(electrode).copied().unwrap_or_default();
        let since = self.electrodes.get_mut(electrode);
        let here = (at.index, at.time);
        let (kind, state, episode) = if off {
            if let Some(since) = since {
                *since = Some(here);
            }
            (EventKind::LeadOff, "off", Episode::Begins { subject })
        } else {
            let (began_sample, began) = since.and_then(Option::take).unwrap_or(here);
            let episode = Episode::Ends {
                subject,
                began_sample,
                began,
            };
            (EventKind::LeadOn, "on again", episode)
        };
        Event {
            sample: at.index,
            time: at.time,
            kind,
            detail: format!("electrode {subject}: {state}"),
            episode,
        }
    }

    /// A channel's quality changed: what ends by it, and what begins.
    pub(super) fn quality(
        &mut self,
        channel: usize,
        quality: SignalQuality,
        sample: u64,
        time: MonotonicNs,
    ) -> impl Iterator<Item = Event> + use<> {
        let subject = channel_name(channel);
        let mut since = self.channels.get_mut(channel);
        let before = since.as_mut().and_then(|since| since.take());
        let ends = before.and_then(|(quality, began_sample, began)| {
            let (kind, _) = kind(quality)?;
            Some(Event {
                sample,
                time,
                kind,
                detail: format!("{subject}: over"),
                episode: Episode::Ends {
                    subject,
                    began_sample,
                    began,
                },
            })
        });
        let begins = kind(quality).map(|(kind, what)| {
            if let Some(since) = since {
                *since = Some((quality, sample, time));
            }
            Event {
                sample,
                time,
                kind,
                detail: format!("{subject}: {what}"),
                episode: Episode::Begins { subject },
            }
        });
        ends.into_iter().chain(begins)
    }
}

/// The episode a quality stands for; an electrode off has its own.
const fn kind(quality: SignalQuality) -> Option<(EventKind, &'static str)> {
    match quality {
        SignalQuality::Clipped => Some((
            EventKind::InputSaturated,
            "the input is at the converter's limits: electrode contact, or a gain too high",
        )),
        SignalQuality::Flat => Some((
            EventKind::InputFlat,
            "the input carries nothing: an open or shorted lead, or a cable pulled out",
        )),
        SignalQuality::Good | SignalQuality::Noisy | SignalQuality::LeadOff => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lead_off::LeadOff;
    use super::*;

    #[test]
    fn a_subject_names_its_channel() {
        for (electrode, channel) in
            ELECTRODES
                .into_iter()
                .zip([Some(0), Some(0), Some(1), Some(1), None])
        {
            assert_eq!(channel_of_subject(electrode), channel);
        }
        for (channel, name) in (0..).zip(CHANNELS) {
            assert_eq!(channel_of_subject(name), Some(channel));
        }
        for other in ["", "chip", "ch", "ch3", "in1", "in1pn", "1"] {
            assert_eq!(channel_of_subject(other), None, "{other}");
        }
    }

    #[test]
    fn an_end_knows_its_beginning() {
        let mut episodes = Episodes::default();
        let at = |index| RawSample {
            index,
            time: MonotonicNs(index * 1_000),
            codes: [0; 2],
            lead_off: LeadOff::default(),
        };
        let began = episodes.electrode(3, true, &at(5));
        assert_eq!(began.episode, Episode::Begins { subject: "in2n" });
        let ended = episodes.electrode(3, false, &at(9));
        let expected = Episode::Ends {
            subject: "in2n",
            began_sample: 5,
            began: MonotonicNs(5_000),
        };
        assert_eq!((ended.kind, ended.episode), (EventKind::LeadOn, expected));
    }

    #[test]
    fn one_trouble_of_a_channel_ends_when_another_begins() {
        let mut episodes = Episodes::default();
        let mut kinds = |quality, sample| -> Vec<_> {
            episodes
                .quality(1, quality, sample, MonotonicNs(sample))
                .map(|event| (event.kind, matches!(event.episode, Episode::Ends { .. })))
                .collect()
        };
        assert_eq!(kinds(SignalQuality::Noisy, 1), []);
        assert_eq!(
            kinds(SignalQuality::Flat, 2),
            [(EventKind::InputFlat, false)]
        );
        assert_eq!(
            kinds(SignalQuality::Clipped, 3),
            [
                (EventKind::InputFlat, true),
                (EventKind::InputSaturated, false)
            ]
        );
        assert_eq!(
            kinds(SignalQuality::LeadOff, 4),
            [(EventKind::InputSaturated, true)]
        );
        assert_eq!(kinds(SignalQuality::Good, 5), []);
    }
}
