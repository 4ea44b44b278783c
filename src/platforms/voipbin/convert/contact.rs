//! An outdialtarget ↔ contact.

use crate::domain::contact::{Contact, ContactNumber};
use crate::mapping::engine::{Finding, Outcome};
use crate::mapping::table::Kind;
use crate::platforms::voipbin::convert::{PLATFORM, address, filled, read_address};
use crate::platforms::voipbin::wire;
use crate::platforms::{ConvertContext, Converted};

const TRY_COUNTS: [&str; 5] =
    ["try_count_0", "try_count_1", "try_count_2", "try_count_3", "try_count_4"];
const NUMBERS: [&str; 5] = [
    "numbers[0].number",
    "numbers[1].number",
    "numbers[2].number",
    "numbers[3].number",
    "numbers[4].number",
];

/// What a target says.
pub fn contact_to_domain(target: &wire::Target, _ctx: &ConvertContext) -> Converted<Contact> {
    let mut findings = Vec::new();
    let slots = [
        &target.destination_0,
        &target.destination_1,
        &target.destination_2,
        &target.destination_3,
        &target.destination_4,
    ];
    let numbers = slots
        .into_iter()
        .zip(NUMBERS)
        .enumerate()
        .filter_map(|(place, (slot, at))| {
            let number = read_address(slot.as_ref(), || at.into(), &mut findings)?;
            Some(ContactNumber { number, place, category: None, delay_ms: None })
        })
        .collect();
    report_used_attempts(target, &mut findings);
    let contact = Contact {
        reference: filled(&target.name),
        label: filled(&target.detail),
        data: filled(&target.data),
        numbers,
    };
    Converted { value: contact, findings }
}

/// The target that says it; texts that VoIPBin refuses empty come from the table. The id is the
/// caller's to fill in.
pub fn contact_from_domain(contact: &Contact, ctx: &ConvertContext) -> Converted<wire::Target> {
    let table = ctx.tables.get(PLATFORM, Kind::Contact);
    let mut findings = Vec::new();
    for number in contact.numbers.iter().filter(|n| n.delay_ms.is_some_and(|ms| ms != 0)) {
        let at = format!("numbers[{}].delay_ms", number.place);
        let reason = "VoIPBin waits the same time before every try";
        findings.push(Finding::domain(at, Outcome::Dropped, reason).wide());
    }
    let text = |text: Option<&String>, path: &str| match text {
        Some(text) => text.clone(),
        None => table.default_text(path).unwrap_or_default().to_owned(),
    };
    let slot = |place: usize| {
        let number = contact.numbers.iter().find(|number| number.place == place);
        number.map(|number| address(&number.number))
    };
    let target = wire::Target {
        name: text(contact.reference.as_ref(), "name"),
        detail: text(contact.label.as_ref(), "detail"),
        data: text(contact.data.as_ref(), "data"),
        status: text(None, "status"),
        destination_0: slot(0),
        destination_1: slot(1),
        destination_2: slot(2),
        destination_3: slot(3),
        destination_4: slot(4),
        ..wire::Target::default()
    };
    Converted { value: target, findings }
}

fn report_used_attempts(target: &wire::Target, findings: &mut Vec<Finding>) {
    let counts = [
        target.try_count_0,
        target.try_count_1,
        target.try_count_2,
        target.try_count_3,
        target.try_count_4,
    ];
    for (at, _) in TRY_COUNTS.into_iter().zip(counts).filter(|(_, count)| *count != 0) {
        let reason = "attempts were used up; elsewhere counting begins again";
        findings.push(Finding::source(at, Outcome::Dropped, reason).wide());
    }
}
