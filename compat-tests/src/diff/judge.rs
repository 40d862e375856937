//! Takes the same steps on both servers and compares what comes of them.

use super::plan::Step;
use super::side::Side;
use super::tree;
use crate::client::Outcome;
use crate::sut::{Kind, Server, Setup};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How long counts may take to agree: a server learns of a connection's end by itself.
const SETTLE: Duration = Duration::from_secs(5);

/// Where two servers differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The number of the step, from 0; the number of steps for what is compared at the end.
    pub step: usize,
    /// The official server's lines.
    pub official: Vec<String>,
    /// Those of oxkeeper.
    pub oxkeeper: Vec<String>,
    /// Steps and the official server's lines so far.
    pub story: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [official, oxkeeper] = [&self.official, &self.oxkeeper].map(|lines| lines.join("\n    "));
        write!(f, "{}\n  official:\n    {official}\n  oxkeeper:\n    {oxkeeper}", last(&self.story))
    }
}

/// What a sequence ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Counts and trees are compared.
    Compare,
    /// Then both servers are started again, and their trees compared once more.
    Restart,
}

/// Both servers.
#[derive(Debug)]
pub struct Pair {
    setup: Setup,
    official: Side,
    oxkeeper: Side,
    /// Whether something is left behind that may differ.
    spoilt: bool,
}

impl Pair {
    /// Starts both.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(setup: Setup) -> Outcome<Self> {
        let official = Side::new(Server::start(Kind::Official396, setup)?);
        let oxkeeper = Side::new(Server::start(Kind::Oxkeeper, setup)?);
        Ok(Self { setup, official, oxkeeper, spoilt: false })
    }

    /// Starts them anew if they are not known to be the same.
    ///
    /// # Errors
    /// When one does not start.
    pub fn refresh(&mut self) -> Outcome {
        if self.spoilt {
            let mut fresh = Self::start(self.setup)?;
            fresh.official.answers = std::mem::take(&mut self.official.answers);
            *self = fresh;
        }
        Ok(())
    }

    /// How often the official server has answered each op code how.
    #[must_use]
    pub fn answers(&self) -> &BTreeMap<(i32, String), usize> {
        &self.official.answers
    }

    /// Takes the steps; gives the first difference.
    ///
    /// # Errors
    /// When a server does not serve.
    pub fn run(&mut self, steps: &[Step], end: End) -> Outcome<Option<Difference>> {
        self.refresh()?;
        // Until all went well.
        self.spoilt = true;
        self.official.begin()?;
        self.oxkeeper.begin()?;
        let mut story = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let (official, oxkeeper) = self
                .take(step)
                .map_err(|problem| format!("{problem}\nat step {number}: {step}\nafter\n{}", last(&story)))?;
            story.push(format!("{number} {step}"));
            if official != oxkeeper {
                return Ok(Some(Difference { step: number, official, oxkeeper, story }));
            }
            story.extend(
                official.iter().filter(|line| !line.contains(" ping -> ")).map(|line| format!("    {line}")),
            );
        }
        let found = self.compare_ends(end)?;
        self.spoilt = found.is_some();
        Ok(found.map(|(official, oxkeeper)| Difference { step: steps.len(), official, oxkeeper, story }))
    }

    fn take(&mut self, step: &Step) -> Outcome<(Vec<String>, Vec<String>)> {
        self.official
            .send(step)
            .map_err(|e| format!("official: {e}\n{}", self.official.server.log_tail()))?;
        self.oxkeeper
            .send(step)
            .map_err(|e| format!("oxkeeper: {e}\n{}", self.oxkeeper.server.log_tail()))?;
        let official = self.official.collect(step);
        Ok((official, self.oxkeeper.collect(step)))
    }

    /// Counts, trees, and the trees once more when all is cleared away.
    fn compare_ends(&mut self, end: End) -> Outcome<Option<(Vec<String>, Vec<String>)>> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let counts = (self.official.counts()?, self.oxkeeper.counts()?);
            if counts.0 == counts.1 {
                break;
            }
            if Instant::now() > deadline {
                return Ok(Some(counts));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let (mut left, mut right) = (tree::superuser(&self.official)?, tree::superuser(&self.oxkeeper)?);
        let trees = (tree::lines(&self.official, &mut left)?, tree::lines(&self.oxkeeper, &mut right)?);
        if let Some(found) = lines_that_differ(trees) {
            return Ok(Some(found));
        }
        if end == End::Restart {
            self.official.restart()?;
            self.oxkeeper.restart()?;
            (left, right) = (tree::superuser(&self.official)?, tree::superuser(&self.oxkeeper)?);
            let trees = (tree::lines(&self.official, &mut left)?, tree::lines(&self.oxkeeper, &mut right)?);
            if let Some(found) = lines_that_differ((stable(trees.0), stable(trees.1))) {
                return Ok(Some(found));
            }
        }
        self.official.end();
        self.oxkeeper.end();
        let cleared = |side: &str, result: Outcome| result.map_err(|e| format!("{side}: {e}"));
        cleared("official", tree::clear(&mut left))?;
        cleared("oxkeeper", tree::clear(&mut right))?;
        let trees = (tree::lines(&self.official, &mut left)?, tree::lines(&self.oxkeeper, &mut right)?);
        left.close()?;
        right.close()?;
        Ok(lines_that_differ(trees))
    }
}

/// Lines without a surrogate: the official server logs text with one in a form that it does not read again, so that an
/// ACL entry with it is another one after a restart; with oxkeeper it stays (docs/differences.md).
fn stable(lines: Vec<String>) -> Vec<String> {
    lines
        .into_iter()
        .filter(|line| !line.contains("\\xed\\xa0") && !line.contains("\\xef\\xbf\\xbd"))
        .collect()
}

/// Those lines that the other has not, if any.
fn lines_that_differ(lines: (Vec<String>, Vec<String>)) -> Option<(Vec<String>, Vec<String>)> {
    let (left, right) = lines;
    if left == right {
        return None;
    }
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    Some((only(&left, &right), only(&right, &left)))
}

/// The end of a story.
fn last(story: &[String]) -> String {
    story[story.len().saturating_sub(40)..].join("\n")
}

/// Leaves out steps for as long as there is a difference, within the time.
pub fn shrink(
    pair: &mut Pair,
    (steps, end): (&[Step], End),
    found: Difference,
    time: Duration,
) -> (Vec<Step>, Difference) {
    let deadline = Instant::now() + time;
    let mut steps = steps[..steps.len().min(found.step + 1)].to_vec();
    let mut best = found;
    let mut width = steps.len().div_ceil(2);
    while width > 0 {
        let mut at = 0;
        while at < steps.len() {
            if Instant::now() > deadline {
                return (steps, best);
            }
            let behind = (at + width).min(steps.len());
            let fewer = [&steps[..at], &steps[behind..]].concat();
            match pair.run(&fewer, end) {
                Ok(Some(difference)) => {
                    steps = fewer[..fewer.len().min(difference.step + 1)].to_vec();
                    best = difference;
                }
                Ok(None) | Err(_) => at = behind,
            }
        }
        width = if width == 1 { 0 } else { width.div_ceil(2) };
    }
    (steps, best)
}
