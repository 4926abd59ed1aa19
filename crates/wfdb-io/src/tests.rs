//! The room as a whole: text and files in, frames and annotations out.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn header(text: &str) -> Result<Header, WfdbError> {
    Header::parse(text, Path::new("x.hea"))
}

#[test]
fn a_full_header_is_read() {
    let text = "#wfdb 10.7\r\n# made by hand\r\n\r\n100s 2 360/360(-7.5) 650000 12:03:00.500 22/11/2026\r\n\
                100s.dat 212 200(1024)/mV 11 1024 995 -22131 0 MLII\r\n\
                # between\r\n\
                100s.dat 212+0 0.5/uV 12 -3 1011 45405 0 V 5 with words\r\n# 69 M\r\n";
    let header = header(text).unwrap();
    assert_eq!(header.name, "100s");
    assert_eq!(header.rate_hz.to_bits(), 360.0_f64.to_bits());
    assert_eq!(
        (header.counter_hz, header.base_counter),
        (Some(360.0), Some(-7.5))
    );
    assert_eq!(header.frames, Some(650_000));
    assert_eq!(header.base_time.as_deref(), Some("12:03:00.500"));
    assert_eq!(header.base_date.as_deref(), Some("22/11/2026"));
    assert_eq!(header.comments, [" between", " 69 M"]);
    let [first, second] = header.signals.as_slice() else {
        panic!("two signals")
    };
    assert_eq!(
        *first,
        SignalSpec {
            baseline: 1024,
            adc_resolution_bits: Some(11),
            adc_zero: 1024,
            initial_value: Some(995),
            checksum: Some(-22_131),
            ..SignalSpec::new("100s.dat", SignalFormat::F212, 200.0, "MLII")
        }
    );
    // Without a baseline the ADC zero is physical zero; 45405 is -20131 in sixteen bits.
    assert_eq!((second.baseline, second.checksum), (-3, Some(-20_131)));
    assert_eq!(second.description, "V 5 with words");
    let conversion = second.uv_conversion().unwrap();
    assert_eq!(conversion.to_uv(-1), Some(4.0));
    assert_eq!(conversion.to_uv(MISSING_SAMPLE), None);
}

#[test]
fn missing_fields_take_their_defaults() {
    let header = header("r 1\nr.dat 16\n").unwrap();
    assert_eq!(header.rate_hz.to_bits(), 250.0_f64.to_bits());
    assert_eq!(header.frames, None);
    assert_eq!(
        header.signals,
        [SignalSpec::new("r.dat", SignalFormat::F16, 200.0, "")]
    );
    assert_eq!(
        header.signals[0].uv_conversion().unwrap().to_uv(1),
        Some(5.0)
    );
}

#[test]
fn units_and_gains() {
    for (gain, expected) in [
        ("0", Some(5.0)),
        ("1000/V", Some(1_000.0)),
        ("200(12)/mV", Some(5.0)),
        ("2/uV", Some(0.5)),
        ("-200/mV", Some(-5.0)),
        ("1/mmHg", None),
    ] {
        let header = header(&format!("r 1 360 9\nr.dat 16 {gain}\n")).unwrap();
        let uv_per_code = header.signals[0].uv_conversion().map(|c| c.uv_per_code);
        assert_eq!(uv_per_code, expected, "{gain}");
    }
}

