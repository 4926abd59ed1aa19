//! The format as a whole: what was written comes back, cuts and damage are found.

use std::io::Cursor;
use std::path::Path;

use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use proptest::prelude::*;
use wfdb_io::Record;

use super::super::{DrdyEdge, Session};
use super::*;

const START_NS: u64 = 5_000_000_000_000;

fn header() -> TraceHeader {
    TraceHeader {
        chip_id: 0x53,
        sample_rate_sps: 500,
        gain: [6, 6],
        vref_uv: 2_420_000,
        registers: [0x53, 2, 0xA0, 0x10, 0, 0, 0x2C, 0, 0, 2, 3, 0x0C],
        session: Session {
            start: ClockRelation {
                wall: WallUs(1_700_000_000_000_000),
                monotonic: MonotonicNs(START_NS),
            },
            start_by_pin: false,
            leads: ["MLII".to_owned(), "V5 – µ".to_owned()],
            description: "made by a test".to_owned(),
        },
    }
}

/// An event with its own bytes.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Edge(DrdyEdge),
    Timeout(MonotonicNs),
    Pin(MonotonicNs, ControlPin, bool),
    Transaction(MonotonicNs, Vec<(Vec<u8>, Vec<u8>)>),
}

fn write(events: &[Owned], compression: Compression, finish: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TraceWriter::create(&mut bytes, &header(), compression).unwrap();
    for event in events {
        match event {
            Owned::Edge(edge) => writer.edge(*edge),
            Owned::Timeout(time) => writer.timeout(*time),
            Owned::Pin(time, pin, high) => writer.pin(*time, *pin, *high),
            Owned::Transaction(time, operations) => writer.transaction(
                *time,
                operations
                    .iter()
                    .map(|(written, read)| SpiOperation { written, read }),
            ),
        }
        .unwrap();
    }
    if finish {
        writer.finish().unwrap();
    } else {
        drop(writer);
    }
    bytes
}

/// Everything handed out, frames taken apart, and how it ended.
fn read(bytes: &[u8]) -> (Vec<Owned>, Result<TraceEnd, TraceError>) {
    let mut events = Vec::new();
    let mut reader = match TraceReader::new(Cursor::new(bytes.to_vec())) {
        Ok(reader) => reader,
        Err(error) => return (events, Err(error)),
    };
    loop {
        match reader.next_event() {
            Ok(None) => return (events, Ok(reader.end().unwrap())),
            Err(error) => return (events, Err(error)),
            Ok(Some(event)) => match event {
                TraceEvent::Frame(frame) => {
                    let written = if frame.transferred {
                        vec![0; 9]
                    } else {
                        vec![]
                    };
                    events.push(Owned::Edge(frame.edge));
                    events.push(Owned::Transaction(
                        frame.read_time,
                        vec![(written, frame.rx.to_vec())],
                    ));
                }
                TraceEvent::Edge(edge) => events.push(Owned::Edge(edge)),
                TraceEvent::Timeout(time) => events.push(Owned::Timeout(time)),
                TraceEvent::Pin { time, pin, high } => events.push(Owned::Pin(time, pin, high)),
                TraceEvent::Transaction { time, operations } => events.push(Owned::Transaction(
                    time,
                    operations
                        .map(|operation| (operation.written.to_vec(), operation.read.to_vec()))
                        .collect(),
                )),
            },
        }
    }
}

/// Three and a half seconds of everything a session has.
fn session() -> Vec<Owned> {
    let at = |ns: u64| MonotonicNs(START_NS + ns);
    let mut events = vec![
        Owned::Pin(at(10), ControlPin::Reset, false),
        Owned::Pin(at(20_000), ControlPin::Reset, true),
        Owned::Transaction(at(90_000), vec![(vec![0x11], vec![])]),
        Owned::Transaction(
            at(95_000),
            vec![
                (vec![0x20], vec![]),
                (vec![0], vec![]),
                (vec![], vec![0x53]),
            ],
        ),
        Owned::Transaction(at(96_000), vec![(vec![0x12, 0], vec![0xFF, 0x53])]),
        Owned::Transaction(at(97_000), vec![]),
        Owned::Pin(at(150_000), ControlPin::Start, true),
        Owned::Timeout(at(1_000_150_000)),
    ];
    let mut sequence = 7;
    for index in 0..1_200_u64 {
        sequence += if index == 500 { 4 } else { 1 };
        let time = at(1_100_000_000 + index * 2_011_000 + index * index % 911);
        let edge = DrdyEdge { time, sequence };
        events.push(Owned::Edge(edge));
        if index % 400 == 399 {
            continue;
        }
        let code = i32::try_from(index * 777 % 60_000).unwrap() - 30_000;
        let [_, a, b, c] = code.to_be_bytes();
        let status = if index > 600 { 0xC1 } else { 0xC0 };
        let rx = vec![status, 0, 0, a, b, c, 0x7F, b, c];
        let written = if index % 100 == 0 { vec![] } else { vec![0; 9] };
        events.push(Owned::Transaction(
            time.plus_ns(40_000 + index % 77),
            vec![(written, rx)],
        ));
    }
    events.push(Owned::Transaction(
        at(3_600_000_000),
        vec![(vec![1, 0, 0, 0, 0, 0, 0, 0, 0], vec![9; 9])],
    ));
    events.push(Owned::Pin(at(3_600_100_000), ControlPin::Start, false));
    events
}

