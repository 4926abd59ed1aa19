//! ARCHITECTURE.md: a room knows only rooms above it.

use std::path::{Path, PathBuf};

/// The rooms from top to bottom.
const ROOMS: [&str; 9] = [
    "mapped",
    "liveness",
    "acquisition",
    "store",
    "reprocess",
    "api",
    "service",
    "config",
    "cli",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn a_room_knows_only_rooms_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files {
        let inside = file.strip_prefix(&root).expect("below src");
        let room = inside
            .components()
            .next()
            .expect("a name")
            .as_os_str()
            .to_string_lossy();
        let Some(place) = ROOMS
            .iter()
            .position(|name| *name == room.trim_end_matches(".rs"))
        else {
            continue; // lib.rs and main.rs name every room
        };
        let text = std::fs::read_to_string(&file).expect("UTF-8");
        // Links in documentation may point anywhere; code may not.
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for used in code.flat_map(|line| line.split("crate::").skip(1)) {
            let name: String = used
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            let Some(other) = ROOMS.iter().position(|room| *room == name) else {
                continue;
            };
            seen += 1;
            if other > place {
                wrong.push(format!("{}: {room} uses {name}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} uses seen: the test shows nothing");
}
