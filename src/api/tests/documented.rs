//! `docs/api.md` and the answers say the same.

use std::collections::{BTreeMap, BTreeSet};

use arrhythmianet::choose::CandidateState;
use ecg_chain::{EventKind, GapCause, MOST_BEATS_NAMED, MOST_EXAMPLES};
use ecg_signal::{MOST_GROUPS, SignalQuality};
use serde_json::Value;

use super::super::intervals::MOST_INTERVALS;
use super::super::pass::HUNG_UP;
use super::super::problem::Kind;
use super::super::query::MAX_LIMIT;
use super::super::routes::ENDPOINTS;
use super::super::{clusters, heart_rate, hub, live};
use super::House;
use super::client::{backlog, fetch, follow};
use crate::store::WaveformRange;

const DOCUMENT: &str = include_str!("../../../docs/api.md");

/// The paths that are read.
fn routes() -> impl Iterator<Item = &'static str> {
    let read = ENDPOINTS.iter().filter(|endpoint| !endpoint.changes);
    read.map(|endpoint| endpoint.path)
}

/// Heading without its marks -> rows of its tables (cells without bars).
fn tables() -> BTreeMap<String, Vec<Vec<String>>> {
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut heading = String::new();
    for line in DOCUMENT.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().to_owned();
            tables.entry(heading.clone()).or_default();
        } else if let Some(row) = line.strip_prefix('|') {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
            tables.get_mut(&heading).unwrap().push(cells);
        }
    }
    tables
}

/// The name in backticks that a cell consists of.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

/// The object a cell refers to: `[Beat](#beat)`.
fn object(cell: &str) -> Option<&str> {
    let (before, _) = cell.split_once("](#")?;
    before.rsplit_once('[').map(|(_, name)| name)
}

/// Every field of the section, objects it refers to opened up: `beats.probabilities.N`.
fn documented(tables: &BTreeMap<String, Vec<Vec<String>>>, section: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for row in &tables[section] {
        let Some(field) = code(&row[0]) else {
            continue;
        };
        fields.insert(field.to_owned());
        if let Some(object) = object(&row[1]) {
            for inner in documented(tables, object) {
                fields.insert(format!("{field}.{inner}"));
            }
        }
    }
    fields
}

