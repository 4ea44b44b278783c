//! An outbound record ↔ contact.

use crate::domain::contact::{Contact, ContactNumber};
use crate::mapping::engine::{Finding, Outcome};
use crate::platforms::isales::convert::{filled, milliseconds, read_number, whole_seconds};
use crate::platforms::isales::wire;
use crate::platforms::{ConvertContext, Converted};

/// Pages 4031, 4032.
const SESSION_ID_MAX_CHARS: usize = 32;
const CUSTOM_FIELD_MAX_CHARS: usize = 200;
const CUSTOM_FIELD_FORBIDDEN: &str = "`~!@#$%^&*()+=|{}'\":;<>/?.[]\\";
const CALL_DATA_MAX_CHARS: usize = 1024;

/// What a record says.
pub fn contact_to_domain(wire: &wire::CallData, ctx: &ConvertContext) -> Converted<Contact> {
    let mut findings = Vec::new();
    let mut read = |place: usize, text: &str, item: Option<&wire::CalledNo>| {
        let at = || format!("numbers[{place}].number").into();
        let number = read_number(&ctx.numbers, text, at, &mut findings)?;
        let delay = item.and_then(|item| filled(item.delay_time.as_ref()));
        Some(ContactNumber {
            number,
            place,
            category: item.and_then(|i| filled(i.kind.as_ref())).map(str::to_owned),
            delay_ms: delay.and_then(|text| text.parse().ok()).and_then(milliseconds),
        })
    };
    let numbers = match &wire.called {
        wire::Called::Absent => Vec::new(),
        wire::Called::One(text) => read(0, text, None).into_iter().collect(),
        wire::Called::Many(items) => items
            .iter()
            .enumerate()
            .filter_map(|(place, item)| read(place, &item.called_no, Some(item)))
            .collect(),
    };
    let contact = Contact {
        reference: filled(wire.session_id.as_ref()).map(str::to_owned),
        label: filled(wire.custom_field.as_ref()).map(str::to_owned),
        data: filled(wire.call_data.as_ref()).map(str::to_owned),
        numbers,
    };
    Converted { value: contact, findings }
}

/// The record that says it, in the V2 form with a list of numbers.
pub fn contact_from_domain(contact: &Contact, ctx: &ConvertContext) -> Converted<wire::CallData> {
    let mut findings = Vec::new();
    let mut text =
        |at: &'static str, text: Option<&String>, rule: fn(&str) -> Option<&'static str>| {
            let text = text?;
            match rule(text) {
                None => Some(text.clone()),
                Some(problem) => {
                    findings.push(Finding::domain(at, Outcome::Dropped, problem));
                    None
                }
            }
        };
    let record = wire::CallData {
        session_id: text("reference", contact.reference.as_ref(), session_id_problem),
        custom_field: text("label", contact.label.as_ref(), custom_field_problem),
        call_data: text("data", contact.data.as_ref(), call_data_problem),
        called: called(&contact.numbers, ctx),
        ..wire::CallData::default()
    };
    Converted { value: record, findings }
}

fn called(numbers: &[ContactNumber], ctx: &ConvertContext) -> wire::Called {
    if numbers.is_empty() {
        return wire::Called::Absent;
    }
    let item = |number: &ContactNumber| wire::CalledNo {
        called_no: ctx.numbers.format(&number.number),
        delay_time: number.delay_ms.map(|ms| whole_seconds(ms).to_string()),
        kind: number.category.clone(),
        ..wire::CalledNo::default()
    };
    wire::Called::Many(numbers.iter().map(item).collect())
}

fn session_id_problem(text: &str) -> Option<&'static str> {
    if text.chars().count() > SESSION_ID_MAX_CHARS {
        Some("CC-iSales allows 32 characters in a sessionId")
    } else if text.chars().any(char::is_control) {
        Some("CC-iSales takes no control characters in a sessionId")
    } else {
        None
    }
}

fn custom_field_problem(text: &str) -> Option<&'static str> {
    if text.chars().count() > CUSTOM_FIELD_MAX_CHARS {
        Some("CC-iSales allows 200 characters in a customField")
    } else if text.contains(|c| CUSTOM_FIELD_FORBIDDEN.contains(c)) {
        Some("CC-iSales refuses punctuation in a customField")
    } else {
        None
    }
}

fn call_data_problem(text: &str) -> Option<&'static str> {
    let is_long = text.chars().count() > CALL_DATA_MAX_CHARS;
    is_long.then_some("CC-iSales allows 1024 characters of callData")
}
