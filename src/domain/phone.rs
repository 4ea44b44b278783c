//! Phone numbers: matched on E.164, kept as they were written, never printed.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, Mode, Type, country};

/// A phone number as text. It has no `Serialize`, and `Debug` and `Display` print it masked; only
/// [`PhoneNumber::reveal`] gives the digits, to the code that puts them on a wire.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// How an account writes phone numbers. There are no defaults: each account states its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NumberPlan {
    /// ISO 3166 region such as `CN`; None reads only numbers with an international prefix or `+`.
    pub region: Option<String>,
    /// Before national numbers, e.g. `0`.
    pub trunk_prefix: String,
    /// Before country codes, e.g. `00`.
    pub international_prefix: String,
}

/// Why a text is not taken for a phone number. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberProblem {
    #[error("is not a complete phone number")]
    NotANumber,
    #[error("could be two different phone numbers")]
    Ambiguous,
    #[error("has no country code, and no region is configured")]
    NeedsRegion,
}

/// E.164: a country code and at most 15 digits in all; VoIPBin demands at least 7 (its reference 2.1).
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// With fewer digits, other numbers would be found as well.
const MIN_SIGNIFICANT_DIGITS: usize = 5;
/// Conversions remembered, so that the caller numbers that every request carries are read once.
const REMEMBERED: usize = 4096;

/// A number read or written before, by plan and text; whole when full, then begun anew.
type Remembered<V> = LazyLock<Mutex<HashMap<(NumberPlan, String), V>>>;
static PARSED: Remembered<Result<PhoneNumber, NumberProblem>> = LazyLock::new(Mutex::default);
static WRITTEN: Remembered<String> = LazyLock::new(Mutex::default);

