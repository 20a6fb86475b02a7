//! Files that an attacker hands to `dab-verify`: huge, endless, or no files at all. It answers soon and says what is wrong.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::Command;

use crate::world::{COMMIT, DATA, World};

/// Makes the file larger than anybody could read, without its bytes on the disk; returns its size.
fn blow_up(path: &Path) -> u64 {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    // what the file system takes: tmpfs and xfs almost 8 EiB, ext4 16 TiB
    let sizes = [i64::MAX as u64 - 4095, 1 << 60, 1 << 43, 1 << 40];
    sizes.into_iter().find(|size| file.set_len(*size).is_ok()).unwrap()
}

#[test]
fn sparse_data_file_is_refused_by_its_size_before_it_is_hashed() {
    let world = World::new();
    let size = blow_up(&world.path(DATA));
    for arguments in [
        format!("verify b.tlog-proof --trust trust --commit {COMMIT} --data {DATA}"),
        "audit table tables/t --trust trust --deep".to_owned(),
    ] {
        let text = world.says(&arguments, 1);
        assert!(text.contains(&format!("{size} bytes instead of 4")), "{text}");
    }
}

#[test]
fn sparse_data_file_that_a_forged_commit_names_with_its_size_is_not_hashed() {
    let world = World::new();
    let size = blow_up(&world.path(DATA));
    let commit = fs::read_to_string(world.path(COMMIT)).unwrap();
    world.write(
        COMMIT,
        commit.replace("\"size\":4", &format!("\"size\":{size}")).as_bytes(),
    );
    for arguments in [
        format!("verify b.tlog-proof --trust trust --commit {COMMIT} --data {DATA}"),
        "audit table tables/t --trust trust --deep".to_owned(),
    ] {
        let text = world.says(&arguments, 1);
        assert!(text.contains("only a forged commit names"), "{text}");
    }
}

#[test]
fn commit_file_of_another_size_is_refused_without_being_read() {
    let world = World::new();
    for size in [200 << 20, blow_up(&world.path("huge"))] {
        File::create(world.path(COMMIT)).unwrap().set_len(size).unwrap();
        for arguments in [
            format!("verify b.tlog-proof --trust trust --commit {COMMIT}"),
            "audit table tables/t --trust trust".to_owned(),
        ] {
            let text = world.says(&arguments, 1);
            assert!(text.contains(&format!("it has {size} bytes instead of ")), "{text}");
            assert!(!text.contains("line 1"), "it was parsed: {text}");
        }
    }
}

#[test]
fn receipt_checkpoint_tile_and_trust_files_without_end_are_refused() {
    for (file, arguments, code) in [
        ("b.tlog-proof", "verify b.tlog-proof --trust trust", 1),
        ("trust/policy", "verify b.tlog-proof --trust trust", 2),
        ("trust/writers", "verify b.tlog-proof --trust trust", 2),
        ("trust/ledger", "audit table tables/t --trust trust", 2),
        ("public/checkpoint", "audit ledger public --trust trust", 1),
        ("public/tile/0/000.p/3", "audit ledger public --trust trust", 1),
        ("public/tile/entries/000.p/3", "audit ledger public --trust trust", 1),
        (
            "old.checkpoint",
            "audit ledger public --trust trust --since old.checkpoint",
            1,
        ),
    ] {
        let world = World::new();
        blow_up(&world.path(file));
        let text = world.says(arguments, code);
        assert!(text.contains("more than the limit of"), "{file}: {text}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_wherever_a_file_is_asked_for() {
    use std::os::unix::fs::symlink;
    type Make = fn(&Path);
    let make: [(&str, Make); 5] = [
        ("pipe", |path| {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success())
        }),
        ("device", |path| symlink("/dev/zero", path).unwrap()),
        ("folder", |path| fs::create_dir(path).unwrap()),
        ("loop", |path| symlink(path, path).unwrap()),
        ("socket", |path| {
            drop(std::os::unix::net::UnixListener::bind(path).unwrap())
        }),
    ];
    let verify = format!("verify b.tlog-proof --trust trust --commit {COMMIT} --data {DATA}");
    for (file, arguments) in [
        ("b.tlog-proof", verify.as_str()),
        (COMMIT, &verify),
        (DATA, &verify),
        ("trust/policy", &verify),
        ("trust/writers", &verify),
        ("trust/ledger", "audit table tables/t --trust trust"),
        (COMMIT, "audit table tables/t --trust trust"),
        (DATA, "audit table tables/t --trust trust --deep"),
        (
            "tables/t/_delta_log/00000000000000000000.json",
            "audit table tables/t --trust trust",
        ),
        ("public/checkpoint", "audit ledger public --trust trust"),
        ("public/tile/0/000.p/3", "audit ledger public --trust trust"),
        ("public/tile/entries/000.p/3", "audit table tables/t --trust trust"),
        (
            "old.checkpoint",
            "audit ledger public --trust trust --since old.checkpoint",
        ),
    ] {
        for (kind, make) in make {
            let world = World::new();
            fs::remove_file(world.path(file)).unwrap();
            make(&world.path(file));
            let text = world.says(arguments, 2);
            assert!(text.starts_with("UNDECIDED"), "{kind} as {file}: {text}");
            assert!(
                text.contains("cannot be") && text.contains("read"),
                "{kind} as {file}: {text}"
            );
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn file_that_states_no_size_but_never_ends_is_read_no_further_than_its_size() {
    // the files in /proc are regular and have size 0; some of them block their reader
    let world = World::new();
    fs::remove_file(world.path(COMMIT)).unwrap();
    std::os::unix::fs::symlink("/proc/self/maps", world.path(COMMIT)).unwrap();
    let text = world.says(&format!("verify b.tlog-proof --trust trust --commit {COMMIT}"), 1);
    assert!(text.contains("it has 0 bytes instead of"), "{text}");
}

#[test]
fn log_with_very_many_names_gives_a_short_report_that_still_names_the_forged_state() {
    let world = World::new();
    for name in 0..3000 {
        world.write(&format!("tables/t/_delta_log/{name}.crc"), b"");
    }
    world.write("tables/t/_delta_log/zz.checkpoint.parquet", b"");
    let json = world.run("audit table tables/t --trust trust --json", 1);
    assert!(json.contains("zz.checkpoint.parquet"), "{json}");
    assert!(json.lines().count() < 200, "{} lines", json.lines().count());
    assert!(json.contains("3001 other files"), "{json}");
}

#[test]
fn files_that_nobody_notarized_do_not_hide_the_forged_commit() {
    let world = World::new();
    for version in 10..1100 {
        world.write(&format!("tables/t/_delta_log/{version:020}.json"), b"");
        world.write(&format!("tables/t/_delta_log/{version}.checkpoint.parquet"), b"");
    }
    let commit = fs::read_to_string(world.path(COMMIT)).unwrap();
    world.write(COMMIT, commit.replace("ann", "eve").as_bytes());
    let text = world.says("audit table tables/t --trust trust", 1);
    assert!(
        text.contains("00000000000000000001.json, leaf 1: the commit file is not the notarized one"),
        "{text}"
    );
    // 1 forged commit, 1090 foreign ones and as many checkpoints, of which the text lists 20
    assert!(text.contains("and 2161 more"), "{text}");
}