#[test]
fn what_cannot_be_read_is_said_with_line_and_field() {
    for (text, message) in [
        (
            "",
            "x.hea, line 1: record line is ``, expected a record line",
        ),
        (
            "r",
            "x.hea, line 1: number of signals is ``, expected a whole number",
        ),
        (
            "r/0 2 360 900\n",
            "x.hea, line 1: number of segments is `0`, expected a whole number above 0",
        ),
        (
            "r/2 2 360 900\na 450\n",
            "x.hea, line 2: segment line is `end of file after 1 segments`, expected 2 segment lines",
        ),
        (
            "r/1 2 360 900\n../a 900\n",
            "x.hea, line 2: segment name is `../a`, expected a record in the header's folder",
        ),
        (
            "r 1 0\nr.dat 16",
            "x.hea, line 1: sampling frequency is `0`, expected a number above 0, at most 1000000",
        ),
        (
            "r 1 inf\nr.dat 16",
            "x.hea, line 1: sampling frequency is `inf`, expected a number above 0, at most 1000000",
        ),
        (
            "r 2 360 5\n#c\nr.dat 16\n",
            "x.hea, line 3: signal line is `end of file after 1 signals`, expected 2 signal lines",
        ),
        (
            "r 1 360 -5\nr.dat 16\n",
            "x.hea, line 1: number of samples is `-5`, expected a whole number",
        ),
        (
            "r 1 360\nr.dat 16x0\n",
            "x.hea, line 2: samples per frame is `0`, expected 1 to 16384",
        ),
        (
            "r 1 360\nr.dat 16:-7\n",
            "x.hea, line 2: skew is `-7`, expected a whole number of frames",
        ),
        (
            "r 1 360\nr.dat 516\n",
            "x.hea, line 2: format is `516`, expected one of 8, 16, 24, 32, 61, 80, 160, 212, 310, 311",
        ),
        (
            "r 1 360\nr.dat\n",
            "x.hea, line 2: format is ``, expected one of 8, 16, 24, 32, 61, 80, 160, 212, 310, 311",
        ),
        (
            "r 1 360\n../r.dat 16\n",
            "x.hea, line 2: file name is `../r.dat`, expected a file in the header's folder",
        ),
        (
            "r 1 360\nr.dat 16 abc\n",
            "x.hea, line 2: ADC gain is `abc`, expected a number",
        ),
        (
            "r 1 360\nr.dat 16 200 12 0.5\n",
            "x.hea, line 2: ADC zero is `0.5`, expected a whole number",
        ),
        (
            "r 1 360\nr.dat 8 200 12 0 0.5\n",
            "x.hea, line 2: initial value is `0.5`, expected a whole number",
        ),
    ] {
        assert_eq!(header(text).unwrap_err().to_string(), message, "{text:?}");
    }
}

#[test]
fn ones_for_samples_per_frame_and_zero_skew_are_accepted() {
    let header = header("r 1 360(0)\nr.dat 16x1:0+24\n").unwrap();
    assert_eq!(header.signals[0].byte_offset, 24);
    assert_eq!(header.base_counter, Some(0.0));
}

#[test]
fn numbers_written_with_a_point_are_whole_all_the_same() {
    let header = header("r 1 360\nr.dat 16 200.0(-0.0)/mV 16 512.0\n").unwrap();
    assert_eq!(
        (header.signals[0].baseline, header.signals[0].adc_zero),
        (0, 512)
    );
}

fn spec(format: SignalFormat, name: &str) -> SignalSpec {
    SignalSpec::new("", format, 200.0, name)
}

fn new_header(name: &str, signals: Vec<SignalSpec>) -> Header {
    Header {
        signals,
        comments: vec![" made by a test".to_owned()],
        ..Header::new(name, 360.0)
    }
}

pub(super) fn read_all(path: &Path) -> Result<Vec<Vec<i32>>, WfdbError> {
    let record = Record::open(path)?;
    let mut reader = record.frames()?;
    let mut frame = vec![0; record.header().signals.len()];
    let mut frames = Vec::new();
    while reader.next_frame(&mut frame)? {
        frames.push(frame.clone());
    }
    reader.verify_checksums()?;
    Ok(frames)
}

#[test]
fn records_of_every_format_and_width_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let written = SignalFormat::ALL.into_iter();
    for format in written.filter(|format| *format != SignalFormat::F8) {
        for signals in 1..=3_i32 {
            let name = format!("r{}.{signals}", format.number());
            let max = format.max_code();
            let frames: Vec<Vec<i32>> = (0..20_001)
                .map(|i| {
                    (0..signals)
                        .map(|s| (i * 7 + s * 31) % (max.min(90) + 1))
                        .collect()
                })
                .chain([vec![MISSING_SAMPLE; usize::try_from(signals).unwrap()]])
                .chain([vec![max; usize::try_from(signals).unwrap()]])
                .collect();
            let specs = (0..signals)
                .map(|s| spec(format, &format!("lead {s}")))
                .collect();
            let written = write_record(folder.path(), new_header(&name, specs), &frames).unwrap();
            assert_eq!(written.frames, Some(20_003));
            let path = folder.path().join(&name);
            assert_eq!(Header::read(&path).unwrap(), written, "{name}");
            assert!(read_all(&path).unwrap() == frames, "{name}");
        }
    }
}

