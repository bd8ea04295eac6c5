//! Counting what test runners say they ran.

use std::fmt;

/// How many tests passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed, those that passed idly included.
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Passed without doing anything, and said so.
    idle: u64,
}

impl Tally {
    /// One failure that no test runner counted, such as a build that failed.
    pub(crate) fn failure() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// Whether anything failed.
    pub(crate) fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// Takes in one line of a test runner's output, if it is one of those that count.
    ///
    /// * `test result: ok. 3 passed; 0 failed; 1 ignored; ...` closes each binary under `cargo test`.
    /// * `NAME: 258 passed, 0 failed` closes a suite with a runner of its own.
    /// * `left out: NAME: REASON` is written by a test that could not do its work here and therefore passed idly.
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count_before(counts, " passed");
            self.failed += count_before(counts, " failed");
            self.ignored += count_before(counts, " ignored");
        } else if let Some(counts) = suite_counts(line) {
            self.passed += count_before(counts, " passed");
            self.failed += count_before(counts, " failed");
            self.ignored += count_before(counts, " skipped");
        } else if line.starts_with("left out: ") {
            self.idle += 1;
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.idle += other.idle;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed.saturating_sub(self.idle);
        write!(f, "{passed} passed, {} failed, {} skipped", self.failed, self.ignored + self.idle)
    }
}

/// The counts of a suite with a runner of its own, if this is its closing line.
pub(crate) fn suite_counts(line: &str) -> Option<&str> {
    let (name, counts) = line.split_once(": ")?;
    let (passed, rest) = counts.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (!name.starts_with("test ") && is_number(passed) && is_number(failed)).then_some(counts)
}

/// The number that stands right before `word`, or 0.
fn count_before(text: &str, word: &str) -> u64 {
    let Some(end) = text.find(word) else { return 0 };
    let start = text[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    text[start..end].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally_of(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read_line(line));
        tally
    }

    #[test]
    fn closing_lines_are_summed_and_others_are_not() {
        let tally = tally_of(&[
            "running 12 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.0s",
            "5 passed in a log line",
            "cranelift, compiled: 100 passed, 1 failed; 7 more failed as expected; 900 commands passed",
        ]);
        assert_eq!(tally.to_string(), "115 passed, 3 failed, 1 skipped");
        assert!(tally.has_failures());
    }

    #[test]
    fn a_test_left_out_does_not_count_as_passed() {
        let tally = tally_of(&[
            "test result: ok. 4 passed; 0 failed; 0 ignored; 0",
            "left out: inventory: no toolchain",
        ]);
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
        let tally = tally_of(&[
            "left out: inventory: no toolchain",
            "test result: ok. 4 passed; 0 failed; 0 ignored; 0",
        ]);
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