/// Every field of an answer in the same notation; arrays are looked into.
fn answered(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(field, inner)| {
                let below = answered(inner);
                std::iter::once(field.clone()).chain(
                    below
                        .into_iter()
                        .map(move |inner| format!("{field}.{inner}")),
                )
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(answered).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn every_field_is_documented_and_every_documented_field_exists() {
    let house = House::new();
    house.furnish();
    // a note for the audit, which is stored with the next row that is
    fetch(house.socket(), "/v1/status");
    house.ecg(4_003, 100); // so that the gap is one inside
    house.event(4_004);
    house.writer.flush().unwrap();
    let body = r#"{"session":1,"kind":"label","target":"beat","beats":[1],"class":"V"}"#;
    let stored = super::corrections::post(house.socket(), body);
    assert_documented("Correction", &stored.json(), &[]);
    let tables = tables();
    let mut differences = Vec::new();
    let mut compare = |section: &str, documented: &BTreeSet<String>, answer: &Value| {
        let answered = answered(answer);
        for field in documented.symmetric_difference(&answered) {
            let where_ = if documented.contains(field) {
                "documented, not answered"
            } else {
                "answered, not documented"
            };
            differences.push(format!("{section}: {field} is {where_}"));
        }
    };
    for route in routes() {
        let section = format!("GET {route}");
        assert!(tables.contains_key(&section), "{section} has no section");
        let mut fields = documented(&tables, &section);
        match route {
            "/v1/stream" | "/v1/live" => {} // live.rs
            "/v1/ecg" => {
                // an answer has one of both forms of values
                let mut both = fetch(house.socket(), "/v1/ecg?max_points=4");
                let samples = fetch(house.socket(), route);
                let channels = both["channels"].as_array_mut().unwrap();
                channels.extend(samples["channels"].as_array().unwrap().iter().cloned());
                compare(&section, &fields, &both);
            }
            "/v1/metrics" => {
                let documented: BTreeSet<_> = fields.iter().map(String::as_str).collect();
                let page = super::client::get(house.socket(), route);
                assert!(
                    page.head
                        .contains("content-type: text/plain; version=0.0.4")
                );
                let names: BTreeSet<_> = page
                    .body
                    .lines()
                    .filter(|line| !line.starts_with('#'))
                    .map(|line| line.split([' ', '{']).next().unwrap())
                    .map(|name| name.strip_prefix("ecg_gateway_").unwrap())
                    .chain(["written_bytes_per_hour", "fsyncs_per_hour"]) // after a minute
                    .collect();
                assert_eq!(names, documented);
            }
            "/v1/beats/{id}" => {
                fields.extend(documented(&tables, "Beat"));
                compare(&section, &fields, &fetch(house.socket(), "/v1/beats/1"));
            }
            _ => {
                let path = route.replace("{id}", "1");
                compare(&section, &fields, &fetch(house.socket(), &path));
            }
        }
    }
    let mut stream = follow(house.socket(), "/v1/stream", "Last-Event-ID: 8\r\n");
    let mut seen = BTreeSet::new();
    let mut messages = backlog(&mut stream);
    let mut lost = follow(house.socket(), "/v1/stream", "Last-Event-ID: 99\r\n");
    messages.extend(backlog(&mut lost));
    for message in messages {
        let row = tables["GET /v1/stream"]
            .iter()
            .find(|row| row[0] == message.event && object(&row[1]).is_some())
            .unwrap_or_else(|| panic!("event {} is not documented", message.event));
        let object = object(&row[1]).unwrap();
        let data = serde_json::from_str(&message.data).unwrap();
        compare(object, &documented(&tables, object), &data);
        seen.insert(message.event);
    }
    assert_eq!(
        seen.iter().map(String::as_str).collect::<Vec<_>>(),
        ["beat", "event", "gap", "reset"]
    );
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_section_of_a_route_is_a_route() {
    let sections: Vec<_> = tables()
        .into_keys()
        .filter_map(|heading| heading.strip_prefix("GET ").map(str::to_owned))
        .collect();
    assert_eq!(sections.len(), routes().count());
    for section in sections {
        assert!(routes().any(|route| route == section), "{section}");
    }
}

#[test]
fn the_parameters_of_a_route_are_those_it_takes() {
    let house = House::new();
    let table = tables();
    let all: Vec<_> = table["Parameters"]
        .iter()
        .filter_map(|row| code(&row[0]))
        .collect();
    assert!(all.len() > 5);
    for route in routes() {
        let (_, section) = DOCUMENT.split_once(&format!("## GET {route}\n")).unwrap();
        let section = section.split("\n#").next().unwrap();
        let sentence = section.split_once("Parameters: ").unwrap().1;
        let sentence = sentence.split_once('.').unwrap().0;
        for parameter in &all {
            let target = format!("{}?{parameter}=", route.replace("{id}", "1"));
            // an empty Last-Event-ID is what a fresh EventSource sends, and opens a stream
            let refused = *parameter != "last_event_id" || route != "/v1/stream";
            let taken = !refused || {
                let answer = super::client::get(house.socket(), &target);
                answer.json()["type"] != "urn:problem-type:ecg-gateway:unknown-parameter"
            };
            assert_eq!(
                taken,
                sentence.contains(&format!("`{parameter}`")),
                "{route} {parameter}"
            );
        }
    }
}

#[test]
fn problems_and_numbers_are_those_of_the_code() {
    let tables = tables();
    let mut failures = Vec::new();
    for kind in Kind::ALL {
        let status = kind.status().as_u16().to_string();
        let found = tables["Errors"]
            .iter()
            .any(|row| code(&row[0]) == Some(kind.name()) && row[1] == status);
        if !found {
            failures.push(format!("problem {}", kind.name()));
        }
    }
    let longest = WaveformRange::LONGEST_MS;
    let default = WaveformRange::default();
    let options = super::ApiOptions::at("x");
    let expected = [
        format!(
            "rows in a page, 1 to {MAX_LIMIT}, default {}",
            super::super::query::DEFAULT_LIMIT
        ),
        format!(
            "ECG before the R peak, 0 to {longest}, default {}",
            default.before_ms
        ),
        format!(
            "ECG after the R peak, 0 to {longest}, default {}",
            default.after_ms
        ),
        format!(
            "last {} to {} RR intervals",
            heart_rate::FEWEST_INTERVALS,
            live::MOST_INTERVALS
        ),
        format!("none in {} s of signal", heart_rate::OLDEST_BEAT_S),
        format!("{MOST_INTERVALS} here, and {MOST_INTERVALS} by default"),
        format!("At most {} samples per channel", clusters::LONGEST_SAMPLES),
        format!("There are {MOST_GROUPS} shapes at most"),
        format!("array of up to {MOST_EXAMPLES} windows"),
        format!("ascending, the first {MOST_BEATS_NAMED} "),
        format!("falls {} commits behind", hub::MOST_COMMITS_BEHIND),
        format!("(default mode {:04o})", options.mode),
        format!("takes no byte for {} s", options.stall_timeout.as_secs()),
        format!("nothing moved for {} s", options.idle_timeout.as_secs()),
    ];
    failures.extend(expected.into_iter().filter(|text| !DOCUMENT.contains(text)));
    let names = SignalQuality::ALL
        .map(SignalQuality::name)
        .into_iter()
        .chain(GapCause::ALL.map(GapCause::name))
        .chain(CandidateState::ALL.map(CandidateState::name));
    failures.extend(
        names
            .filter(|name| !DOCUMENT.contains(&format!("`{name}`")))
            .map(str::to_owned),
    );
    let kinds = tables["Event kinds"].iter().filter_map(|row| code(&row[0]));
    let known = EventKind::ALL.iter().map(|kind| kind.name());
    assert!(
        kinds.eq(known),
        "the kinds of events, in the order of the code"
    );
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_the_audit_notes_is_documented() {
    let tables = tables();
    let of = |field: &str| {
        let mut rows = tables["Note"].iter();
        rows.find(|row| code(&row[0]) == Some(field)).unwrap()[1].clone()
    };
    let names = ENDPOINTS.iter().map(|endpoint| endpoint.name);
    for name in names.chain([Kind::UnknownPath.name()]) {
        assert!(of("what").contains(&format!("`{name}`")), "{name}");
    }
    assert!(of("outcome").contains(&format!("`{HUNG_UP}`")));
}

/// The fields of a message are those of its section, and `more`.
pub(super) fn assert_documented(section: &str, message: &Value, more: &[String]) {
    let mut fields = documented(&tables(), section);
    fields.extend(more.iter().cloned());
    let found = answered(message);
    let differences: Vec<_> = fields.symmetric_difference(&found).collect();
    assert!(differences.is_empty(), "{section}: {differences:?}");
}
