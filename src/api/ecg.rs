//! `/v1/ecg`: a stretch of a session's ECG, as JSON or as bytes.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use ecg_chain::{CHANNEL_COUNT, WallUs};
use serde::ser::SerializeMap;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::endpoint::{Call, Reply, to_json};
use super::json::{Fields, Json, Object, integer, list, number};
use super::pools::Pool;
use super::problem::Problem;
use super::query::Parameters;
use super::session_of::session_of;
use super::shared::Shared;
use crate::store::{EcgSamples, MISSING_CODE, StoreReader, StoredGap, StoredSession, to_uv};

/// The binary form.
pub(super) const MEDIA_TYPE: &str = "application/vnd.ecg-gateway.ecg";
/// Begins the binary form.
const MAGIC: &[u8; 4] = b"ECG1";
/// Points per channel in one answer as JSON; what is longer is cut there and says where to go on.
pub(super) const MOST_JSON_POINTS: u64 = 60_000;
/// Most points that can be asked for with `max_points`.
const MOST_POINTS: u64 = 60_000;
/// Samples per channel read at a time: of both channels 512 KiB of codes.
const CHUNK_SAMPLES: u64 = 65_536;
/// Gaps listed in one answer.
const MOST_GAPS: u32 = 1_000;
/// The stretch where the client does not say: the end of the session.
const DEFAULT_SECONDS: f64 = 10.0;

/// What was asked for.
#[derive(Debug, Clone)]
struct Wanted {
    session: Option<i64>,
    from: Option<WallUs>,
    until: Option<WallUs>,
    /// Places in arrays.
    channels: Vec<usize>,
    max_points: Option<u64>,
}

impl Wanted {
    fn read(parameters: &Parameters) -> Result<Self, Problem> {
        let channels = match parameters.one("channel_number")? {
            None => (0..CHANNEL_COUNT).collect(),
            Some("1") => vec![0],
            Some("2") => vec![1],
            Some(other) => return Err(Problem::invalid("channel_number", other, "1 or 2")),
        };
        Ok(Self {
            session: parameters.id("session")?,
            from: parameters.time("from")?,
            until: parameters.time("to")?,
            channels,
            max_points: parameters.whole("max_points", 1..=MOST_POINTS)?,
        })
    }
}

/// A stretch that is there to be read, in points.
#[derive(Debug, Clone)]
struct Stretch {
    session: StoredSession,
    /// Of samples; begins at a multiple of `samples_per_point`.
    range: Range<u64>,
    samples_per_point: u64,
    channels: Vec<usize>,
}

impl Stretch {
    fn find(reader: &StoreReader, wanted: &Wanted) -> Result<Self, Problem> {
        let session = session_of(reader, wanted.session)?;
        let mut range = reader.samples_between(&session, wanted.from, wanted.until)?;
        if wanted.from.is_none() && wanted.until.is_none() {
            let default = seconds_in_samples(DEFAULT_SECONDS, session.info.sample_rate_hz);
            range.start = range.start.max(range.end.saturating_sub(default));
        }
        let samples = range.end - range.start;
        let samples_per_point = wanted
            .max_points
            .map_or(1, |points| samples.div_ceil(points).max(1));
        // Points begin at multiples of their length, so that neighbouring stretches fit together.
        range.start -= range.start % samples_per_point;
        Ok(Self {
            session,
            range,
            samples_per_point,
            channels: wanted.channels.clone(),
        })
    }

    fn points(&self) -> u64 {
        (self.range.end - self.range.start).div_ceil(self.samples_per_point)
    }

    /// Cuts off what one answer as JSON does not hold; where to go on.
    fn cut(&mut self) -> Option<u64> {
        let longest = MOST_JSON_POINTS * self.samples_per_point;
        let end = self.range.start.saturating_add(longest);
        (end < self.range.end).then(|| {
            self.range.end = end;
            end
        })
    }

    /// The samples behind `position`, as many as are read at a time; none at the end.
    fn read_on(&self, reader: &StoreReader, position: u64) -> Result<EcgSamples, Problem> {
        let end = position.saturating_add(CHUNK_SAMPLES).min(self.range.end);
        Ok(reader.ecg(self.session.id, &(position..end))?)
    }

    /// Every sample as a point of its own, or as many of them as a point has folded into one.
    fn read_points(&self, reader: &StoreReader) -> Result<Vec<Point>, Problem> {
        let mut points = Vec::with_capacity(usize::try_from(self.points()).unwrap_or(0));
        let per_point = usize::try_from(self.samples_per_point).unwrap_or(usize::MAX);
        let mut position = self.range.start;
        // Samples that the last point still takes.
        let mut room = 0;
        while position < self.range.end {
            let samples = self.read_on(reader, position)?;
            position += samples.len() as u64;
            let mut rest = &samples[..];
            while !rest.is_empty() {
                if room == 0 {
                    points.push(Point::default());
                    room = per_point;
                }
                let (now, later) = rest.split_at(room.min(rest.len()));
                if let Some(point) = points.last_mut() {
                    point.add(now);
                }
                room -= now.len();
                rest = later;
            }
        }
        Ok(points)
    }
}

