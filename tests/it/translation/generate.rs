//! Documents made from the tables: every field may be there, with any of its values, or not.

use dialbridge::mapping::table::{DefaultValue, FieldRow, Holds, Kind, Table};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// A document of the table's platform and kind; with its parts, where it has parts.
pub fn document(table: &Table, random: &mut StdRng) -> Value {
    let mut document = Value::Object(Map::new());
    let variants = Variants::choose(random);
    for row in &table.fields {
        if is_inside(table, row) && variants.allow(&row.path) && random.random_bool(0.7) {
            place(&mut document, &row.path, row, table, random);
        }
    }
    // What makes a document one, and a member that nobody knows.
    for row in table.fields.iter().filter(|row| row.path == required(table)) {
        place(&mut document, &row.path, row, table, random);
    }
    if random.random_bool(0.3) {
        document["novelty"] = json!({"deep": [1, 2], "id": 7});
    }
    document
}

/// A valid value of a field, never empty.
pub fn value(table: &Table, row: &FieldRow, random: &mut StdRng) -> Value {
    let name = row.path.rsplit(['.', ']']).next().unwrap_or_default();
    let domain = row.domain.as_deref().unwrap_or_default();
    if let Some(set) = row.codes.as_ref().and_then(|set| table.set(set)) {
        let natives: Vec<&str> =
            set.codes.iter().map(|code| code.native.as_str()).filter(|n| !n.is_empty()).collect();
        if !natives.is_empty() {
            let native = natives[random.random_range(0..natives.len())];
            return typed(row, native);
        }
    }
    if domain.ends_with(".number") || matches!(domain, "called" | "caller") {
        return phone(table, random).into();
    }
    if domain == "dialed_at" {
        return moment(table, random).into();
    }
    if domain == "numbers[].delay_ms" {
        return random.random_range(0..3).to_string().into();
    }
    match (row.holds, name) {
        (Holds::Number | Holds::Integer, _) => integer(row, domain, random).into(),
        (Holds::Text | Holds::String, _) if domain == "answering.group" => "5".into(),
        _ if domain == "name" || domain == "description" => text(table, random).into(),
        _ if row.examples.is_empty() => text(table, random).into(),
        _ => match &row.examples[random.random_range(0..row.examples.len())] {
            DefaultValue::Integer(number) => (*number).into(),
            DefaultValue::Text(text) if text.is_empty() => "x".into(),
            DefaultValue::Text(text) => text.clone().into(),
        },
    }
}

/// Which of the shapes that exclude each other a document has.
struct Variants {
    is_list: bool,
    is_real_json: bool,
    is_min: bool,
}

impl Variants {
    fn choose(random: &mut StdRng) -> Self {
        Self {
            is_list: random.random_bool(0.5),
            is_real_json: random.random_bool(0.2),
            is_min: random.random_bool(0.5),
        }
    }

    fn allow(&self, path: &str) -> bool {
        match path {
            "callerNo" | "called" => !self.is_list,
            _ if path.starts_with("callerNo[") || path.starts_with("called[") => self.is_list,
            "retryPolicy.resultRetry"
            | "retryPolicy.policyJson"
            | "retryPolicy.busiPolicy"
            | "callPolicy.turns" => !self.is_real_json,
            _ if path.contains("resultRetry[") || path.contains("busiPolicy[") => self.is_real_json,
            _ if path.contains("turns[") => self.is_real_json,
            _ if path.contains("policyJson[]") => self.is_real_json && !path.contains("policy."),
            _ if path.ends_with("minAvgCallTime") => self.is_min,
            _ if path.ends_with("mimAvgCallTime") => !self.is_min,
            _ if path.ends_with("option.*") => true,
            _ => !path.ends_with('*'),
        }
    }
}

fn required(table: &Table) -> &'static str {
    match (table.platform.as_str(), table.kind) {
        ("voipbin", Some(Kind::Campaign)) => "campaign.name",
        ("voipbin", Some(Kind::Call)) => "campaigncall.status",
        (_, Some(Kind::Call)) => "callStatus",
        ("voipbin", _) | (_, Some(Kind::Campaign)) => "name",
        _ => "sessionId",
    }
}

