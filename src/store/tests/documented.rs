//! `docs/database.md` and the database say the same.

use std::collections::BTreeMap;

use super::super::codec::MAX_BLOCK_SAMPLES;
use super::super::{APPLICATION_ID, BlockEncoder, SCHEMA_VERSION, Store, StoreOptions};
use super::options;

const DOCUMENT: &str = include_str!("../../../docs/database.md");

#[test]
fn every_column_is_documented_in_order_and_every_documented_column_exists() {
    let mut documented: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = None;
    for line in DOCUMENT.lines() {
        if line.starts_with('#') {
            table = line.strip_prefix("### ").map(str::to_owned);
        } else if let (Some(table), Some(row)) = (&table, line.strip_prefix("| `")) {
            let (column, _) = row.split_once('`').unwrap();
            documented
                .entry(table.clone())
                .or_default()
                .push(column.to_owned());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("beats.db"), options()).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let connection = store.connection_if_open().unwrap();
        connection
            .prepare(sql)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let existing: BTreeMap<String, Vec<String>> =
        names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .into_iter()
            .map(|table| {
                let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
                (table, columns)
            })
            .collect();
    assert_eq!(documented, existing);
}

#[test]
fn numbers_are_those_of_the_code() {
    let options = StoreOptions::default();
    let example: Vec<_> = BlockEncoder::new(0)
        .encode(&[[1, 2], [3, 4], [5, 6]])
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expected = [
        format!("{APPLICATION_ID:#010x}"),
        format!("| {SCHEMA_VERSION} (the schema version)"),
        format!("waits at most {} ms", options.commit_after.as_millis()),
        format!(
            "most {} s, and {} rows",
            options.ecg_commit_after.as_secs(),
            options.commit_rows
        ),
        format!(
            "tried again for {} s",
            options.outage.longest_answer().as_secs()
        ),
        format!("{:?} (default)", options.synchronous)
            .to_uppercase()
            .replace("DEFAULT", "default"),
        format!("at most {MAX_BLOCK_SAMPLES}"),
        format!("`{}`", example.join(" ")),
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|text| !DOCUMENT.contains(*text))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