/// Smallest and largest code of each channel; both [`MISSING_CODE`] where no sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) min: [i32; CHANNEL_COUNT],
    pub(super) max: [i32; CHANNEL_COUNT],
}

impl Default for Point {
    fn default() -> Self {
        Self {
            min: [MISSING_CODE; CHANNEL_COUNT],
            max: [MISSING_CODE; CHANNEL_COUNT],
        }
    }
}

impl Point {
    pub(super) fn add(&mut self, samples: &[[i32; CHANNEL_COUNT]]) {
        for place in 0..CHANNEL_COUNT {
            // One below the smallest code wraps to the largest number: what is missing never is the minimum.
            let key = |code: i32| code.wrapping_sub(1);
            let (mut min, mut max) = (key(self.min[place]), self.max[place]);
            for sample in samples {
                min = min.min(key(sample[place]));
                max = max.max(sample[place]);
            }
            (self.min[place], self.max[place]) = (min.wrapping_add(1), max);
        }
    }
}

/// What an answer says before its points, and the values of the points where it has them in it.
struct Answer<'a> {
    stretch: &'a Stretch,
    start: WallUs,
    gaps: Vec<StoredGap>,
    /// Where a stretch that was cut goes on.
    next: Option<WallUs>,
    points: Option<Vec<Point>>,
}

impl<'a> Answer<'a> {
    fn read(
        reader: &StoreReader,
        stretch: &'a Stretch,
        next_sample: Option<u64>,
    ) -> Result<Self, Problem> {
        let Stretch { session, range, .. } = stretch;
        let wall = |sample| reader.wall_of_sample(session, sample);
        Ok(Self {
            stretch,
            start: wall(range.start)?,
            gaps: reader.gaps_within(session.id, range, MOST_GAPS + 1)?,
            next: next_sample.map(wall).transpose()?,
            points: None,
        })
    }
}

impl Object for Answer<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let stretch = self.stretch;
        let most = usize::try_from(MOST_GAPS).unwrap_or(usize::MAX);
        let gaps: Vec<_> = self.gaps.iter().take(most).map(GapInside).collect();
        let places = stretch.channels.iter();
        let channels: Vec<_> = places.map(|&place| Channel(self, place)).collect();
        to.add("session", stretch.session.id);
        to.add("sample_rate_hz", stretch.session.info.sample_rate_hz);
        to.conversion(Some(&stretch.session.info));
        to.add("samples_per_point", stretch.samples_per_point);
        to.add("first_sample", integer(stretch.range.start));
        to.add("points", stretch.points());
        to.time("start_time", Some(self.start));
        to.add("gaps", list(&gaps));
        to.add("gaps_left_out", self.gaps.len() > most);
        to.time("next_time", self.next);
        to.add("channels", list(&channels));
    }
}

struct GapInside<'a>(&'a StoredGap);

impl Object for GapInside<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let gap = &self.0.gap;
        to.add("first_missing_sample", integer(gap.first_missing_sample));
        to.add("missing_samples", integer(gap.missing_samples));
        to.add("cause", gap.cause.name());
    }
}

/// A channel at its place in arrays.
struct Channel<'a>(&'a Answer<'a>, usize);

impl Object for Channel<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let Self(answer, place) = *self;
        let info = &answer.stretch.session.info;
        let channel = u8::try_from(place).unwrap_or(u8::MAX);
        let uv_per_code = info.uv_per_code[place];
        (number(channel), &info.leads[place]).fields(to);
        to.add("uv_per_code", uv_per_code);
        let Some(points) = &answer.points else { return };
        let uv = |code: i32| {
            let stored = code != MISSING_CODE;
            stored.then(|| to_uv(code, uv_per_code))
        };
        let min: Vec<_> = points.iter().map(|point| uv(point.min[place])).collect();
        if answer.stretch.samples_per_point == 1 {
            return to.add("uv", min);
        }
        to.add("min_uv", min);
        let max: Vec<_> = points.iter().map(|point| uv(point.max[place])).collect();
        to.add("max_uv", max);
    }
}

/// Answers as JSON, or in the binary form where the client asks for it.
pub(super) async fn ecg(call: Call) -> Reply {
    let wanted = Wanted::read(&call.parameters)?;
    let accept = call.parts.headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains(MEDIA_TYPE)) {
        binary(&call.shared, wanted).await
    } else {
        json(&call.shared, wanted).await
    }
}

