//! Special dates of a campaign (reference 10).

use jiff::civil::Date;
use serde_json::{Value, json};

use super::answer::{
    Answer, COMBINATION, EMPTY, GENERIC, NO_SPECIAL_DATE, Outcome, Refusal, WRONG_VALUE,
};
use super::checks::{self, Fields, Findings, Text, Whole};
use super::schedule::{DateRule, SpecialDate};
use super::server::Request;
use super::world::World;

/// Longest name (10).
const NAME_CHARS: usize = 30;
/// A leap year, so that 02-29 can be written.
const ANY_LEAP_YEAR: i16 = 2024;

pub(super) fn list(world: &mut World, request: &Request) -> Outcome {
    let campaign = world.campaign(request.vdn, request.campaign)?;
    let data: Vec<Value> = campaign.special_dates.iter().map(shown).collect();
    Ok(Answer::new("").with("data", data))
}

pub(super) fn add(world: &mut World, request: &Request) -> Outcome {
    let (_, name, rule) = read(request, false)?;
    let max = world.setup.limits.special_dates;
    let id = world.new_special_date_id();
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    // The codes for these two were not seen.
    if campaign.special_dates.len() >= max {
        return Err(Refusal::new(GENERIC, "fewer than 20 special dates per campaign"));
    }
    if campaign.special_dates.iter().any(|date| date.name == name) {
        return Err(Refusal::new(GENERIC, "name: another special date has it"));
    }
    campaign.special_dates.push(SpecialDate { id, name, rule });
    Ok(Answer::new(""))
}

pub(super) fn modify(world: &mut World, request: &Request) -> Outcome {
    let (id, name, rule) = read(request, true)?;
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    let dates = &mut campaign.special_dates;
    if dates.iter().any(|date| date.name == name && Some(date.id) != id) {
        return Err(Refusal::new(GENERIC, "name: another special date has it"));
    }
    let date = dates.iter_mut().find(|date| Some(date.id) == id).ok_or_else(missing)?;
    date.name = name;
    date.rule = rule;
    Ok(Answer::new(""))
}

pub(super) fn delete(world: &mut World, request: &Request) -> Outcome {
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    let id = request.item.parse::<i64>().ok();
    let place = campaign.special_dates.iter().position(|date| Some(date.id) == id);
    campaign.special_dates.remove(place.ok_or_else(missing)?);
    Ok(Answer::new(""))
}

pub(super) fn delete_all(world: &mut World, request: &Request) -> Outcome {
    world.campaign_mut(request.vdn, request.campaign)?.special_dates.clear();
    Ok(Answer::new(""))
}

fn missing() -> Refusal {
    Refusal::new(NO_SPECIAL_DATE, "id: the special date does not exist")
}

fn read(request: &Request, is_modify: bool) -> Result<(Option<i64>, String, DateRule), Refusal> {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let id_rule = if is_modify { Whole::positive() } else { Whole::optional(1, i64::MAX) };
    let id = fields.whole(&mut found, "id", id_rule);
    let name = fields.text(&mut found, "name", Text::required(NAME_CHARS));
    let kind = fields.choice(&mut found, "type", (true, &[1, 2, 3]));
    let rule = match kind {
        Some(1) => weekly(&fields, &mut found),
        Some(2) => span(&fields, &mut found, checks::date)
            .map(|(begin, end)| DateRule::Between(begin, end)),
        Some(_) => span(&fields, &mut found, month_day).map(|(begin, end)| {
            DateRule::Yearly((begin.month(), begin.day()), (end.month(), end.day()))
        }),
        None => None,
    };
    if let Some(DateRule::Between(begin, end)) = &rule
        && end < begin
    {
        found.note(COMBINATION, "endTime", "must not be before beginTime");
    }
    found.done()?;
    let rule = rule.ok_or_else(|| Refusal::new(EMPTY, "type: must be given"))?;
    Ok((id, name.unwrap_or_default().to_owned(), rule))
}

fn weekly(fields: &Fields<'_>, found: &mut Findings) -> Option<DateRule> {
    let Some(week) = fields.text(found, "week", Text::optional(64)) else {
        found.note(COMBINATION, "week", "must be given with type 1");
        return None;
    };
    let day = |text: &str| text.trim().parse().ok().filter(|day| (1..=7).contains(day));
    let days: Option<Vec<i8>> = week.split(',').map(day).collect();
    if days.is_none() {
        found.note(WRONG_VALUE, "week", "must be days 1 to 7 with commas between");
    }
    days.map(DateRule::Weekly)
}

fn span(
    fields: &Fields<'_>,
    found: &mut Findings,
    parse: fn(&str) -> Option<Date>,
) -> Option<(Date, Date)> {
    let mut date = |name: &str| {
        let Some(text) = fields.text(found, name, Text::optional(64)) else {
            found.note(COMBINATION, name, "must be given with type 2 or 3");
            return None;
        };
        let parsed = parse(text);
        if parsed.is_none() {
            found.note(WRONG_VALUE, name, "must be yyyy-MM-dd (type 2) or MM-dd (type 3)");
        }
        parsed
    };
    date("beginTime").zip(date("endTime"))
}

fn month_day(text: &str) -> Option<Date> {
    checks::date(&format!("{ANY_LEAP_YEAR}-{text}"))
}

fn shown(date: &SpecialDate) -> Value {
    let (kind, week, begin, end) = match &date.rule {
        DateRule::Weekly(days) => {
            let days: Vec<String> = days.iter().map(ToString::to_string).collect();
            (1, Some(days.join(",")), None, None)
        }
        DateRule::Between(begin, end) => (2, None, Some(begin.to_string()), Some(end.to_string())),
        DateRule::Yearly(begin, end) => {
            let text = |(month, day): &(i8, i8)| Some(format!("{month:02}-{day:02}"));
            (3, None, text(begin), text(end))
        }
    };
    json!({
        "id": date.id,
        "name": date.name,
        "type": kind,
        "week": week,
        "beginTime": begin,
        "endTime": end,
    })
}