/// Members of the answer around documents, and of objects that their members say, are left out.
fn is_inside(table: &Table, row: &FieldRow) -> bool {
    const AROUND: [&str; 16] = [
        "resultCode",
        "resultDesc",
        "returnCode",
        "returnDesc",
        "returnObject",
        "data",
        "curPage",
        "totalSize",
        "rowsPerPage",
        "curSkillQueueCount",
        "curIvrCount",
        "totalCount",
        "callDataList",
        "result",
        "next_page_token",
        "",
    ];
    let is_around = AROUND.contains(&row.path.as_str())
        && !(table.platform == "voipbin"
            && row.path == "data"
            && table.kind == Some(Kind::Contact));
    !is_around && !matches!(row.holds, Holds::Object | Holds::List)
}

fn place(document: &mut Value, path: &str, row: &FieldRow, table: &Table, random: &mut StdRng) {
    let value = match random.random_range(0..20) {
        0 => Value::Null,
        1 if row.holds != Holds::Number => "".into(),
        _ => value(table, row, random),
    };
    let value =
        if path.ends_with("called[].calledNo") && value.is_null() { "".into() } else { value };
    let mut node = document;
    let steps: Vec<&str> = path.split('.').collect();
    for (at, step) in steps.iter().enumerate() {
        let is_last = at + 1 == steps.len();
        let (name, is_list) = match step.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (*step, false),
        };
        let name = if name == "*" { "text" } else { name };
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        let Value::Object(members) = node else { return };
        if is_last && !is_list {
            members.insert(name.to_owned(), value);
            return;
        }
        let fresh = if is_list { json!([{}]) } else { json!({}) };
        let child = members.entry(name).or_insert(fresh);
        if is_list {
            if !child.is_array() {
                *child = json!([{}]);
            }
            let Value::Array(list) = child else { return };
            let length = list.len();
            if length < 7 && random.random_bool(0.2) {
                list.push(json!({}));
            }
            let element = random.random_range(0..list.len());
            node = &mut list[element];
        } else {
            node = child;
        }
    }
}

fn typed(row: &FieldRow, native: &str) -> Value {
    match (row.holds, native.parse::<i64>()) {
        (Holds::Integer | Holds::Number, Ok(number)) => number.into(),
        _ => native.into(),
    }
}

fn integer(row: &FieldRow, domain: &str, random: &mut StdRng) -> i64 {
    if random.random_bool(0.5)
        && let Some(DefaultValue::Integer(number)) =
            row.examples.get(random.random_range(0..row.examples.len().max(1)))
    {
        return *number;
    }
    let is_voipbin = row.holds == Holds::Number;
    match domain {
        "ring_timeout_ms" if is_voipbin => random.random_range(0..200_000),
        "ring_timeout_ms" => random.random_range(5..=119),
        "retry.interval_ms" if is_voipbin => random.random_range(0..2_000_000),
        "pacing.lines_per_agent_percent" => random.random_range(1..=100),
        _ => random.random_range(0..1000),
    }
}

fn phone(table: &Table, random: &mut StdRng) -> String {
    if random.random_bool(0.1) {
        return random.random_range(10_000..99_999).to_string();
    }
    let prefix = if table.platform == "voipbin" { "+" } else { "00" };
    format!("{prefix}86138{:08}", random.random_range(0..100_000_000))
}

fn moment(table: &Table, random: &mut StdRng) -> String {
    let second = random.random_range(0..60);
    let (month, day) = (random.random_range(1..=12), random.random_range(1..=28));
    let text = format!("2024-{month:02}-{day:02} 10:20:{second:02}");
    if table.platform == "voipbin" && random.random_bool(0.5) {
        return format!("{text}.{:06}", random.random_range(0..1_000_000));
    }
    text
}

/// CC-iSales refuses the last few.
fn text(table: &Table, random: &mut StdRng) -> String {
    const CHARS: [char; 12] = ['a', 'B', ' ', '7', 'ö', '十', '一', '-', '_', '.', ';', '"'];
    let allowed = if table.platform == "isales" { CHARS.len() - 2 } else { CHARS.len() };
    let length = random.random_range(1..40);
    (0..length).map(|_| CHARS[random.random_range(0..allowed)]).collect()
}