async fn json(shared: &Arc<Shared>, wanted: Wanted) -> Reply {
    let answer = shared.read(Pool::Wide, move |reader| {
        let mut stretch = Stretch::find(reader, &wanted)?;
        let next = stretch.cut();
        let mut answer = Answer::read(reader, &stretch, next)?;
        answer.points = Some(stretch.read_points(reader)?);
        Ok(([vary()], to_json(&answer)).into_response())
    });
    answer.await
}

/// Interleaved: for each point, for each channel, the code, or minimum and maximum.
fn interleave(points: &[Point], stretch: &Stretch) -> Bytes {
    let thinned = stretch.samples_per_point > 1;
    let values = if thinned { 2 } else { 1 };
    let mut bytes = Vec::with_capacity(points.len() * stretch.channels.len() * values * 4);
    for point in points {
        for &place in &stretch.channels {
            bytes.extend_from_slice(&point.min[place].to_le_bytes());
            if thinned {
                bytes.extend_from_slice(&point.max[place].to_le_bytes());
            }
        }
    }
    bytes.into()
}

/// As [`interleave`], of samples that are points of their own.
fn interleave_samples(samples: &EcgSamples, stretch: &Stretch) -> Bytes {
    let mut bytes = Vec::with_capacity(samples.len() * stretch.channels.len() * 4);
    for sample in samples {
        for &place in &stretch.channels {
            bytes.extend_from_slice(&sample[place].to_le_bytes());
        }
    }
    bytes.into()
}

/// Samples are read from the store as the client takes them: memory is that of a few chunks, however
/// long the stretch. Thinned ones are few.
async fn binary(shared: &Arc<Shared>, wanted: Wanted) -> Reply {
    let (stretch, begin) = shared
        .read(Pool::Wide, move |reader| {
            let stretch = Stretch::find(reader, &wanted)?;
            let answer = Answer::read(reader, &stretch, None)?;
            let text = serde_json::to_vec(&Json(&answer)).unwrap_or_default(); // plain values serialise
            let mut begin = MAGIC.to_vec();
            begin.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            begin.extend_from_slice(&text);
            if stretch.samples_per_point > 1 {
                begin.extend_from_slice(&interleave(&stretch.read_points(reader)?, &stretch));
            }
            Ok((stretch, Bytes::from(begin)))
        })
        .await?;
    let kind = HeaderValue::from_static(MEDIA_TYPE);
    let headers = [(header::CONTENT_TYPE, kind), vary()];
    if stretch.samples_per_point > 1 {
        return Ok((headers, begin).into_response());
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(send_samples(Arc::clone(shared), Arc::new(stretch), sender));
    let chunks = tokio_stream::once(Ok(begin)).chain(ReceiverStream::new(receiver));
    // On an error the connection breaks off: a shorter body is no whole answer.
    let body = chunks.map(|chunk| chunk.map_err(|problem| std::io::Error::other(problem.detail)));
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Until the client is gone.
async fn send_samples(
    shared: Arc<Shared>,
    stretch: Arc<Stretch>,
    sender: mpsc::Sender<Result<Bytes, Problem>>,
) {
    let mut position = stretch.range.start;
    while position < stretch.range.end {
        let asked = Arc::clone(&stretch);
        let chunk = shared
            .read_in_turn(Pool::Wide, move |reader| {
                let samples = asked.read_on(reader, position)?;
                Ok((interleave_samples(&samples, &asked), samples.len() as u64))
            })
            .await;
        let failed = chunk.is_err();
        let chunk = chunk.map(|(bytes, samples)| {
            position += samples;
            bytes
        });
        if sender.send(chunk).await.is_err() || failed {
            return;
        }
    }
}

/// The same address has two forms.
fn vary() -> (header::HeaderName, HeaderValue) {
    (header::VARY, HeaderValue::from_static("accept"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of ECG"
)]
fn seconds_in_samples(seconds: f64, rate_hz: f64) -> u64 {
    (seconds * rate_hz).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_of_what_is_stored() {
        let missing = [MISSING_CODE; CHANNEL_COUNT];
        for (samples, expected) in [
            (vec![[3, 0], [-5, 0], [4, 0]], (-5, 4)),
            (vec![missing, [7, 0], missing], (7, 7)),
            (vec![[i32::MAX, 0], missing], (i32::MAX, i32::MAX)),
            (vec![missing, missing], (MISSING_CODE, MISSING_CODE)),
            (vec![], (MISSING_CODE, MISSING_CODE)),
        ] {
            let mut point = Point::default();
            point.add(&samples);
            assert_eq!((point.min[0], point.max[0]), expected, "{samples:?}");
        }
    }
}
