//! The blacklist of a VDN (reference 9.1–9.4).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Release;
use super::answer::{
    Answer, BLACKLIST_GROUP_INVALID, BLACKLIST_TYPE_INVALID, COMBINATION, GENERIC, Outcome,
    Refusal, TOO_MANY, WRONG_TYPE, WRONG_VALUE,
};
use super::checks::{Fields, Findings, Text, Whole};
use super::server::Request;
use super::world::{Block, Setup, World};

/// Numbers per query (9.4).
const MAX_QUERY_NUMBERS: usize = 20;

/// Nothing is added when anything is wrong.
pub(super) fn add(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let max = world.setup.limits.blocks_per_request;
    let numbers = numbers(&fields, &mut found, (true, max));
    let until = until(&fields, &mut found, (&world.setup, request.now));
    let allowance = allowance(&fields, &mut found, world.setup.release);
    let covers = fields.choice(&mut found, "isCoverDupNo", (false, &[0, 1])).unwrap_or(0);
    // Groups and types cannot be defined here, so none exists.
    for (name, code) in
        [("relCategoryId", BLACKLIST_GROUP_INVALID), ("typeId", BLACKLIST_TYPE_INVALID)]
    {
        if fields.text(&mut found, name, Text::optional(64)).is_some() {
            found.note(code, name, "does not exist");
        }
    }
    found.done()?;
    let release = world.setup.release;
    let limit = world.setup.limits.entries_per_vdn;
    let blacklist = &mut world.vdn_mut(request.vdn)?.blacklist;
    blacklist.retain(|_, block| !block.is_over(request.now));
    let listed = |number: &&str| blacklist.contains_key(*number);
    // The newest edition skips or overwrites what is listed, as `isCoverDupNo` says, when it is
    // given; otherwise nothing may be listed already.
    let decides = release == Release::Y2025 && fields.has("isCoverDupNo");
    if numbers.iter().any(listed) && !decides {
        return Err(Refusal::new(GENERIC, "blocklist: a number is listed already"));
    }
    let added: Vec<&str> =
        numbers.into_iter().filter(|number| covers == 1 || !listed(number)).collect();
    if blacklist.len() + added.len() > limit {
        return Err(Refusal::new(TOO_MANY, format!("blocklist: at most {limit} numbers")));
    }
    for number in added {
        let block = Block { until, allowance: allowance.clone(), used: None };
        blacklist.insert(number.to_owned(), block);
    }
    Ok(Answer::new(""))
}

pub(super) fn remove(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let number = fields.text(&mut found, "blocklistNo", Text::number());
    found.done()?;
    let blacklist = &mut world.vdn_mut(request.vdn)?.blacklist;
    match number.and_then(|number| blacklist.remove(number)) {
        Some(_) => Ok(Answer::new("")),
        None => Err(Refusal::new(GENERIC, "blocklistNo: is not listed")),
    }
}

pub(super) fn empty(world: &mut World, request: &Request) -> Outcome {
    world.vdn_mut(request.vdn)?.blacklist.clear();
    Ok(Answer::new(""))
}

/// By numbers, or a page of all: exactly one of the two.
pub(super) fn query(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let paged = fields.has("offset") || fields.has("limit");
    if paged == fields.has("blocklist") {
        found.note(COMBINATION, "blocklist", "either blocklist, or offset and limit");
    }
    let wanted = numbers(&fields, &mut found, (!paged, MAX_QUERY_NUMBERS));
    let whole = |required, min, max| {
        if required { Whole::required(min, max) } else { Whole::optional(min, max) }
    };
    let offset = fields.whole(&mut found, "offset", whole(paged, 0, i64::from(i32::MAX)));
    let limit = fields.whole(&mut found, "limit", whole(paged, 1, 100));
    found.done()?;
    let setup_zone = world.setup.time_zone.clone();
    let blacklist = &mut world.vdn_mut(request.vdn)?.blacklist;
    blacklist.retain(|_, block| !block.is_over(request.now));
    let size = |number: Option<i64>| number.and_then(|n| usize::try_from(n).ok());
    let matching: Vec<(&String, &Block)> =
        blacklist.iter().filter(|(number, _)| paged || wanted.contains(&number.as_str())).collect();
    let data: Vec<Value> = matching
        .iter()
        .skip(size(offset).unwrap_or(0))
        .take(size(limit).unwrap_or(MAX_QUERY_NUMBERS))
        .map(|(number, block)| shown(number, block, &setup_zone))
        .collect();
    Ok(Answer::new("").with("totalCount", matching.len()).with("data", data))
}

/// The item table was not seen; these are the members of 9.1.
fn shown(number: &str, block: &Block, zone: &TimeZone) -> Value {
    let until = |at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
    json!({
        "blocklistNo": number,
        "validityExpirationTime": block.until.map(until),
        "restrictTimes": block.allowance.as_ref().map(|(times, _)| times),
        "restrictPeriod": block.allowance.as_ref().map(|(_, period)| period),
    })
}

fn numbers<'a>(
    fields: &Fields<'a>,
    found: &mut Findings,
    (required, max): (bool, usize),
) -> Vec<&'a str> {
    let items = fields.list(found, "blocklist", required).unwrap_or_default();
    if items.len() > max {
        found.note(TOO_MANY, "blocklist", &format!("at most {max}"));
    }
    let mut numbers = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = format!("blocklist[{index}]");
        match item.as_str() {
            None => found.note(WRONG_TYPE, &path, "must be a string"),
            Some("") => found.note(super::answer::EMPTY, &path, "must be given"),
            Some(number) => {
                Text::number().check(found, &path, number);
                if numbers.contains(&number) {
                    found.note(WRONG_VALUE, &path, "is there twice");
                }
                numbers.push(number);
            }
        }
    }
    numbers
}

/// A stated time wins over a length of time.
fn until(
    fields: &Fields<'_>,
    found: &mut Findings,
    (setup, now): (&Setup, Timestamp),
) -> Option<Timestamp> {
    let expiration = fields.datetime(found, "validityExpirationTime", (false, WRONG_VALUE));
    let length = fields.whole(found, "validityTime", Whole::optional(1, 120));
    let unit = match setup.release {
        Release::Y2024 => 4,
        Release::Y2025 => {
            fields.choice(found, "validityTimeUnit", (false, &[1, 2, 3, 4])).unwrap_or(4)
        }
    };
    if let Some(expiration) = expiration {
        return setup.time_zone.to_timestamp(expiration).ok();
    }
    let local = now.to_zoned(setup.time_zone.clone());
    let later = match unit {
        1 => local.checked_add(length?.years()),
        2 => local.checked_add(length?.months()),
        3 => local.checked_add(length?.days()),
        _ => local.checked_add(SignedDuration::from_hours(length?)),
    };
    later.ok().map(|later| later.timestamp())
}

/// Up to 2025-04 a listed number may keep a few calls per hour or day.
fn allowance(fields: &Fields<'_>, found: &mut Findings, release: Release) -> Option<(i64, String)> {
    if release != Release::Y2024 {
        return None;
    }
    let times = fields.whole(found, "restrictTimes", Whole::optional(1, 100));
    let period = fields.text(found, "restrictPeriod", Text::optional(1));
    if period.is_some_and(|period| !matches!(period, "0" | "1")) {
        found.note(WRONG_VALUE, "restrictPeriod", "must be 0 or 1");
    }
    if times.is_some() != period.is_some() {
        found.note(COMBINATION, "restrictTimes", "belongs with restrictPeriod");
    }
    times.zip(period.map(str::to_owned))
}
