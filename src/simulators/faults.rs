//! What goes wrong on purpose. *Faults* are stated as text; a *gate* draws from them, once per
//! request and once per pushed event, in a way that a seed reproduces.
//!
//! Text: items separated by commas, each `name[=value][@probability][#times]`. The probability is 1
//! when left out; `#3` stops after the third hit.
//!
//! | item | effect |
//! |---|---|
//! | `delay=50ms` `delay=50ms..2s` | the answer waits that long |
//! | `5xx` `401` `429` | the platform's own answer of that kind, nothing done (429 with Retry-After) |
//! | `drop` | the connection closes without an answer, nothing done |
//! | `lost-answer` | a write is done, then the connection closes without an answer |
//! | `malformed` `truncated` | the answer is not JSON; the answer ends half way |
//! | `duplicate` `reorder` | a pushed event goes out twice; goes out late, after later ones |
//! | `skew=30s` `skew=-5m` | the platform's time of day is that much ahead |

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use super::dice::Dice;

/// The longest delay that can be asked for; more is a mistake in the text.
pub const MAX_DELAY: Duration = Duration::from_mins(10);
/// Seconds that an injected 429 asks the client to wait.
pub const RETRY_AFTER_S: u64 = 1;
/// A reordered event waits between these, in milliseconds of the simulator's clock.
const REORDER_MS: (u64, u64) = (1_000, 5_000);

/// What goes wrong, and how often. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    text: String,
    delay: Option<(Duration, Duration)>,
    chances: BTreeMap<Fault, Chance>,
    skew: SignedDuration,
}

/// Why a text does not state faults; one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault `{item}`: {problem}")]
pub struct FaultsError {
    item: String,
    problem: String,
}

/// What to do with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPlan {
    pub delay: Duration,
    pub trouble: Option<Trouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Answer this without doing anything.
    Answer(Injected),
    /// Close the connection without doing anything.
    Drop,
    /// Do it, then close the connection.
    LoseAnswer,
    /// Do it, then spoil the answer.
    Malform,
    Truncate,
}

/// An answer that a platform would give in its own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injected {
    /// An HTTP status from 500 to 503.
    ServerError(u16),
    Unauthorized,
    TooMany {
        retry_after_s: u64,
    },
}

/// What to do with one pushed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlan {
    /// How often it goes out: 1, or 2 when duplicated.
    pub copies: u32,
    /// How long it is held back, so that later ones overtake it.
    pub hold: Duration,
}

/// Draws from the faults in force; clones share them.
#[derive(Debug, Clone)]
pub struct Gate {
    dice: Dice,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Delay,
    ServerError,
    Unauthorized,
    TooMany,
    Drop,
    LostAnswer,
    Malformed,
    Truncated,
    Duplicate,
    Reorder,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Chance {
    probability: f64,
    times: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    requests: u64,
    events: u64,
    hits: BTreeMap<Fault, u64>,
}

const NAMES: [(&str, Fault); 10] = [
    ("delay", Fault::Delay),
    ("5xx", Fault::ServerError),
    ("401", Fault::Unauthorized),
    ("429", Fault::TooMany),
    ("drop", Fault::Drop),
    ("lost-answer", Fault::LostAnswer),
    ("malformed", Fault::Malformed),
    ("truncated", Fault::Truncated),
    ("duplicate", Fault::Duplicate),
    ("reorder", Fault::Reorder),
];

/// At most one of these befalls a request; the first that is drawn wins.
const TROUBLES: [Fault; 7] = [
    Fault::Drop,
    Fault::Unauthorized,
    Fault::TooMany,
    Fault::ServerError,
    Fault::LostAnswer,
    Fault::Malformed,
    Fault::Truncated,
];

impl Faults {
    /// The text that stated them.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn add(&mut self, item: &str) -> Result<(), String> {
        let (rest, times) = match item.split_once('#') {
            Some((rest, times)) => {
                let times = times.parse().map_err(|_| format!("`#{times}` is not a count"))?;
                (rest, Some(times))
            }
            None => (item, None),
        };
        let (rest, probability) = match rest.split_once('@') {
            Some((rest, probability)) => (rest, parse_probability(probability)?),
            None => (rest, 1.0),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (rest.trim(), None),
        };
        if name == "skew" {
            self.skew = parse_skew(value.ok_or("wants a value such as skew=30s")?)?;
            return Ok(());
        }
        let Some((_, fault)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            return Err(format!("is unknown; known are {}, skew", known.join(", ")));
        };
        match (fault, value) {
            (Fault::Delay, Some(value)) => self.delay = Some(parse_delay(value)?),
            (Fault::Delay, None) => return Err("wants a value such as delay=50ms..200ms".into()),
            (_, Some(_)) => return Err(format!("`{name}` takes no value")),
            (_, None) => {}
        }
        self.chances.insert(*fault, Chance { probability, times });
        Ok(())
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut faults = Self { text: text.trim().to_owned(), ..Self::default() };
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            faults.add(item).map_err(|problem| FaultsError { item: item.to_owned(), problem })?;
        }
        Ok(faults)
    }
}

