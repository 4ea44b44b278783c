//! External result codes and business-result definitions (reference 7, 8.1, 8.2).

use serde_json::{Value, json};

use super::answer::{Answer, GENERIC, Outcome, Refusal, TOO_MANY, WRONG_VALUE};
use super::checks::{Fields, Findings, Text};
use super::server::Request;
use super::world::{BusinessResult, ExternalResult, World};

/// `resultCode` must be shorter than 8 characters (7.2).
const EXTERNAL_CODE_CHARS: usize = 7;
/// Own limits where no page states one.
const DISPLAY_CHARS: usize = 100;
const MAX_CHILDREN: usize = 100;
/// Business names and codes (8.1).
const BUSINESS_CHARS: usize = 50;

pub(super) fn codes(world: &mut World, request: &Request) -> Outcome {
    let (skip, take) = request.page()?;
    let external = &world.vdn_mut(request.vdn)?.external;
    let page: Vec<Value> = external
        .iter()
        .skip(skip)
        .take(take)
        .map(|result| json!({ "obsCode": result.result_code, "obsCodeDesc": result.display }))
        .collect();
    Ok(Answer::new("").with("totalCount", external.len()).with("obsCodes", page))
}

pub(super) fn create_external(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let code = fields.text(&mut found, "resultCode", Text::optional(EXTERNAL_CODE_CHARS));
    let display = fields.text(&mut found, "displayResult", Text::required(DISPLAY_CHARS));
    found.done()?;
    let def_id = world.new_definition_id();
    let max = world.setup.limits.entries_per_vdn;
    let external = &mut world.vdn_mut(request.vdn)?.external;
    if code.is_some_and(|code| external.iter().any(|known| known.result_code == code)) {
        return Err(Refusal::new(GENERIC, "resultCode: exists already"));
    }
    if external.len() >= max {
        return Err(Refusal::new(TOO_MANY, format!("at most {max} definitions")));
    }
    external.push(ExternalResult {
        def_id,
        result_code: code.map_or_else(|| format!("OB{def_id:05}"), str::to_owned),
        display: display.unwrap_or_default().to_owned(),
        fail_codes: Vec::new(),
    });
    Ok(Answer::new("").with("returnObject", json!({ "defId": def_id })))
}

pub(super) fn external(world: &mut World, request: &Request) -> Outcome {
    let (skip, take) = request.page()?;
    let external = &world.vdn_mut(request.vdn)?.external;
    let page: Vec<Value> = external
        .iter()
        .skip(skip)
        .take(take)
        .map(|result| {
            json!({
                "displayResult": result.display,
                "resultCode": result.result_code,
                "defId": result.def_id,
            })
        })
        .collect();
    Ok(Answer::new("").with("totalCount", external.len()).with("data", page))
}

pub(super) fn external_detail(world: &mut World, request: &Request) -> Outcome {
    let external = &world.vdn_mut(request.vdn)?.external;
    let wanted = request.item.parse::<i64>().ok();
    let Some(result) = external.iter().find(|result| Some(result.def_id) == wanted) else {
        return Err(Refusal::new(GENERIC, "defId: does not exist"));
    };
    let maps: Vec<Value> = result
        .fail_codes
        .iter()
        .zip(1..)
        .map(|(fail_code, nth)| {
            json!({
                "mapId": result.def_id * 100 + nth,
                "defId": result.def_id,
                "failCode": fail_code,
                "vdnId": request.vdn,
            })
        })
        .collect();
    let shown = json!({
        "defId": result.def_id,
        "displayResult": result.display,
        "vdnId": request.vdn,
        "resultCode": result.result_code,
        "resultMapList": maps,
    });
    Ok(Answer::new("").with("obResult", shown))
}

pub(super) fn add_business(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let children = fields.objects(&mut found, "children", false);
    if children.len() > MAX_CHILDREN {
        found.note(TOO_MANY, "children", "at most 100");
    }
    let children: Vec<BusinessResult> =
        children.iter().map(|child| read_business(child, &mut found)).collect();
    let read = BusinessResult { children, ..read_business(&fields, &mut found) };
    found.done()?;
    let limit = world.setup.limits.entries_per_vdn;
    let number = world.new_definition_id();
    let business = &mut world.vdn_mut(request.vdn)?.business;
    let named = |known: &BusinessResult| known.code == read.code && !read.code.is_empty();
    if business.iter().any(named) {
        return Err(Refusal::new(WRONG_VALUE, "code: exists already"));
    }
    if business.len() >= limit {
        return Err(Refusal::new(TOO_MANY, format!("at most {limit} definitions")));
    }
    business.push(with_codes(read, &number.to_string()));
    Ok(Answer::new(""))
}

pub(super) fn business(world: &mut World, request: &Request) -> Outcome {
    let (skip, take) = request.page()?;
    let business = &world.vdn_mut(request.vdn)?.business;
    let page: Vec<Value> =
        business.iter().skip(skip).take(take).map(|result| shown(result, "1")).collect();
    Ok(Answer::new("").with("data", page).with("totalCount", business.len()))
}

fn read_business(fields: &Fields<'_>, found: &mut Findings) -> BusinessResult {
    let name = Text::required(BUSINESS_CHARS)
        .allowing(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    let code = Text::optional(BUSINESS_CHARS).allowing(|c| c.is_ascii_alphanumeric() || c == '-');
    let mut text = |name, rule| fields.text(found, name, rule).unwrap_or_default().to_owned();
    BusinessResult {
        name: text("name", name),
        code: text("code", code),
        description: text("description", Text::optional(200)),
        children: Vec::new(),
    }
}

/// A code is optional; a missing one is given, children numbered below their parent.
fn with_codes(mut result: BusinessResult, code: &str) -> BusinessResult {
    if result.code.is_empty() {
        code.clone_into(&mut result.code);
    }
    let children = std::mem::take(&mut result.children);
    let numbered = children.into_iter().zip(1..);
    result.children =
        numbered.map(|(child, nth)| with_codes(child, &format!("{code}-{nth}"))).collect();
    result
}

fn shown(result: &BusinessResult, level: &str) -> Value {
    let children: Vec<Value> = result.children.iter().map(|child| shown(child, "2")).collect();
    json!({
        "name": result.name,
        "code": result.code,
        "description": result.description,
        "defLevel": level,
        "children": children,
    })
}