#[test]
fn a_session_comes_back_plain_and_compressed() {
    for compression in [Compression::None, Compression::Gzip] {
        let events = session();
        let bytes = write(&events, compression, true);
        let reader = TraceReader::new(Cursor::new(bytes.clone())).unwrap();
        assert_eq!(*reader.header(), header());
        assert_eq!(reader.end(), None);
        let (back, end) = read(&bytes);
        assert!(back == events, "{compression:?}");
        let end = end.unwrap();
        assert!(matches!(end, TraceEnd::Complete { .. }), "{end:?}");
        if compression == Compression::None {
            let bytes = bytes.len() as u64;
            assert_eq!(end, TraceEnd::Complete { bytes });
        }
    }
}

#[test]
fn whatever_lies_before_a_cut_is_read_and_the_cut_is_reported() {
    let events = session();
    let bytes = write(&events, Compression::None, true);
    let head = header().encode().unwrap().len();
    let mut most = 0;
    for cut in (0..bytes.len()).filter(|cut| cut % 7 == 0 || cut + 60 > bytes.len()) {
        let (back, end) = read(&bytes[..cut]);
        assert!(events.starts_with(&back), "cut at {cut}");
        match end {
            Ok(TraceEnd::Cut { offset, readable }) => {
                assert_eq!(offset, cut as u64);
                assert!(
                    readable <= offset && offset - readable < 60,
                    "cut at {cut}: {readable}"
                );
                assert!(back.len() >= most, "cut at {cut}");
                most = back.len();
            }
            Err(TraceError::CutInHeader { offset }) if cut < head => assert_eq!(offset, cut as u64),
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
    assert_eq!(most, events.len());
}

#[test]
fn a_cut_gzip_hands_out_what_was_flushed() {
    let events = session();
    let plain = write(&events, Compression::None, true);
    let bytes = write(&events, Compression::Gzip, true);
    let mut last = 0;
    for cut in (40..bytes.len()).step_by(97) {
        let (back, end) = read(&bytes[..cut]);
        assert!(events.starts_with(&back), "cut at {cut}");
        assert!(back.len() >= last);
        last = back.len();
        match end {
            Ok(TraceEnd::Cut { offset, .. }) => assert!(offset <= plain.len() as u64),
            Err(TraceError::CutInHeader { .. } | TraceError::NotATrace { .. }) if cut < 200 => {}
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
    assert!(last > events.len() * 8 / 10, "{last} of {}", events.len());
}

#[test]
fn gzip_of_several_members_is_read_whole_and_nothing_may_follow() {
    let events = session();
    let plain = write(&events, Compression::None, true);
    let member = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let whole = member(&plain);
    // Members that end anywhere, some of them empty.
    for cut in [0, 1, 2, 30, plain.len() / 2, plain.len() - 1, plain.len()] {
        let bytes = [member(&plain[..cut]), member(&plain[cut..])].concat();
        let (back, end) = read(&bytes);
        assert!(back == events, "cut at {cut}");
        assert!(
            matches!(end, Ok(TraceEnd::Complete { .. })),
            "cut at {cut}: {end:?}"
        );
    }
    let pieces: Vec<u8> = plain.chunks(1_000).flat_map(member).collect();
    assert!(read(&pieces).0 == events);

    let end_of = plain.len() as u64;
    let mut wrong = Vec::new();
    for (what, bytes) in [
        ("a second trace", [&plain[..], &plain].concat()),
        (
            "a second trace in a second member",
            [&whole[..], &whole].concat(),
        ),
        (
            "a second trace in the same member",
            member(&[&plain[..], &plain].concat()),
        ),
        ("junk", [&plain[..], b"junk"].concat()),
        ("junk after gzip", [&whole[..], b"junk"].concat()),
        ("zeros after gzip", [&whole[..], &[0; 512]].concat()),
        (
            "a byte that may begin a member",
            [&whole[..], &[0x1F]].concat(),
        ),
        ("the head of a member", [&whole[..], &whole[..10]].concat()),
        (
            "no length at the end of gzip",
            whole[..whole.len() - 1].to_vec(),
        ),
    ] {
        let (back, end) = read(&bytes);
        match end {
            // Everything before is whole, the last second included.
            Err(TraceError::Corrupt {
                offset,
                segment,
                problem,
            }) if (offset, segment) == (end_of, end_of)
                && problem.contains("after the end record")
                && back == events => {}
            other => wrong.push(format!("{what}: {} events, {other:?}", back.len())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damage_is_told_whoever_asks_first() {
    let mut bytes = write(&session(), Compression::None, true);
    let length = bytes.len();
    bytes[length / 2] ^= 0x10;
    let mut reader = TraceReader::new(Cursor::new(bytes)).unwrap();
    while reader.next_event().is_ok_and(|event| event.is_some()) {}
    for _ in 0..2 {
        assert!(matches!(
            reader.peek_event(),
            Err(TraceError::Corrupt { .. })
        ));
        assert!(matches!(
            reader.next_event(),
            Err(TraceError::Corrupt { .. })
        ));
    }
}

#[test]
fn a_dropped_writer_leaves_all_but_the_last_second() {
    let events = session();
    for compression in [Compression::None, Compression::Gzip] {
        let (back, end) = read(&write(&events, compression, false));
        assert!(events.starts_with(&back));
        assert!(matches!(end, Ok(TraceEnd::Cut { .. })), "{end:?}");
        let last_time = |events: &[Owned]| {
            events.iter().rev().find_map(|event| match event {
                Owned::Edge(edge) => Some(edge.time),
                _ => None,
            })
        };
        let lost_ns = last_time(&events).unwrap().since(last_time(&back).unwrap());
        assert!(lost_ns <= 1_010_000_000, "{lost_ns}");
    }
}

#[test]
fn a_flipped_bit_never_passes_for_a_whole_trace() {
    let events = session();
    for compression in [Compression::None, Compression::Gzip] {
        let bytes = write(&events, compression, true);
        for position in (0..bytes.len()).step_by(13) {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << (position % 8);
            let (back, end) = read(&damaged);
            match end {
                Ok(TraceEnd::Complete { .. }) => {
                    // gzip has bits of no consequence: time and system in its head, padding.
                    assert!(compression == Compression::Gzip, "flip in {position}");
                    assert!(back == events);
                }
                Ok(_) => {}
                // What was handed out before the damage was reported is all true.
                Err(error) => {
                    assert!(events.starts_with(&back), "flip in {position}: {error}");
                }
            }
        }
    }
}

#[test]
fn damage_is_reported_with_its_place() {
    let events = session();
    let mut bytes = write(&events, Compression::None, true);
    let position = bytes.len() / 2;
    // A code's low byte: decodes, but not to what was written.
    bytes[position] ^= 0x01;
    let (back, end) = read(&bytes);
    let Err(TraceError::Corrupt {
        offset, segment, ..
    }) = end
    else {
        panic!("{end:?}")
    };
    assert!(
        segment <= position as u64 && position as u64 <= offset,
        "{segment} {position} {offset}"
    );
    assert!(!back.is_empty());
    let message = end.unwrap_err().to_string();
    assert!(
        message.starts_with(&format!(
            "damaged trace: at byte {offset}, in the segment that begins at byte {segment}: "
        )),
        "{message}"
    );

    let mut bytes = write(&events, Compression::None, true);
    bytes.push(0);
    let (back, end) = read(&bytes);
    let message = end.unwrap_err().to_string();
    assert!(message.ends_with("bytes after the end record"), "{message}");
    assert!(back == events, "the last segment is whole");
}

#[test]
fn what_is_no_trace_of_ours_is_refused() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = header().encode().unwrap();
        bytes.truncate(bytes.len() - 4);
        change(&mut bytes);
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        read(&bytes).1.unwrap_err().to_string()
    };
    for (message, expected) in [
        (
            with(&|bytes| bytes.clear()),
            "not an SPI trace: begins with [00, 00, 00, 00], expected `ECGTRACE`, plain or in gzip",
        ),
        (with(&|bytes| bytes[8] = 9), "trace version 9, expected 1"),
        (
            with(&|bytes| bytes[14] = 0x92),
            "trace of a chip with ID 0x92, expected 0x53 (ADS1292) or 0x73 (ADS1292R)",
        ),
        (
            with(&|bytes| bytes[15..17].fill(0)),
            "damaged trace header: sample rate is 0",
        ),
        (
            with(&|bytes| bytes[52] = 0xFF),
            "damaged trace header: body does not fit its length",
        ),
        (
            with(&|bytes| bytes[13] = 0xFF),
            "damaged trace header: impossible length",
        ),
    ] {
        assert_eq!(message, expected);
    }
    let mut bytes = header().encode().unwrap();
    bytes[20] ^= 1;
    assert_eq!(
        read(&bytes).1.unwrap_err().to_string(),
        "damaged trace header: CRC differs"
    );
}

#[test]
fn what_does_not_fit_is_refused_by_the_writer() {
    let mut long = header();
    long.session.description = "x".repeat(65_536);
    let error = TraceWriter::create(Vec::new(), &long, Compression::None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "trace header cannot be written: description is longer than 65535 bytes"
    );
    let mut writer = TraceWriter::create(Vec::new(), &header(), Compression::None).unwrap();
    let written = vec![0; 9_000];
    let operation = SpiOperation {
        written: &written,
        read: &[],
    };
    let error = writer
        .transaction(MonotonicNs(START_NS), [operation])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "an SPI transaction of 9003 bytes cannot be recorded, at most 8192 can"
    );
}

/// The bytes that `docs/trace-format.md` takes apart.
#[test]
fn the_documented_example_is_what_is_written() {
    let mut small = header();
    small.session = Session {
        start: ClockRelation {
            wall: WallUs(2),
            monotonic: MonotonicNs(1_000),
        },
        leads: ["II".to_owned(), String::new()],
        description: "x".to_owned(),
        ..small.session
    };
    let mut writer = TraceWriter::create(Vec::new(), &small, Compression::None).unwrap();
    writer
        .pin(MonotonicNs(1_100), ControlPin::Start, true)
        .unwrap();
    let operations = [
        SpiOperation {
            written: &[0x20],
            read: &[],
        },
        SpiOperation {
            written: &[],
            read: &[0x53],
        },
    ];
    writer.transaction(MonotonicNs(1_200), operations).unwrap();
    writer
        .edge(DrdyEdge {
            time: MonotonicNs(2_001_000),
            sequence: 1,
        })
        .unwrap();
    let rx = [0xC0, 0, 0, 0, 0, 100, 0xFF, 0xFF, 0xFF];
    let read = SpiOperation {
        written: &[0; 9],
        read: &rx,
    };
    writer.transaction(MonotonicNs(2_001_040), [read]).unwrap();
    let (bytes, length) = writer.finish().unwrap();
    assert_eq!(length, bytes.len() as u64);
    let documented: Vec<u8> = include_str!("../../../docs/trace-format.md")
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split("  ").next())
        .filter(|line| line.len() >= 2)
        .flat_map(|line| line.split(' '))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(bytes, documented, "{bytes:02X?}");
}

/// Bytes per second of twenty seconds of ECG at 500 SPS, with the times a Linux host sees.
#[test]
fn real_ecg_stays_within_six_kilobytes_a_second() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/acquisition/testdata/119_20s");
    let record = Record::open(&path).unwrap();
    let mut reader = record.frames().unwrap();
    let mut frames = Vec::new();
    let mut frame = [0; 2];
    while reader.next_frame(&mut frame).unwrap() {
        frames.push(frame);
    }
    reader.verify_checksums().unwrap();

    // 2.42 V, gain 6: 0.0481 µV per code. Linear interpolation to 500 SPS; the chip's own noise of
    // 8 µV peak to peak at this gain comes on top.
    let codes_per_adu = 5.0 / (2_420_000.0 / 6.0 / 8_388_607.0);
    let mut noise = 1_u32;
    let mut random = |range: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from((noise >> 8) % range)
    };
    let (mut plain, mut gzip) = (Vec::new(), Vec::new());
    let mut writers = [
        TraceWriter::create(
            Box::new(&mut plain) as Box<dyn std::io::Write>,
            &header(),
            Compression::None,
        )
        .unwrap(),
        TraceWriter::create(
            Box::new(&mut gzip) as Box<dyn std::io::Write>,
            &header(),
            Compression::Gzip,
        )
        .unwrap(),
    ];
    let seconds = 19;
    for index in 0..seconds * 500_u32 {
        let position = f64::from(index) * 0.72;
        let (whole, part) = (position.floor(), position.fract());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = whole as usize;
        let mut rx = [0xC0, 0, 0, 0, 0, 0, 0, 0, 0];
        for channel in 0..2 {
            let (a, b) = (
                f64::from(frames[at][channel]),
                f64::from(frames[at + 1][channel]),
            );
            let adu = a + (b - a) * part - 1_024.0;
            #[allow(clippy::cast_possible_truncation)]
            let code = (adu * codes_per_adu + random(160) - 80.0) as i32;
            rx[3 + 3 * channel..6 + 3 * channel].copy_from_slice(&code.to_be_bytes()[1..]);
        }
        // The chip's clock is 1 % off, edges are stamped within 2 µs, reads follow within 30 µs.
        let jitter = |value: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let ns = value as u64;
            ns
        };
        let time = MonotonicNs(START_NS + u64::from(index + 1) * 2_020_000 + jitter(random(2_000)));
        let read_time = time.plus_ns(60_000 + jitter(random(30_000)));
        for writer in &mut writers {
            writer
                .edge(DrdyEdge {
                    time,
                    sequence: index + 1,
                })
                .unwrap();
            writer
                .transaction(
                    read_time,
                    [SpiOperation {
                        written: &[0; 9],
                        read: &rx,
                    }],
                )
                .unwrap();
        }
    }
    for writer in writers {
        writer.finish().unwrap();
    }
    let rate = |bytes: &[u8]| bytes.len() / 19;
    println!("plain {} B/s, gzip {} B/s", rate(&plain), rate(&gzip));
    assert!(rate(&plain) <= 6_000, "{} B/s", rate(&plain));
    assert!(
        rate(&gzip) * 10 <= rate(&plain) * 9,
        "{} B/s in gzip",
        rate(&gzip)
    );
    assert!(matches!(read(&plain).1, Ok(TraceEnd::Complete { .. })));
    assert!(matches!(read(&gzip).1, Ok(TraceEnd::Complete { .. })));
}

fn any_event() -> impl Strategy<Value = Owned> {
    let time = prop_oneof![any::<u64>(), START_NS..START_NS + 4_000_000_000].prop_map(MonotonicNs);
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![
        (time.clone(), any::<u32>())
            .prop_map(|(time, sequence)| Owned::Edge(DrdyEdge { time, sequence })),
        time.clone().prop_map(Owned::Timeout),
        (time.clone(), any::<bool>(), any::<bool>()).prop_map(|(time, start, high)| {
            Owned::Pin(
                time,
                if start {
                    ControlPin::Start
                } else {
                    ControlPin::Reset
                },
                high,
            )
        }),
        (
            time.clone(),
            prop::collection::vec((bytes(), bytes()), 0..4)
        )
            .prop_map(|(time, operations)| Owned::Transaction(time, operations)),
        (time, any::<bool>(), any::<[u8; 9]>()).prop_map(|(time, transferred, rx)| {
            let written = if transferred { vec![0; 9] } else { vec![] };
            Owned::Transaction(time, vec![(written, rx.to_vec())])
        }),
    ]
}

proptest! {
    #[test]
    fn any_events_come_back(events in prop::collection::vec(any_event(), 0..60), gzip in any::<bool>()) {
        let compression = if gzip { Compression::Gzip } else { Compression::None };
        let (back, end) = read(&write(&events, compression, true));
        prop_assert_eq!(back, events);
        let complete = matches!(end, Ok(TraceEnd::Complete { .. }));
        prop_assert!(complete);
    }

    #[test]
    fn no_bytes_panic(records in prop::collection::vec(any::<u8>(), 0..600), plain in any::<bool>()) {
        let mut bytes = if plain { header().encode().unwrap() } else { Vec::new() };
        bytes.extend(records);
        let _ = read(&bytes);
    }
}
