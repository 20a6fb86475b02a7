//! What a forger writes into file names and commits must not draw a verdict on the auditor's terminal.

use crate::world::{COMMIT, World};

/// Characters that move the cursor, reverse the reading order, or are not seen.
const TRICKS: [char; 18] = [
    '\u{1b}', '\r', '\n', '\u{7}', '\u{8}', '\u{7f}', '\u{9b}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2028}',
    '\u{202a}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}',
];

fn assert_plain(text: &str) {
    let tricks = |character: &char| *character != '\n' && TRICKS.contains(character);
    assert_eq!(text.chars().filter(tricks).collect::<String>(), "", "{text}");
    let verdicts = text.lines().filter(|line| line.starts_with("VALID")).count();
    assert_eq!(verdicts, 0, "{text}");
}

/// A text that tries to replace the line before it with a good verdict, in as many ways as there are.
fn fake_verdict() -> String {
    TRICKS.map(|trick| format!("x{trick}VALID  audit")).concat()
}

#[cfg(unix)]
#[test]
fn name_of_a_file_in_the_log_cannot_draw_a_verdict() {
    let world = World::new();
    let name = format!(
        "{}.checkpoint.parquet",
        "\u{1b}[2J\u{1b}[H\rVALID  \u{202e}audit\u{2066}\n\u{200f}x"
    );
    world.write(&format!("tables/t/_delta_log/{name}"), b"");
    for arguments in [
        "audit table tables/t --trust trust",
        "audit table tables/t --trust trust --json",
    ] {
        assert_plain(&world.run(arguments, 1));
    }
}

#[test]
fn words_of_a_forged_commit_cannot_draw_a_verdict() {
    let spoil = |from: &str, to: String| {
        let world = World::new();
        let commit = std::fs::read_to_string(world.path(COMMIT)).unwrap();
        assert!(commit.contains(from), "{from} in {commit}");
        world.write(COMMIT, commit.replace(from, &to).as_bytes());
        world
    };
    let fake = serde_json::to_string(&fake_verdict()).unwrap();
    let readable = TRICKS.into_iter().filter(|trick| !trick.is_control());
    let path = readable.map(|trick| format!("x{trick}VALID")).collect::<String>();
    for world in [
        spoil("\"t1\"", fake.clone()),
        spoil("\"ann\"", fake.clone()),
        spoil("[]", fake.clone()),
        spoil("\"WRITE\"", fake.clone()),
        spoil("p=x%2520y/b.parquet", path),
        spoil("\"add\"", fake.clone()),
        spoil("\"version\":1", format!("\"version\":{fake}")),
    ] {
        for arguments in [
            "audit table tables/t --trust trust --deep",
            "audit table tables/t --trust trust --deep --json",
            "verify b.tlog-proof --trust trust --commit tables/t/_delta_log/00000000000000000001.json",
            "verify b.tlog-proof --trust trust --json --commit tables/t/_delta_log/00000000000000000001.json",
        ] {
            assert_plain(&world.run(arguments, 1));
        }
    }
}

#[test]
fn receipt_and_trust_folder_cannot_draw_a_verdict() {
    let world = World::new();
    world.write("b.tlog-proof", fake_verdict().as_bytes());
    assert_plain(&world.run("verify b.tlog-proof --trust trust", 1));
    let header = format!("c2sp.org/tlog-proof@v1\nextra {}\n", fake_verdict());
    world.write("b.tlog-proof", header.as_bytes());
    assert_plain(&world.run("verify b.tlog-proof --trust trust", 1));
    world.write("trust/ledger", "x://\u{202e}VALID\n".as_bytes());
    assert_plain(&world.run("audit table tables/t --trust trust", 64));
    world.write("trust/policy", "quorum \u{202e}VALID\n".as_bytes());
    assert_plain(&world.run("audit table tables/t --trust trust", 2));
    assert_plain(&world.run("verify \u{202e}VALID", 64));
    assert_plain(&world.run("\u{202e}VALID", 64));
}

#[test]
fn endless_words_of_a_commit_are_cut_in_the_report() {
    let world = World::new();
    let commit = std::fs::read_to_string(world.path(COMMIT)).unwrap();
    let long = format!("\"version\":\"{}\"", "A".repeat(500_000));
    world.write(COMMIT, commit.replace("\"version\":1", &long).as_bytes());
    for arguments in [
        "audit table tables/t --trust trust",
        "audit table tables/t --trust trust --json",
    ] {
        let text = world.run(arguments, 1);
        assert!(
            text.len() < 20_000 && text.contains("more characters"),
            "{} bytes",
            text.len()
        );
    }
}
