//! Text from files of others, made safe to print. A terminal obeys control characters, and Unicode has characters that
//! reverse the order of reading or are not seen at all: with either, a hostile file could draw a verdict of its own.

/// The text with every character escaped that could play tricks: control characters as Rust escapes them (`\n`,
/// `\u{1b}`), the others as `\u{202e}`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if plays_tricks(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// JSON with the same characters as `\u` escapes, which readers of JSON undo: what was said stays the same.
pub(super) fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        // a raw line end is layout: within strings it is escaped already
        if plays_tricks(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped += &format!("\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Control characters, and what Unicode calls format characters: marks and overrides of direction, joiners and spaces
/// without width, line and paragraph separators, tags. And those that are letters or marks by name, but leave nothing to
/// see: fillers, vowels that are never drawn, a blank of Braille, selectors of variants.
fn plays_tricks(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
            | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_play_tricks_are_escaped_and_others_stay() {
        for (text, shown) in [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\rVALID", "a\\rVALID"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{9b}K", "\\u{9b}K"),
            ("\u{202e}DILAV", "\\u{202e}DILAV"),
            (
                "\u{2066}\u{2067}\u{2068}\u{2069}",
                "\\u{2066}\\u{2067}\\u{2068}\\u{2069}",
            ),
            ("\u{200e}\u{200f}", "\\u{200e}\\u{200f}"),
            ("\u{2028}\u{feff}\u{e0041}", "\\u{2028}\\u{feff}\\u{e0041}"),
            ("a\u{34f}b\u{115f}\u{1160}", "a\\u{34f}b\\u{115f}\\u{1160}"),
            ("\u{17b4}\u{17b5}\u{2800}", "\\u{17b4}\\u{17b5}\\u{2800}"),
            ("\u{3164}\u{ffa0}", "\\u{3164}\\u{ffa0}"),
            ("\u{fe00}\u{fe0f}", "\\u{fe00}\\u{fe0f}"),
            ("\u{e0100}\u{e01ef}", "\\u{e0100}\\u{e01ef}"),
            ("é 日本 😀 \\n", "é 日本 😀 \\n"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn json_means_the_same_and_shows_no_tricks() {
        let text = "\u{1b}\r\n\u{7f}\u{9b}\u{202e}\u{2066}\u{200f}\u{e0041}\u{3164}\u{e01ef}é\\\"";
        let json = escape_json(&format!("{:#}", serde_json::json!({ "x": text })));
        assert!(
            !json.contains(|character| plays_tricks(character) && character != '\n'),
            "{json}"
        );
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["x"], text);
    }
}