#[test]
fn signals_may_lie_in_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.dat"), [9, 9, 1, 0, 2, 0, 3, 0, 4, 0]).unwrap();
    std::fs::write(at("b.dat"), [0x05, 0x00, 0x06]).unwrap();
    std::fs::write(
        at("r.hea"),
        "r 3 360 2\na.dat 16+2\na.dat 16+2\nb.dat 212\n",
    )
    .unwrap();
    assert_eq!(read_all(&at("r")).unwrap(), [[1, 2, 5], [3, 4, 6]]);
    std::fs::write(at("s.hea"), "s 3 360 2\na.dat 16\nb.dat 212\na.dat 16\n").unwrap();
    let error = read_all(&at("s.hea")).unwrap_err().to_string();
    assert!(
        error.contains("expected signals of one file listed together"),
        "{error}"
    );
}

#[test]
fn a_short_file_is_an_error_only_where_the_header_states_a_length() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("r.dat"), [1, 0, 2, 0, 3, 0, 4]).unwrap();
    std::fs::write(at("r.hea"), "r 1 360 4\nr.dat 16\n").unwrap();
    let error = read_all(&at("r")).unwrap_err().to_string();
    assert!(
        error.ends_with("r.dat: signal file ends after 3 of 4 frames"),
        "{error}"
    );
    std::fs::write(at("r.hea"), "r 1 360\nr.dat 16\n").unwrap();
    assert_eq!(read_all(&at("r")).unwrap(), [[1], [2], [3]]);
    std::fs::write(at("r.hea"), "r 1 360 2\nr.dat 16 200 0 0 0 9\n").unwrap();
    let error = read_all(&at("r")).unwrap_err().to_string();
    assert!(
        error.ends_with("r.hea: checksum of signal 1 is 3, its header says 9"),
        "{error}"
    );
    std::fs::remove_file(at("r.dat")).unwrap();
    assert!(matches!(read_all(&at("r")), Err(WfdbError::Io { .. })));
}

#[test]
fn frames_of_the_wrong_length_and_codes_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let header = new_header("r", vec![spec(SignalFormat::F212, "MLII")]);
    let mut writer = RecordWriter::create(folder.path(), header).unwrap();
    assert!(matches!(
        writer.write_frame(&[1, 2]),
        Err(WfdbError::FrameLength {
            expected: 1,
            found: 2
        })
    ));
    for code in [-2_048, 2_048] {
        let error = writer.write_frame(&[code]).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!(
                "sample {code} of signal 1 does not fit format 212 (-2047 to 2047)"
            )),
            "{error}"
        );
    }
}

fn all_kinds_of_annotations() -> Vec<Annotation> {
    let mut annotations: Vec<_> = (1..=58)
        .map(|number| Annotation::new(u64::from(number) * 3, AnnotationCode::new(number).unwrap()))
        .collect();
    annotations.push(Annotation {
        subtype: -1,
        chan: 1,
        num: -3,
        aux: Some("(AFIB".to_owned()),
        ..Annotation::new(1_000_000, AnnotationCode::RHYTHM)
    });
    annotations.push(Annotation {
        chan: 1,
        num: -3,
        aux: Some("even".to_owned()),
        ..Annotation::new(1_001_023, AnnotationCode::NOTE)
    });
    annotations.push(Annotation::new(1_002_047, AnnotationCode::NORMAL));
    annotations.push(Annotation::new(9_000_000_000, AnnotationCode::NORMAL));
    annotations
}

#[test]
fn annotations_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.atr");
    let annotations = all_kinds_of_annotations();
    for resolution_hz in [None, Some(500.0), Some(360.5)] {
        write_annotations(&path, &annotations, resolution_hz).unwrap();
        let back = read_annotations(&path).unwrap();
        assert_eq!(back.annotations, annotations);
        assert_eq!(back.resolution_hz, resolution_hz);
    }
}

#[test]
fn the_definitions_of_the_reference_library_are_understood() {
    // Note at 0 with the resolution, then time -1 and an empty annotation one later.
    let mut bytes = vec![0x00, 0x58, 23, 0xFC];
    bytes.extend(b"## time resolution: 500\0");
    bytes.extend([
        0x00, 0xEC, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x00, 0x12, 0x04, 0, 0,
    ]);
    let file = parse_annotations(&bytes);
    assert_eq!(file.resolution_hz, Some(500.0));
    assert_eq!(
        file.annotations,
        [Annotation::new(18, AnnotationCode::NORMAL)]
    );
}

