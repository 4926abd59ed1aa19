//! Records that are not one file of one sample a frame: differences, several samples a frame, skew,
//! several segments.

use std::path::Path;

use super::*;

const MISSING: i32 = MISSING_SAMPLE;

fn read_all(path: &Path) -> Result<(f64, Vec<Vec<i32>>), WfdbError> {
    let frames = tests::read_all(path)?;
    Ok((Record::open(path)?.rate_hz(), frames))
}

fn words(codes: &[i16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_le_bytes()).collect()
}

/// A database of these files; answers what the record `r` holds.
fn read(files: &[(&str, &[u8])]) -> Result<(f64, Vec<Vec<i32>>), String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    read_all(&folder.path().join("r")).map_err(|error| {
        let folder = folder.path().display().to_string();
        error.to_string().replace(&folder, "")
    })
}

#[test]
fn differences_are_added_up_from_the_initial_value() {
    let header = b"r 2 250 3\nr.dat 8 200 10 0 -53 -152 0 I\nr.dat 8 200 10 7\n";
    let found = read(&[("r.hea", header), ("r.dat", &[0, 1, 2, 0xFF, 0x02, 0x80])]);
    let expected = vec![vec![-53, 8], vec![-51, 7], vec![-49, -121]];
    // -153 is the sum; the header says otherwise.
    assert_eq!(
        found.unwrap_err(),
        "/r.hea: checksum of signal 1 is -153, its header says -152"
    );
    let header = b"r 2 250 3\nr.dat 8 200 10 0 -53 -153 0 I\nr.dat 8 200 10 7\n";
    let found = read(&[("r.hea", header), ("r.dat", &[0, 1, 2, 0xFF, 0x02, 0x80])]);
    assert_eq!(found, Ok((250.0, expected)));
}

#[test]
fn of_several_samples_a_frame_the_mean_is_read() {
    let data = words(&[1, 2, 3, 6, 50, 5, 6, -32_768, 8, 51]);
    let header = b"r 2 125 2\nr.dat 16x4 200 0 0 0 14\nr.dat 16 200 0 0 0 101\n";
    // The mean of 5, 6 and 8 is 6.33; the unmeasured one does not count.
    let expected = vec![vec![3, 50], vec![6, 51]];
    let found = read(&[("r.hea", header), ("r.dat", &data)]);
    assert_eq!(
        found.unwrap_err(),
        "/r.hea: checksum of signal 1 is -32737, its header says 14"
    );
    let header = b"r 2 125 2\nr.dat 16x4 200 0 0 0 -32737\nr.dat 16 200 0 0 0 101\n";
    let found = read(&[("r.hea", header), ("r.dat", &data)]);
    assert_eq!(found, Ok((125.0, expected)));
}

#[test]
fn slow_frames_are_read_at_the_rate_of_the_fastest_signal() {
    let data = words(&[1, 2, 3, 4, 50, 60, 5, 6, 7, 8, 51, 61]);
    let header = b"r 2 50 2\nr.dat 16x4\nr.dat 16x2\n";
    let expected = vec![
        vec![1, 50],
        vec![2, 50],
        vec![3, 60],
        vec![4, 60],
        vec![5, 51],
        vec![6, 51],
        vec![7, 61],
        vec![8, 61],
    ];
    assert_eq!(
        read(&[("r.hea", header), ("r.dat", &data)]),
        Ok((200.0, expected))
    );
}

#[test]
fn a_skewed_signal_is_moved_and_lacks_its_end() {
    let data = words(&[1, 10, 2, 20, 3, 30, 4, 40]);
    for (length, expected) in [
        (
            "4",
            vec![vec![1, 30], vec![2, 40], vec![3, MISSING], vec![4, MISSING]],
        ),
        // Without a stated length the record ends where a signal does.
        (
            "0",
            vec![vec![1, 30], vec![2, 40], vec![3, MISSING], vec![4, MISSING]],
        ),
    ] {
        let header = format!("r 2 250 {length}\nr.dat 16 200 0 0 0 10\nr.dat 16:2 200 0 0 0 100\n");
        assert_eq!(
            read(&[("r.hea", header.as_bytes()), ("r.dat", &data)]),
            Ok((250.0, expected)),
            "{length}"
        );
    }
    let short = read(&[
        ("r.hea", b"r 2 250 5\nr.dat 16\nr.dat 16:2\n"),
        ("r.dat", &data),
    ]);
    assert_eq!(
        short.unwrap_err(),
        "/r.dat: signal file ends after 4 of 5 frames"
    );
}