/// Drops what is remembered of numbers that were read and written.
pub fn forget_all() {
    PARSED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

impl PhoneNumber {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The number as it goes on a wire. Never log, trace or format the result.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its digits without country code and prefixes, by which it is found however it is written;
    /// None when it is not in E.164.
    pub fn significant_digits(&self) -> Option<String> {
        Self::from_e164(&self.0).ok()?;
        let digits = &self.0[1..];
        // Of a country that no table knows: all but the longest country code.
        let digits = split(digits).map_or(&digits[3..], |(_, significant)| significant);
        (digits.len() >= MIN_SIGNIFICANT_DIGITS).then(|| digits.to_owned())
    }

    /// Whether its country has such numbers; false for one that is not in E.164.
    pub fn is_assigned(&self) -> bool {
        let parts = self.0.strip_prefix('+').and_then(split);
        parts.is_some_and(|(code, significant)| is_assigned(code, significant))
    }

    /// A number that is in E.164 already: `+` and 7 to 15 digits.
    ///
    /// # Errors
    /// When it is not.
    pub fn from_e164(text: &str) -> Result<Self, NumberProblem> {
        let digits = text.strip_prefix('+').ok_or(NumberProblem::NotANumber)?;
        e164(digits).ok_or(NumberProblem::NotANumber)
    }
}

impl NumberPlan {
    /// The number that an account with this plan means by `text`, in E.164.
    ///
    /// National numbers must be ones that their region's numbering plan knows: a short code such as a
    /// hotline means nothing elsewhere. A number with a country code is taken as it is.
    ///
    /// # Errors
    /// When the text is no complete number, or could be two.
    pub fn parse(&self, text: &str) -> Result<PhoneNumber, NumberProblem> {
        if text.starts_with('+') {
            return PhoneNumber::from_e164(text);
        }
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberProblem::NotANumber);
        }
        if self.region.is_none() {
            return self.international(text).ok_or(NumberProblem::NeedsRegion);
        }
        self.remember(&PARSED, text, || self.parse_with_region(text))
    }

    /// The number as this plan writes it: national when it is of the plan's region, else with the
    /// international prefix; with a `+` when neither would be read back by [`NumberPlan::parse`], for
    /// somebody else would be called then.
    pub fn format(&self, number: &PhoneNumber) -> String {
        let e164 = number.reveal();
        let digits = e164.strip_prefix('+').unwrap_or(e164);
        let international = format!("{}{digits}", self.international_prefix);
        if self.region.is_none() {
            return international;
        }
        self.remember(&WRITTEN, e164, || {
            let national = self.national(e164).into_iter().flatten();
            let mut written = national.chain([international.clone()]);
            let is_read_back = |text: &String| self.parse_with_region(text).as_ref() == Ok(number);
            written.find(is_read_back).unwrap_or_else(|| e164.to_owned())
        })
    }

    /// How numbers are usually written in a number's own country; None when no table knows it.
    pub fn usual_of(number: &PhoneNumber) -> Option<Self> {
        let (code, _) = split(number.0.strip_prefix('+')?)?;
        let country = DATABASE.by_code(&code)?.into_iter().next()?;
        Some(Self {
            region: Some(country.id().to_owned()),
            trunk_prefix: country.national_prefix().unwrap_or_default().to_owned(),
            international_prefix: "00".to_owned(),
        })
    }

    /// Whether its own numbers have this country code.
    pub fn is_of_country(&self, code: &str) -> bool {
        self.country().and_then(calling_code).is_some_and(|own| own.to_string() == code)
    }

    /// False when the region is one that no numbering plan belongs to.
    pub fn has_known_region(&self) -> bool {
        self.region.is_none() || self.country().and_then(calling_code).is_some()
    }

    fn international(&self, text: &str) -> Option<PhoneNumber> {
        if self.international_prefix.is_empty() {
            return None;
        }
        e164(text.strip_prefix(&self.international_prefix)?)
    }

    fn parse_with_region(&self, text: &str) -> Result<PhoneNumber, NumberProblem> {
        let mut candidates: Vec<PhoneNumber> = self.international(text).into_iter().collect();
        let code = self.country().and_then(calling_code);
        let code = code.ok_or(NumberProblem::NeedsRegion)?;
        // A number may begin with the very digit that is the trunk prefix, as Russia's 800 … after 8: it
        // is read with and without, and what its country has no such number for is no reading.
        let without_trunk = text.strip_prefix(self.trunk_prefix.as_str());
        let without_trunk = without_trunk.filter(|_| !self.trunk_prefix.is_empty());
        for significant in std::iter::once(text).chain(without_trunk) {
            if is_assigned(code, significant)
                && let Some(number) = e164(&format!("{code}{significant}"))
                && !candidates.contains(&number)
            {
                candidates.push(number);
            }
        }
        match candidates.len() {
            0 => Err(NumberProblem::NotANumber),
            1 => candidates.pop().ok_or(NumberProblem::NotANumber),
            _ => Err(NumberProblem::Ambiguous),
        }
    }

    /// As people of the plan's region write it, digits only, likeliest first; None for other countries'
    /// numbers.
    fn national(&self, e164: &str) -> Option<[String; 3]> {
        let code = calling_code(self.country()?)?;
        let (of, significant) = split(e164.strip_prefix('+')?)?;
        if of != code {
            return None;
        }
        let mut usual = String::new();
        // Whether a trunk prefix goes before it, crate `phonenumber` knows; but it forgives one after a
        // country code, and then it has read another number.
        if let Ok(number) = phonenumber::parse(None, e164)
            && number.to_string() == e164
        {
            write!(usual, "{}", number.format().mode(Mode::National)).ok()?;
            usual.retain(|c| c.is_ascii_digit());
        }
        Some([usual, format!("{}{significant}", self.trunk_prefix), significant.to_owned()])
    }

    fn country(&self) -> Option<country::Id> {
        self.region.as_ref()?.parse().ok()
    }

    fn remember<V: Clone>(&self, kept: &Remembered<V>, text: &str, make: impl Fn() -> V) -> V {
        let key = (self.clone(), text.to_owned());
        if let Some(known) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let made = make();
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED {
            kept.clear();
        }
        kept.insert(key, made.clone());
        made
    }
}

/// `digits` with a `+`, when that can be a number.
fn e164(digits: &str) -> Option<PhoneNumber> {
    let ok = E164_DIGITS.contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    ok.then(|| PhoneNumber(format!("+{digits}")))
}

fn calling_code(region: country::Id) -> Option<u16> {
    DATABASE.by_id(region.as_ref()).map(Metadata::country_code)
}

/// The country code and what follows it. No country code begins with another.
fn split(digits: &str) -> Option<(u16, &str)> {
    (1..=3).find_map(|length| {
        let (code, significant) = digits.split_at_checked(length)?;
        let code = code.parse().ok()?;
        DATABASE.by_code(&code).filter(|known| !known.is_empty()).map(|_| (code, significant))
    })
}

/// What numbers are there for.
const KINDS: [Type; 11] = [
    Type::FixedLine,
    Type::Mobile,
    Type::FixedLineOrMobile,
    Type::TollFree,
    Type::PremiumRate,
    Type::SharedCost,
    Type::PersonalNumber,
    Type::Voip,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
];

/// Whether a country that shares this code has such numbers. This loads the tables of crate
/// `phonenumber`, once, when the first national number comes by.
fn is_assigned(code: u16, significant: &str) -> bool {
    DATABASE.by_code(&code).is_some_and(|countries| {
        countries.iter().any(|country| {
            let of_kind = |kind| {
                country.descriptors().get(kind).is_some_and(|them| them.is_match(significant))
            };
            country.descriptors().general().is_match(significant) && KINDS.into_iter().any(of_kind)
        })
    })
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(***)")
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