#[test]
fn dates_and_fields_nobody_needs_never_refuse_a_record() {
    let mut wrong = Vec::new();
    for (record_line, expected) in [
        ("r 1 360/360(x) 900", (Some(900), None, None)),
        ("r 1 360/y(0) 900", (Some(900), None, None)),
        (
            "r 1 360 900 12:03:00.5 22/11/2026",
            (Some(900), Some("12:03:00.5"), Some("22/11/2026")),
        ),
        (
            "r 1 360 900 [10:11:12 01/02/2003]",
            (Some(900), Some("10:11:12"), Some("01/02/2003")),
        ),
        ("r 1 360 12:03:00", (None, Some("12:03:00"), None)),
        ("r 1 360 22/11/2026 12:03:00", (None, None, None)),
        ("r 1 360 2014-05-08 05:05:15", (None, None, None)),
        ("r 1 360 900 10:11:12 PM", (Some(900), None, None)),
        ("r 1 360 900 2014-05-08 05:05:15", (Some(900), None, None)),
        ("r 1 360 900 15-May-2020 15:35:30", (Some(900), None, None)),
        ("r 1 360 900 ? \u{1b}[31m unknown", (Some(900), None, None)),
    ] {
        let read = header(&format!("{record_line}\nr.dat 16\n"));
        let found = read.as_ref().map(|header| {
            let (time, date) = (header.base_time.as_deref(), header.base_date.as_deref());
            (header.frames, time, date)
        });
        if found.as_ref().ok() != Some(&expected) {
            wrong.push(format!("{record_line}: {found:?}"));
        }
    }
    // Resolution, zero, initial value, checksum, block size, description.
    let nothing = (None, 0, None, None, 0, "");
    for (fields, expected) in [
        ("", nothing),
        (
            "11.0 7.0 995.0 21537.0 0 MLII",
            (Some(11), 7, Some(995), Some(21_537), 0, "MLII"),
        ),
        (
            "11.5 7 0.5 1234567 1.5 MLII",
            (None, 7, None, None, 0, "MLII"),
        ),
        (
            "-1 7 3000000000 1e300 nan MLII",
            (None, 7, None, None, 0, "nan MLII"),
        ),
        (
            "11 7 995 45405 V 5",
            (Some(11), 7, Some(995), Some(-20_131), 0, "V 5"),
        ),
        ("MLII", (None, 0, None, None, 0, "MLII")),
    ] {
        let read = header(&format!("r 1 360\nr.dat 212 200 {fields}\n"));
        let signal = &read.as_ref().unwrap().signals[0];
        let found = (
            signal.adc_resolution_bits,
            signal.adc_zero,
            signal.initial_value,
            signal.checksum,
            signal.block_size,
            signal.description.as_str(),
        );
        if found != expected {
            wrong.push(format!("{fields}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The baseline makes the ADC zero a field nobody needs.
    let header = header("r 1 360\nr.dat 16 200(5)/mV 12 0.5 0 0 0 I\n").unwrap();
    assert_eq!(
        (header.signals[0].baseline, header.signals[0].adc_zero),
        (5, 0)
    );
}

#[test]
fn headers_are_read_in_utf_8_and_in_latin_1() {
    let bytes = b"\xEF\xBB\xBFr 2 360\nr.dat 16 0.2/\xB5V 12 0 0 0 0 MLII\n\
                  r.dat 16 1/\xC2\xB5V 12 0 0 0 0 V1\n# M\xFCller\n# M\xC3\xBCller\n";
    let header = Header::parse_bytes(bytes, Path::new("x.hea")).unwrap();
    assert_eq!(header.name, "r");
    let uv = |signal: usize| header.signals[signal].uv_conversion().unwrap().to_uv(1);
    assert_eq!((uv(0), uv(1)), (Some(5.0), Some(1.0)));
    assert_eq!(header.comments, [" M\u{fc}ller", " M\u{fc}ller"]);
}

#[test]
fn what_would_take_memory_or_time_without_end_is_refused_at_once() {
    let signals = |count: usize, line: &str| format!("r {count} 360\n{}", line.repeat(count));
    let mut wrong = Vec::new();
    for (what, text, words) in [
        (
            "100,000 signals",
            signals(100_000, "r.dat 16\n"),
            "number of signals is `100000`, expected at most 1024",
        ),
        (
            "a promise of them",
            "r 18446744073709551615 360\n".to_owned(),
            "number of signals is `18446744073709551615`, expected at most 1024",
        ),
        (
            "wide frames",
            signals(20, "r.dat 16x16384\n"),
            "samples per frame is `327680`, expected at most 262144",
        ),
        (
            "wide frames and skew",
            signals(8, "r.dat 16x16384:1048576\n"),
            "skew is `137438953472`, expected at most 16777216",
        ),
        (
            "an endless pause",
            "r/2 1 360\na 10\n~ 18446744073709551615\n".to_owned(),
            "line 3: number of samples is `18446744073709551615`, expected at most 1073741824",
        ),
        (
            "a million segments",
            "r/1000000 1 360\n".to_owned(),
            "number of segments is `1000000`, expected at most 32768",
        ),
        (
            "a rate of light",
            "r 1 1e300\nr.dat 16\n".to_owned(),
            "sampling frequency is `1e300`, expected a number above 0, at most 1000000",
        ),
        (
            "a long field",
            format!("r 1 {}\n", "9".repeat(100_000)),
            "sampling frequency is `999",
        ),
    ] {
        let began = std::time::Instant::now();
        let error = header(&text).unwrap_err().to_string();
        if !error.contains(words) || error.len() > 300 || began.elapsed().as_secs() > 5 {
            wrong.push(format!("{what}: {error}, after {:?}", began.elapsed()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The same thousand signals as each of 32,768 segments: 4 GB of them.
    std::fs::write(
        at("a.hea"),
        signals(1_000, "a.dat 16\n").replacen('r', "a", 1),
    )
    .unwrap();
    std::fs::write(
        at("r.hea"),
        format!("r/32768 1000 360\n{}", "a 1\n".repeat(32_768)),
    )
    .unwrap();
    let error = Record::open(&at("r")).unwrap_err().to_string();
    assert!(
        error.contains("expected segments of 1048576 signals"),
        "{error}"
    );
    // Frames that lie in no file: of a record, of a segment, of many parts each.
    for (name, text) in [
        ("b", "b 1 360 18446744073709551615\n~ 0 200/mV\n"),
        ("c", "c/1 1 360\nd 18446744073709551615\n"),
        ("d", "d 1 360\n~ 0 200/mV\n"),
        ("e", "e 1 1 1000000\n~ 0x16384 200/mV\n"),
    ] {
        std::fs::write(at(&format!("{name}.hea")), text).unwrap();
    }
    for name in ["b", "c", "e"] {
        let error = Record::open(&at(name)).unwrap_err().to_string();
        let words = "expected at most 1073741824 of signals that lie in no file";
        assert!(error.contains(words), "{name}: {error}");
    }
    std::fs::write(at("long.hea"), [b'#'; (1 << 20) + 1]).unwrap();
    let error = Record::open(&at("long")).unwrap_err().to_string();
    assert!(
        error.contains("long.hea: 1048577 bytes, expected at most 1048576"),
        "{error}"
    );
}

#[test]
fn a_pipe_or_folder_for_a_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["pipe.hea", "pipe.dat", "pipe.atr"] {
        let made = std::process::Command::new("mkfifo").arg(at(name)).status();
        assert!(made.unwrap().success());
    }
    std::fs::create_dir(at("folder.dat")).unwrap();
    std::fs::write(at("a.hea"), "a 1 360\npipe.dat 16\n").unwrap();
    std::fs::write(at("b.hea"), "b 1 360\nfolder.dat 16\n").unwrap();
    for (record, words) in [
        ("pipe", "pipe.hea: a named pipe, expected a regular file"),
        ("a", "pipe.dat: a named pipe, expected a regular file"),
        ("b", "folder.dat: a directory, expected a regular file"),
    ] {
        let error = read_all(&at(record)).unwrap_err().to_string();
        assert!(error.ends_with(words), "{error}");
    }
    let error = read_annotations(&at("pipe.atr")).unwrap_err().to_string();
    assert!(
        error.ends_with("pipe.atr: a named pipe, expected a regular file"),
        "{error}"
    );
}

#[test]
fn of_damaged_annotations_what_is_there_is_read() {
    const BEAT: [u8; 2] = [0x12, 0x04];
    let mut wrong = Vec::new();
    for (what, bytes, samples, problem) in [
        (
            "nothing",
            vec![],
            vec![],
            Some("at byte 0: the file is empty"),
        ),
        ("an end mark", vec![0, 0], vec![], None),
        ("no end mark", [BEAT, BEAT].concat(), vec![18, 36], None),
        (
            "half a word",
            [&BEAT[..], &[0x12]].concat(),
            vec![18],
            Some("at byte 2: the file ends inside a word"),
        ),
        (
            "half a skip",
            [&BEAT[..], &[0x00, 0xEC, 1]].concat(),
            vec![18],
            Some("at byte 2: the file ends inside a skip"),
        ),
        (
            "half a text",
            [&BEAT[..], &[0x09, 0xFC, b'x']].concat(),
            vec![18],
            Some("at byte 2: the file ends inside a text"),
        ),
        (
            "a text of nothing",
            [&[0x01, 0xFC, b'x', 0], &BEAT[..], &[0, 0]].concat(),
            vec![18],
            Some("at byte 0: a text before the first annotation"),
        ),
        (
            "a subtype of nothing",
            [&[0x01, 0xF4], &BEAT[..], &[0, 0]].concat(),
            vec![18],
            Some("at byte 0: a subtype before the first annotation"),
        ),
        (
            "a time without end",
            [
                &BEAT[..],
                &[0x00, 0xEC, 0xFF, 0x7F, 0xFF, 0xFF].repeat(1 << 23),
                &BEAT[..],
            ]
            .concat(),
            vec![18],
            Some("at byte 50331650: an annotation later than any record lasts"),
        ),
        (
            "order",
            [
                &BEAT[..],
                &[0x00, 0xEC, 0xFF, 0xFF, 0xF4, 0xFF, 0x02, 0x04],
                &BEAT[..],
            ]
            .concat(),
            vec![8, 18, 26],
            None,
        ),
    ] {
        let file = parse_annotations(&bytes);
        let found: Vec<u64> = file.annotations.iter().map(|a| a.sample).collect();
        let told = file.problem.map(|problem| problem.to_string());
        if found != samples || told.as_deref() != problem {
            wrong.push(format!("{what}: {found:?}, {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // A note 50 samples before the start with a text of its own, then a beat at 18.
    let early = [
        0x00, 0xEC, 0xFF, 0xFF, 0xCE, 0xFF, 0x00, 0x58, 0x02, 0xFC, b'h', b'i',
    ];
    let beat = [0x00, 0xEC, 0x00, 0x00, 0x32, 0x00, 0x12, 0x04, 0, 0];
    let file = parse_annotations(&[&early[..], &beat[..]].concat());
    assert_eq!(
        file.annotations,
        [Annotation::new(18, AnnotationCode::NORMAL)]
    );
    assert_eq!((file.before_start, file.problem), (1, None));
    assert_eq!(
        file.note().as_deref(),
        Some("1 before the record's start left out")
    );
}

#[test]
fn what_cannot_be_written_as_an_annotation_is_refused() {
    let at = |sample, number| Annotation::new(sample, AnnotationCode::new(number).unwrap());
    for (annotations, message) in [
        (
            vec![at(5, 1), at(4, 1)],
            "r.atr: annotation 1 at sample 4: annotations are not in time order",
        ),
        (
            vec![at(5, 0)],
            "r.atr: annotation 0 at sample 5: code 0 is the format's end mark",
        ),
        (
            vec![Annotation {
                aux: Some("x".repeat(256)),
                ..at(5, 1)
            }],
            "r.atr: annotation 0 at sample 5: text is longer than 255 bytes",
        ),
    ] {
        let error = encode_annotations(&annotations, None, Path::new("r.atr")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn codes_and_mnemonics() {
    for number in 1..=41 {
        let code = AnnotationCode::new(number).unwrap();
        assert_eq!(AnnotationCode::from_mnemonic(&code.to_string()), Some(code));
    }
    assert_eq!(AnnotationCode::new(59), None);
    assert_eq!(AnnotationCode::new(45).unwrap().to_string(), "[45]");
    let beats: String = (0..=58)
        .filter_map(AnnotationCode::new)
        .filter(|code| code.is_beat())
        .map(|code| code.to_string())
        .collect();
    assert_eq!(beats, "NLRaVFJASEj/QB?enfr");
}

proptest! {
    #[test]
    fn no_header_text_panics(text in "(\\PC|\n){0,200}") {
        let _ = header(&text);
    }

    #[test]
    fn nearly_right_headers_are_refused_or_survive_writing(
        text in "[a-c] [0-2] [0-9/().]{1,8} [0-9]{1,3}\n(a\\.dat (16|212|80)[x:+0-9]{0,3} [0-9()/mV.-]{1,12} [0-9]{1,2} [0-9-]{1,5} [0-9]{1,3} [0-9-]{1,6} 0 [A-Z ]{0,5}\n){0,3}"
    ) {
        if let Ok(first) = header(&text) {
            let again = header(&first.to_string()).unwrap();
            prop_assert_eq!(again.to_string(), first.to_string());
        }
    }

    #[test]
    fn no_annotation_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_annotations(&bytes);
    }

    #[test]
    fn any_annotations_survive(
        list in prop::collection::vec((0_u64..5_000, 1_u8..=58, any::<(i8, u8, i8)>(), prop::option::of("[a-z(]{0,9}")), 0..40),
        resolution in prop::option::of(1_u32..1_000)
    ) {
        let mut sample = 0;
        let annotations: Vec<_> = list.into_iter().map(|(step, number, (subtype, chan, num), aux)| {
            sample += step;
            Annotation { sample, code: AnnotationCode::new(number).unwrap(), subtype, chan, num, aux }
        }).collect();
        let resolution = resolution.map(f64::from);
        let bytes = encode_annotations(&annotations, resolution, Path::new("x")).unwrap();
        let back = parse_annotations(&bytes);
        prop_assert_eq!(back.annotations, annotations);
        prop_assert_eq!(back.resolution_hz, resolution);
    }

    #[test]
    fn any_signal_bytes_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), signals in 1_usize..4,
        format in 0_usize..SignalFormat::ALL.len()
    ) {
        let folder = tempfile::tempdir().unwrap();
        let format = SignalFormat::ALL[format];
        std::fs::write(folder.path().join("r.dat"), &bytes).unwrap();
        let line = format!("r.dat {}\n", format.number());
        std::fs::write(folder.path().join("r.hea"), format!("r {signals} 360\n{}", line.repeat(signals))).unwrap();
        let frames = read_all(&folder.path().join("r")).unwrap();
        prop_assert!(frames.len() * signals <= bytes.len());
    }
}

/// Where the MIT-BIH Arrhythmia Database is, or why a test without it is skipped.
fn mitdb() -> Option<PathBuf> {
    let folder = std::env::var_os("ECG_MITDB").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mitdb"),
        PathBuf::from,
    );
    if folder.join("100.hea").exists() {
        return Some(folder);
    }
    assert!(
        std::env::var("ECG_REQUIRE_DATA").as_deref() != Ok("1"),
        "no MIT-BIH records in {}, and ECG_REQUIRE_DATA=1",
        folder.display()
    );
    println!(
        "skipped: no MIT-BIH records in {} (set ECG_MITDB)",
        folder.display()
    );
    None
}

#[test]
fn all_records_of_the_arrhythmia_database_are_read_whole() {
    let Some(folder) = mitdb() else { return };
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "hea"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 48);
    let (mut annotations, mut beats, mut flutter) = (0, 0, 0);
    let started = std::time::Instant::now();
    for path in &names {
        let record = Record::open(path).unwrap();
        let mut reader = record.frames().unwrap();
        let mut frame = [0; 2];
        while reader.next_frame(&mut frame).unwrap() {}
        assert_eq!(reader.frames_read(), 650_000, "{}", path.display());
        reader.verify_checksums().unwrap();
        let file = read_annotations(&record.file_with_ending("atr")).unwrap();
        assert_eq!(file.resolution_hz, None);
        assert!(
            file.annotations
                .is_sorted_by_key(|annotation| annotation.sample)
        );
        annotations += file.annotations.len();
        beats += file.annotations.iter().filter(|a| a.code.is_beat()).count();
        flutter += file
            .annotations
            .iter()
            .filter(|a| a.code == AnnotationCode::FLUTTER_WAVE)
            .count();
        let again = encode_annotations(&file.annotations, None, path).unwrap();
        assert_eq!(parse_annotations(&again), file);
    }
    println!(
        "24 h of two-channel ECG read in {:.2} s",
        started.elapsed().as_secs_f64()
    );
    assert_eq!((annotations, beats, flutter), (112_647, 109_494, 472));
}