#[test]
fn segments_follow_each_other() {
    let found = read(&[
        ("r.hea", b"r/3 2 250 0\na 2\n~ 1\nb 2\n"),
        (
            "a.hea",
            b"a 2 250 2\na.dat 16 200 0 0 0 4 0 II\na.dat 16 200 0 0 0 6 0 V1\n",
        ),
        (
            "b.hea",
            b"b 2 250 2\nb.dat 80 100(5) 0 0 0 3 0 II\nb.dat 80 200 0 0 0 -5 0 V1\n",
        ),
        ("a.dat", &words(&[1, 2, 3, 4])),
        ("b.dat", &[129, 126, 130, 125]),
    ]);
    // Half the gain and baseline 5 in the second: 1 becomes (1 - 5) * 2.
    let expected = vec![
        vec![1, 2],
        vec![3, 4],
        vec![MISSING, MISSING],
        vec![-8, -2],
        vec![-6, -3],
    ];
    assert_eq!(found, Ok((250.0, expected)));
}

#[test]
fn a_layout_arranges_signals_by_name() {
    let found = read(&[
        ("r.hea", b"r/4 3 125 5\nr_layout 0\na 2\n~ 1\nb 2\n"),
        (
            "r_layout.hea",
            b"r_layout 3 125 0\n~ 0 200 0 0 0 0 0 II\n~ 16 200 0 0 0 0 0 V\n~ 16 1/mmHg 0 0 0 0 0 ABP\n",
        ),
        ("a.hea", b"a 1 125 2\na.dat 16x2 200 0 0 0 10 0 V\n"),
        ("b.hea", b"b 2 125 2\nb.dat 16 200 0 0 0 0 0 ABP\nb.dat 16 200 0 0 0 0 0 II\n"),
        ("a.dat", &words(&[1, 3, 2, 4])),
        ("b.dat", &words(&[7, 0, -7, 0])),
    ]);
    let (rate_hz, frames) = found.expect("a layout's formats do not matter");
    assert!((rate_hz - 125.0).abs() < 1e-9);
    assert_eq!(frames[0], [MISSING, 2, MISSING]);
    assert_eq!(frames[1], [MISSING, 3, MISSING]);
    assert_eq!(frames[2], [MISSING; 3]);
    assert_eq!(frames[3][0], 0);
    assert_eq!(frames[3][1], MISSING);
    assert_eq!(frames.len(), 5);
}

#[test]
fn segments_that_do_not_fit_are_refused() {
    let one: &[u8] = b"a 1 250 1\na.dat 16\n";
    let rows: [(&[u8], &[u8], &str); 4] = [
        (b"r/1 1 250 1\nb 1\n", one, "/b.hea: No such file"),
        (
            b"r/1 1 360 1\na 1\n",
            one,
            "/r.hea, line 2: segment name is `a at 250 Hz`, expected a segment at 360 Hz",
        ),
        (
            b"r/1 1 250 1\na 1\n",
            b"a/1 1 250 1\nr 1\n",
            "/r.hea, line 2: segment name is `a`, expected a record of one segment",
        ),
        (
            b"r/1 1 250 2\na 2\n",
            one,
            "/a.dat: signal file ends after 1 of 2 frames",
        ),
    ];
    for (header, segment, expected) in rows {
        let found = read(&[
            ("r.hea", header),
            ("a.hea", segment),
            ("a.dat", &words(&[1])),
        ]);
        let found = found.unwrap_err();
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_header_of_segments_survives_writing() {
    let text = "r/3 2 250 5\nr_layout 0\na 2\n~ 3\n";
    let header = Header::parse(text, Path::new("r.hea")).unwrap();
    assert_eq!(header.segments.len(), 3);
    assert_eq!(header.segments[2].name, None);
    let written = header.to_string();
    assert_eq!(Header::parse(&written, Path::new("r.hea")).unwrap(), header);
}
