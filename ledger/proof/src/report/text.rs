//! The report as text of 80 columns.

use std::fmt;

use super::{FINDINGS_MAX, Finding, Report, SignedBy, escape};

const COLUMNS: usize = 80;

/// Items of one section that are printed; JSON has more.
const ITEMS_MAX: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.verdict().word();
        paragraph(f, &format!("{word}  "), &self.title)?;
        if !self.facts.is_empty() {
            writeln!(f)?;
        }
        let width = self.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            paragraph(f, &format!("  {name:width$}  "), value)?;
        }
        section(
            f,
            "failed",
            self.failures.iter().map(Finding::to_string),
            self.failures_left_out,
        )?;
        section(
            f,
            "could not be read",
            self.undecided.iter().map(Finding::to_string),
            self.undecided_left_out,
        )?;
        section(f, "checked", self.checked.iter().cloned(), 0)?;
        section(f, "signed by", self.signatures.iter().map(SignedBy::to_string), 0)?;
        section(f, "certified", self.certification.iter().map(ToString::to_string), 0)?;
        section(f, "not checked", self.not_checked.iter().cloned(), 0)
    }
}

impl fmt::Display for Finding {
    /// Where, then what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.map(|version| format!("version {version}"));
        let leaf = self.leaf_index.map(|leaf| format!("leaf {leaf}"));
        let place: Vec<_> = [version, self.file.clone(), leaf].into_iter().flatten().collect();
        if place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", place.join(", "), self.message)
        }
    }
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.role, self.signed)?;
        match self.time_unix_s {
            Some(time) => write!(f, ", at {} by its own clock", utc(time)),
            None => Ok(()),
        }
    }
}

fn section(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    items: impl ExactSizeIterator<Item = String>,
    left_out: u64,
) -> fmt::Result {
    let hidden = items.len().saturating_sub(ITEMS_MAX) as u64 + left_out;
    if items.len() == 0 {
        return Ok(());
    }
    writeln!(f, "\n{heading}")?;
    for item in items.take(ITEMS_MAX) {
        paragraph(f, "  - ", &item)?;
    }
    if hidden > 0 {
        writeln!(f, "  - and {hidden} more (--json lists up to {FINDINGS_MAX})")
    } else {
        Ok(())
    }
}

/// Writes `text` after `lead`, broken at spaces; further lines are indented to match. Characters that could play tricks on
/// a terminal are shown escaped.
fn paragraph(f: &mut fmt::Formatter<'_>, lead: &str, text: &str) -> fmt::Result {
    let escaped = escape(text);
    let indent = lead.chars().count();
    let mut column = indent;
    f.write_str(lead)?;
    for (position, word) in escaped.split_whitespace().enumerate() {
        let width = word.chars().count();
        if position > 0 && column + 1 + width > COLUMNS {
            write!(f, "\n{:indent$}", "")?;
            column = indent;
        } else if position > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += width;
    }
    writeln!(f)
}

/// Seconds since 1970 as a date and time in UTC, proleptic Gregorian.
fn utc(time_unix_s: u64) -> String {
    let (days, second) = (time_unix_s / 86_400, time_unix_s % 86_400);
    // count from 1 March of year 0, so that a leap day ends its year: 719468 days before 1970
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + carry;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_in_utc() {
        for (time, shown) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_679_315_147, "2023-03-20 12:25:47 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(time), shown);
        }
        utc(i64::MAX as u64);
        utc(u64::MAX);
    }
}