impl Gate {
    pub fn new(faults: Faults, seed: u64) -> Self {
        let state = State { faults, ..State::default() };
        Self { dice: Dice::new(seed), state: Arc::new(Mutex::new(state)) }
    }

    /// Puts other faults in force and starts their draws from the beginning.
    pub fn set(&self, faults: Faults) {
        *self.lock() = State { faults, ..State::default() };
    }

    pub fn text(&self) -> String {
        self.lock().faults.text.clone()
    }

    /// How far the platform's time of day is ahead of the clock's.
    pub fn skew(&self) -> SignedDuration {
        self.lock().faults.skew
    }

    /// Draws for one request; only a write can lose its answer.
    pub fn plan_request(&self, is_write: bool) -> RequestPlan {
        let mut state = self.lock();
        let number = state.requests;
        state.requests += 1;
        let range = state.faults.delay;
        let delay = match range {
            Some((min, max)) if state.draw(&self.dice, Fault::Delay, number) => max
                .saturating_sub(min)
                .mul_f64(self.dice.fraction("delay length", number))
                .saturating_add(min),
            _ => Duration::ZERO,
        };
        let fault = TROUBLES
            .into_iter()
            .filter(|fault| is_write || *fault != Fault::LostAnswer)
            .find(|fault| state.draw(&self.dice, *fault, number));
        let trouble = fault.map(|fault| match fault {
            Fault::Unauthorized => Trouble::Answer(Injected::Unauthorized),
            Fault::TooMany => Trouble::Answer(Injected::TooMany { retry_after_s: RETRY_AFTER_S }),
            Fault::ServerError => Trouble::Answer(Injected::ServerError(self.server_error(number))),
            Fault::LostAnswer => Trouble::LoseAnswer,
            Fault::Malformed => Trouble::Malform,
            Fault::Truncated => Trouble::Truncate,
            _ => Trouble::Drop,
        });
        RequestPlan { delay, trouble }
    }

    /// Draws for one pushed event.
    pub fn plan_event(&self) -> EventPlan {
        let mut state = self.lock();
        let number = state.events;
        state.events += 1;
        let copies = if state.draw(&self.dice, Fault::Duplicate, number) { 2 } else { 1 };
        let hold_ms = if state.draw(&self.dice, Fault::Reorder, number) {
            self.dice.between("hold", number, REORDER_MS.0, REORDER_MS.1)
        } else {
            0
        };
        EventPlan { copies, hold: Duration::from_millis(hold_ms) }
    }

    fn server_error(&self, number: u64) -> u16 {
        match self.dice.between("5xx status", number, 0, 2) {
            0 => 500,
            1 => 502,
            _ => 503,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, dice: &Dice, fault: Fault, number: u64) -> bool {
        let Some(chance) = self.faults.chances.get(&fault) else { return false };
        let hits = self.hits.entry(fault).or_default();
        if chance.times.is_some_and(|times| *hits >= times) {
            return false;
        }
        let name = NAMES.iter().find(|(_, known)| *known == fault).map_or("", |(name, _)| *name);
        let hit = dice.fraction(name, number) < chance.probability;
        *hits += u64::from(hit);
        hit
    }
}

fn parse_probability(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(probability),
        _ => Err(format!("`@{text}` is not a probability between 0 and 1")),
    }
}

fn parse_delay(text: &str) -> Result<(Duration, Duration), String> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let (min, max) = (parse_duration(min)?, parse_duration(max)?);
    if min > max || max > MAX_DELAY {
        return Err(format!("`{text}` is not a range up to {} s", MAX_DELAY.as_secs()));
    }
    Ok((min, max))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is not a duration such as 50ms or 2s");
    let parsed: SignedDuration = text.trim().parse().map_err(|_| expected())?;
    Duration::try_from(parsed).map_err(|_| expected())
}

fn parse_skew(text: &str) -> Result<SignedDuration, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let parsed: SignedDuration =
        digits.parse().map_err(|_| format!("`{text}` is not a duration such as 30s or -5m"))?;
    // A year is far beyond any time window, and keeps every sum in range.
    if parsed.abs() > SignedDuration::from_hours(24 * 366) {
        return Err(format!("`{text}` is more than a year"));
    }
    Ok(if negative { -parsed } else { parsed })
}
