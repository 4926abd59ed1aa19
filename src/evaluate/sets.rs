//! The two halves of the MIT-BIH Arrhythmia Database (de Chazal 2004): no record is in both, and no
//! patient but the one of records 201 (DS1) and 202 (DS2).
//! The paced records 102, 104, 107 and 217 are in neither.

/// Records to train on.
pub const DS1: [&str; 22] = [
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201",
    "203", "205", "207", "208", "209", "215", "220", "223", "230",
];

/// Records to test on.
pub const DS2: [&str; 22] = [
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213",
    "214", "219", "221", "222", "228", "231", "232", "233", "234",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_are_as_published() {
        assert!(DS1.iter().all(|name| !DS2.contains(name)));
        for paced in ["102", "104", "107", "217"] {
            assert!(!DS1.contains(&paced) && !DS2.contains(&paced));
        }
        // One patient: the two halves as published share them.
        assert!(DS1.contains(&"201") && DS2.contains(&"202"));
    }
}
