//! The witnesses outside: what a policy asks of those who hold no replica of the ledger, and what has become of them.
//!
//! They are told by their URLs: replicas need none, since they sign where the ledger is. Whoever goes over to another policy has
//! to hear of them, for a quorum of the replicas' operators can send them away, or bring one of their own.

use super::{Policy, Witness};

/// Witnesses outside of whom each choice is tried; of more it is told, once too often, that other ones are asked.
const COMPARED_MAX: usize = 10;

impl Policy {
    /// The witnesses to which the policy gives a URL, in the order of the file.
    pub fn outside(&self) -> impl Iterator<Item = &Witness> {
        self.witnesses.iter().filter(|witness| witness.url.is_some())
    }

    /// Whether no checkpoint counts without a witness outside.
    pub fn needs_outside(&self) -> bool {
        !self.is_met_by(|witness| witness.url.is_none())
    }

    /// Which witnesses outside have to cosign, in words. They have names that a stranger may have chosen: escape them.
    pub fn outside_in_words(&self) -> String {
        let outside: Vec<_> = self.outside().collect();
        let names: Vec<_> = outside.iter().map(|witness| witness.key.name()).collect();
        let names = names.join(", ");
        let is_enough = |one: &Witness| self.is_met_by(|witness| witness.url.is_none() || witness.key == one.key);
        match (&outside[..], self.needs_outside()) {
            ([], _) => "none: whoever runs the replicas certifies without them".to_owned(),
            (_, false) => format!("none has to cosign, {names} may: whoever runs the replicas certifies without them"),
            ([_], true) => format!("{names} has to cosign"),
            (_, true) if outside.iter().all(|witness| is_enough(witness)) => {
                format!("any one of {names} has to cosign")
            }
            (_, true) => format!("of {names} those have to cosign whom the quorum asks for"),
        }
    }

    /// What has become of the witnesses outside since `before`, in words as [`Self::outside_in_words`]; none where they are
    /// the same and as much is asked of them.
    pub fn outside_since(&self, before: &Policy) -> Option<String> {
        let gone = beyond(before, self);
        let new = beyond(self, before);
        let (was, is) = (before.outside_in_words(), self.outside_in_words());
        if gone.is_empty() && new.is_empty() && was == is && self.asks_as_much_as(before) {
            return None;
        }
        let part = |word: &str, names: Vec<&str>| match names.is_empty() {
            true => String::new(),
            false => format!("; {word} {}", names.join(", ")),
        };
        // what counts stands first: a long line may be cut
        Some(format!("now {is}{}{}", part("gone", gone), part("new", new)))
    }

    /// Whether both policies, which have the same witnesses outside, are content with the same ones of them.
    fn asks_as_much_as(&self, before: &Policy) -> bool {
        let keys: Vec<_> = self.outside().map(|witness| &witness.key).collect();
        if keys.len() > COMPARED_MAX {
            return false;
        }
        (0..1_u32 << keys.len()).all(|those| {
            let has = |witness: &Witness| {
                let place = keys.iter().position(|key| **key == witness.key);
                witness.url.is_none() || place.is_some_and(|place| those >> place & 1 == 1)
            };
            self.is_met_by(has) == before.is_met_by(has)
        })
    }
}

/// The names of the witnesses outside whose keys only one policy has.
fn beyond<'p>(one: &'p Policy, other: &Policy) -> Vec<&'p str> {
    let is_other = |witness: &&Witness| !other.outside().any(|known| known.key == witness.key);
    one.outside()
        .filter(is_other)
        .map(|witness| witness.key.name())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SigningKey;

    fn key(name: &str, seed: u8) -> String {
        let key = SigningKey::generate_cosigner(name, &[seed; 32]).unwrap();
        key.verifier().to_string()
    }

    /// One replica, and these witnesses outside; `rule` has the groups and the quorum.
    fn policy(outside: &[(&str, u8)], rule: &str) -> Policy {
        let mut text = format!("witness r {}\n", key("dab/r", 1));
        for (name, seed) in outside {
            text += &format!("witness {name} {} https://{name}/\n", key(name, *seed));
        }
        Policy::parse(text + rule).unwrap()
    }

    #[test]
    fn what_is_asked_of_witnesses_outside_is_told_and_every_change_of_it() {
        let alone = policy(&[], "quorum r\n");
        let one = policy(&[("a", 2)], "group both all r a\nquorum both\n");
        let any = policy(
            &[("a", 2), ("b", 3)],
            "group o any a b\ngroup both all r o\nquorum both\n",
        );
        let all = policy(&[("a", 2), ("b", 3)], "group both all r a b\nquorum both\n");
        // listed, and of no use: this is how operators would hide that they have sent it away
        let idle = policy(&[("a", 2)], "quorum r\n");
        let other = policy(&[("a", 9)], "group both all r a\nquorum both\n");
        for (now, needs, words) in [
            (&alone, false, "none: whoever runs the replicas certifies without them"),
            (&one, true, "a has to cosign"),
            (&any, true, "any one of a, b has to cosign"),
            (&all, true, "of a, b those have to cosign whom the quorum asks for"),
            (
                &idle,
                false,
                "none has to cosign, a may: whoever runs the replicas certifies without them",
            ),
        ] {
            assert_eq!((now.needs_outside(), now.outside_in_words().as_str()), (needs, words));
            assert_eq!(now.outside_since(now), None);
        }
        let since = |before: &Policy, now: &Policy| now.outside_since(before).unwrap();
        assert_eq!(since(&alone, &one), "now a has to cosign; new a");
        assert_eq!(since(&one, &alone), format!("now {}; gone a", alone.outside_in_words()));
        assert_eq!(since(&one, &any), "now any one of a, b has to cosign; new b");
        assert_eq!(since(&all, &any), "now any one of a, b has to cosign");
        assert_eq!(since(&one, &idle), format!("now {}", idle.outside_in_words()));
        // a name tells nobody apart
        assert_eq!(since(&one, &other), "now a has to cosign; gone a; new a");
        // the same witnesses and words, and less that is asked of them
        let three = [("a", 2), ("b", 3), ("c", 4)];
        let all = policy(&three, "group both all r a b c\nquorum both\n");
        let two = policy(&three, "group o 2 a b c\ngroup both all r o\nquorum both\n");
        assert_eq!(since(&all, &two), format!("now {}", two.outside_in_words()));
        assert_eq!(two.outside_since(&two), None);
        // any two are not any one
        let words = "of a, b, c those have to cosign whom the quorum asks for";
        assert_eq!(two.outside_in_words(), words);
        // as many as before, and other ones of them
        let rule = |names: &str| {
            policy(
                &three,
                &format!("group o all {names}\ngroup both all r o\nquorum both\n"),
            )
        };
        assert_eq!(since(&rule("a b"), &rule("a c")), format!("now {words}"));
    }

    #[test]
    fn choices_are_compared_among_so_many_witnesses_and_of_more_it_is_told_without() {
        for (count, is_compared) in [(COMPARED_MAX, true), (COMPARED_MAX + 1, false)] {
            let names: Vec<_> = (0..count).map(|number| format!("w{number}")).collect();
            let outside: Vec<_> = names.iter().map(String::as_str).zip(2..).collect();
            let rule = format!("group o 2 {}\ngroup both all r o\nquorum both\n", names.join(" "));
            let policy = policy(&outside, &rule);
            assert_eq!(policy.outside_since(&policy).is_none(), is_compared, "{count}");
        }
    }

    #[test]
    fn a_log_that_certifies_alone_needs_nobody() {
        let policy = policy(&[("a", 2)], "quorum none\n");
        assert!(!policy.needs_outside());
    }
}
