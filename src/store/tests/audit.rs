use std::time::Duration;

use ecg_chain::PipelineEvent;
use ecg_chain::{MonotonicNs, WallUs};

use super::super::{AuditKind, AuditRow, RowFilter, StoreReader, StoredAudit};
use super::{event, options, place, put, session_info, writer};

#[test]
fn notes_go_along_with_the_next_commit_and_cause_none() {
    let (_folder, path) = place("beats.db");
    let writer = writer(&path);
    let info = session_info(0);
    writer.begin_session(&info).unwrap();
    let monitor = writer.monitor();
    let note = |uid| AuditRow {
        wall: WallUs(1_000),
        time: MonotonicNs(2_000),
        uid: Some(uid),
        gid: Some(2),
        pid: None,
        kind: AuditKind::Refused,
        what: "socket",
        outcome: "not-permitted",
        count: 3,
        token: None,
    };
    let before = monitor.status();
    assert!(monitor.audit(note(1)));
    std::thread::sleep(options().commit_after + Duration::from_millis(300));
    writer.flush().unwrap(); // nothing else is there to be committed
    let after = monitor.status();
    assert_eq!(
        (after.commits, after.volume.syncs),
        (before.commits, before.volume.syncs)
    );
    let reader = StoreReader::open(&path).unwrap();
    let stored = || reader.audit(&RowFilter::default()).unwrap();
    assert_eq!(stored(), []);
    put(&writer, PipelineEvent::Event(event(&info, 5)));
    writer.flush().unwrap();
    let [row] = &*stored() else {
        panic!("{:?}", stored());
    };
    let StoredAudit { id, row } = row;
    let found = (*id, row.uid, row.gid, row.pid, row.count);
    assert_eq!(found, (1, Some(1), Some(2), None, 3));
    assert_eq!(
        (&*row.kind, &*row.what, &*row.outcome, row.wall, row.time),
        (
            "refused",
            "socket",
            "not-permitted",
            WallUs(1_000),
            MonotonicNs(2_000)
        )
    );
    // what comes after the last row there is, is stored at the end
    assert!(monitor.audit(note(9)));
    writer.close().unwrap();
    let uids: Vec<_> = stored().iter().map(|stored| stored.row.uid).collect();
    assert_eq!(uids, [Some(1), Some(9)]);
    assert!(!monitor.audit(note(10)), "there is nobody to write it");
}
