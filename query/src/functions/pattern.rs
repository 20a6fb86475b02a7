//! How much work a regular expression is.

/// About how many places the automaton of a pattern has: one for each character or class, as often as counts such as
/// `{1000}` repeat it. A pattern that is none is counted all the same; whoever compiles it says what is wrong.
pub(super) fn places(pattern: &str) -> u64 {
    let mut groups: Vec<Group> = vec![Group::default()];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '(' {
            groups.push(Group::default());
            continue;
        }
        let closed = match c == ')' && groups.len() > 1 {
            true => groups.pop(),
            false => None,
        };
        let group = groups.last_mut().expect("the outermost group is never closed");
        match c {
            ')' => group.add(closed.map_or(1, |inner| inner.places)),
            '[' => {
                let mut open = 1;
                while open > 0 {
                    match chars.next() {
                        Some('\\') => drop(chars.next()),
                        Some('[') => open += 1,
                        Some(']') => open -= 1,
                        Some(_) => {}
                        None => break,
                    }
                }
                group.add(1);
            }
            '{' => {
                let count: String = std::iter::from_fn(|| chars.next_if(|c| *c != '}')).collect();
                chars.next();
                let times = count.split(',').filter_map(|number| number.trim().parse().ok()).max();
                group.repeat(times.unwrap_or(1));
            }
            '\\' => {
                chars.next();
                group.add(1);
            }
            '*' | '+' | '?' | '|' => {}
            _ => group.add(1),
        }
    }
    groups
        .iter()
        .fold(0, |sum: u64, group| sum.saturating_add(group.places))
}

#[derive(Default)]
struct Group {
    places: u64,
    last: u64,
}

impl Group {
    fn add(&mut self, places: u64) {
        self.places = self.places.saturating_add(places);
        self.last = places;
    }

    fn repeat(&mut self, times: u64) {
        let more = self.last.saturating_mul(times.max(1) - 1);
        self.places = self.places.saturating_add(more);
        self.last = self.last.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn counts_multiply_what_they_repeat() {
        for (pattern, expected) in [
            ("", 0),
            ("abc", 3),
            (r"\w+@[a-z\]]+\.com", 7),
            ("a{1000}", 1000),
            ("(ab){10}", 20),
            ("((a{10}){10}){10}", 1000),
            ("a{2,5}b", 6),
            ("(a?){30}a{30}", 60),
            ("x{99999999999}{99999999999}", u64::MAX),
            (")](", 2),
        ] {
            assert_eq!(places(pattern), expected, "{pattern}");
        }
    }
}
