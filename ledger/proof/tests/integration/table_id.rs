//! Which table was checked: nothing binds the name of a file or a folder to a table's id, so the auditor says it.

use std::fs;

use crate::world::{COMMIT, World};

#[test]
fn table_id_stands_plainly_in_every_report() {
    let world = World::new();
    for arguments in [
        "audit table tables/t --trust trust",
        "verify b.tlog-proof --trust trust",
    ] {
        let text = world.run(arguments, 0);
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with("table id "))
            .unwrap();
        assert!(line.ends_with(" t1"), "{text}");
        assert!(text.contains("--table-id"), "it says that nobody compared it: {text}");
        let json = world.run(&format!("{arguments} --json"), 0);
        assert!(json.contains("\"table_id\": \"t1\""), "{json}");
    }
}

#[test]
fn table_with_the_id_that_was_asked_for_is_valid() {
    let world = World::new();
    for arguments in [
        "audit table tables/t --trust trust --table-id t1",
        "verify b.tlog-proof --trust trust --table-id t1",
    ] {
        let text = world.says(arguments, 0);
        assert!(text.contains("the table id is t1, as asked for"), "{text}");
        assert!(!text.contains("--table-id"), "nothing is left to compare: {text}");
    }
}

#[test]
fn another_table_under_the_expected_name_is_invalid() {
    let world = World::new();
    let text = world.says("audit table tables/t --trust trust --table-id t2", 1);
    assert!(text.contains("table id t1, not t2"), "{text}");
    let text = world.says("verify b.tlog-proof --trust trust --table-id t2", 1);
    assert!(text.contains("table id t1, not t2"), "{text}");
}

#[test]
fn receipt_of_something_else_than_a_table_is_invalid_where_a_table_is_asked_for() {
    let world = World::new();
    let text = world.says("verify catalog.tlog-proof --trust trust --table-id t1", 1);
    assert!(text.contains("subject catalog, not table t1"), "{text}");
}

#[test]
fn notarized_table_whose_commits_are_all_gone_is_invalid_once_its_id_is_known() {
    let world = World::new();
    for version in 0..2 {
        fs::remove_file(world.path(&format!("tables/t/_delta_log/{version:020}.json"))).unwrap();
    }
    let text = world.says("audit table tables/t --trust trust", 2);
    assert!(text.contains("give --table-id"), "{text}");
    let text = world.says("audit table tables/t --trust trust --table-id t1", 1);
    assert!(text.contains("version 1, 00000000000000000001.json"), "{text}");
}

#[test]
fn table_id_is_found_without_reading_a_huge_commit_file_to_its_end() {
    let world = World::new();
    // the first commit names another table after many megabytes
    let commit = String::from_utf8(fs::read(world.path(COMMIT)).unwrap()).unwrap();
    let late = "{\"protocol\":{}}\n".repeat(1 << 20) + &commit.replace("\"t1\"", "\"t9\"");
    world.write("tables/t/_delta_log/00000000000000000000.json", late.as_bytes());
    let text = world.says("audit table tables/t --trust trust", 1);
    assert!(text.starts_with("INVALID audit of table t1 "), "{text}");
}
