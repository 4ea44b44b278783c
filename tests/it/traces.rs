//! A number is found however it is written and wherever it is packed; dates, times, ids and other numbers
//! are not taken for it.

use dialbridge::domain::phone::{NumberPlan, PhoneNumber};
use dialbridge::domain::traces::{Setting, Trace};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

const TOKEN: &str = "erased-0123456789abcdef";
const CHINA: &str = "+8613155577799";

fn plan(region: &str, trunk: &str) -> NumberPlan {
    NumberPlan {
        region: Some(region.to_owned()),
        trunk_prefix: trunk.to_owned(),
        international_prefix: "00".to_owned(),
    }
}

fn masked_in(number: &str, region: Option<&str>, text: &str, is_number: bool) -> Option<String> {
    let plan = region.map(|region| plan(region, if region == "CN" { "0" } else { "" }));
    let plans: Vec<NumberPlan> = plan.clone().into_iter().collect();
    let trace = Trace::of(&PhoneNumber::from_e164(number).unwrap(), &plans).unwrap();
    trace.masked(text, TOKEN, Setting { plan: plan.as_ref(), is_number })
}

fn masked(number: &str, text: &str) -> Option<String> {
    masked_in(number, None, text, false)
}

#[test]
fn a_number_is_found_however_it_is_written() {
    for text in [
        "+8613155577799",
        "8613155577799",
        "008613155577799",
        "0118613155577799",
        "013155577799",
        "13155577799",
        "131 5557 7799",
        "(0131) 5557-7799",
        "131.5557.7799",
        "131/5557/7799",
        "131_5557_7799",
        "131·5557・7799",
        "131–5557–7799",
        "131—5557‑7799",
        "131−5557ー7799",
        "131\u{3000}5557\u{2007}7799",
        "+86 (0)131 5557 7799",
        "+86 131\u{a0}5557\u{202f}7799",
        "\u{202a}+86\u{200e}131\u{200b}55577799",
        "1\u{ad}3155577799",
        "１３１５５５７７７９９",
        "＋８６（１３１）５５５７－７７９９",
        "١٣١٥٥٥٧٧٧٩٩",
        "𝟭𝟯𝟭𝟱𝟱𝟱𝟳𝟳𝟳𝟵𝟵",
        "१३१५५५७७७९९",
        "86+131+5557+7799",
        "131\t5557\t7799",
        "131\r\n5557,7799",
        "131|5557:7799",
        "131 * 5557 # 7799",
        "13;155;577;799",
        "13:155:577:799",
        "13~15=55,77;79=9",
    ] {
        assert_eq!(
            masked(CHINA, text).as_deref().map(|m| m.trim_matches('\u{202a}')),
            Some(TOKEN),
            "{text}"
        );
        for (before, behind) in [
            ("call ", ", or mail"),
            ("请拨打", "联系"),
            ("tel:", ";ext=7"),
            ("(", ")"),
            ("2026-11-30 08:00:00 ", " 3 times"),
            ("/rec/20261130/", "_20261130080000.wav"),
            ("", " 13166677788"),
            ("13166677788/", ""),
        ] {
            let within = masked(CHINA, &format!("{before}{text}{behind}")).unwrap_or_default();
            let expected = format!("{before}{TOKEN}{behind}");
            assert!(
                within == expected
                    || within.replace('\u{202a}', "") == expected
                    || before == "(" && within.contains(TOKEN) && within.ends_with(behind),
                "{before}{text}{behind}: {within}"
            );
        }
    }
}

#[test]
fn what_only_contains_the_digits_stays() {
    for text in [
        "",
        "13155577798",
        "131555777990",
        "913155577799",
        "1315557 and 7799",
        "131-5557----7799",
        "+13155577799",
        "00113155577799x9a",
        "1644464743-13155577799",
        "13155577799-1644464743",
        "A1B13155577799",
        "1315557a7799",
        "131\"5557\"7799",
        r#"{"x":[131, 5557, 7799]}"#,
        "131,5557,77990",
        "13:15:55.577799",
        "deadbeef13155577799",
        "13155577799f03bc",
        "0.13155577799",
        "13155577799.5",
        "00000000-0000-4000-8000-013155577799",
        "13155577-7990-4000-8000-000000000000",
        "+86 131 5557 77990",
        "2026-11-30T13:15:55.577799Z",
        r#"{"callId":"13155577799","campaignId":13155577799,"tm_create":13155577799}"#,
    ] {
        assert_eq!(masked(CHINA, text), None, "{text}");
    }
}

/// What is dialled before a number may be a value of its own, and what ends an escape is no digit.
#[test]
fn what_stands_beside_a_number_is_left_as_it_is() {
    for (text, expected) in [
        ("86,13155577799,7", "86,erased-0123456789abcdef,7"),
        ("+86:131:5557:7799", "+86:erased-0123456789abcdef"),
        ("44,13155577799", "44,erased-0123456789abcdef"),
        (r#"{"x":[86,13155577799]}"#, r#"{"x":[86,"erased-0123456789abcdef"]}"#),
        ("tel13155577799", "telerased-0123456789abcdef"),
        ("a13155577799x", "aerased-0123456789abcdefx"),
        ("13155577799x12", "erased-0123456789abcdefx12"),
        (r#""\u00e913155577799""#, r#""\u00e9erased-0123456789abcdef""#),
        (r#""\t131\t5557\t7799""#, r#""\terased-0123456789abcdef""#),
        ("n=%e4%bd%a013155577799", "n=%e4%bd%a0erased-0123456789abcdef"),
        ("131%095557%0A7799", "erased-0123456789abcdef"),
    ] {
        assert_eq!(masked(CHINA, text).as_deref(), Some(expected), "{text}");
    }
    // The last digit of the escape is none of a number's.
    assert_eq!(
        masked("+78005553535", r#""\uabc88005553535""#),
        Some(r#""\uabc8erased-0123456789abcdef""#.to_owned())
    );
}

/// Eight digits that read as a day.
#[test]
fn a_number_that_reads_as_a_date_is_one_where_it_is_said() {
    let number = "+85220261130";
    for text in [
        "20261130",
        "on 2026-11-30",
        "2026/11/30 08:00",
        "2026.11.30",
        "2026–11–30",
        "order 20261130-7",
        "ORD-20261130-0001",
        "20261130080000",
        "2026113008",
        "1644464743-20261130",
        "+86 131 2026 1130",
        "0086 131 2026 1130",
        "8613120261130",
        r#"{"day":20261130,"callTimeStr":"2026-11-30 08:00:00"}"#,
        r#"{"callTime":"20261130"}"#,
        "day=20261130&x=1",
    ] {
        assert_eq!(masked(number, text), None, "{text}");
    }
    assert_eq!(masked_in(number, Some("CN"), "131 2026 1130", false), None);
    for (text, expected) in [
        ("2026 1130", TOKEN),
        ("2026-1130", TOKEN),
        ("+852 2026 1130", TOKEN),
        ("00852-2026-1130", TOKEN),
        ("85220261130", TOKEN),
        ("call 2026 1130 now", "call erased-0123456789abcdef now"),
        (r#"{"called":"20261130"}"#, r#"{"called":"erased-0123456789abcdef"}"#),
        (r#"{"called": 20261130}"#, r#"{"called": "erased-0123456789abcdef"}"#),
        ("called=20261130&day=20261130", "called=erased-0123456789abcdef&day=20261130"),
        ("<called>20261130</called>", "<called>erased-0123456789abcdef</called>"),
    ] {
        assert_eq!(masked(number, text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(masked_in(number, None, "20261130", true).as_deref(), Some(TOKEN));
}

/// Where numbers of another country are written, the same digits are somebody else's.
#[test]
fn national_digits_are_read_as_the_account_writes_them() {
    let american = "+13155577799";
    assert_eq!(masked_in(CHINA, Some("US"), "3155577799", true), None);
    assert_eq!(masked_in(american, Some("US"), "(315) 557-7799", false).as_deref(), Some(TOKEN));
    assert_eq!(masked_in(american, Some("US"), "13155577799", false).as_deref(), Some(TOKEN));
    assert_eq!(masked_in(american, Some("CN"), "13155577799", false), None, "a Chinese mobile");
    assert_eq!(masked_in(CHINA, Some("CN"), "13155577799", true).as_deref(), Some(TOKEN));
    assert_eq!(masked("+78005553535", "8 (800) 555-35-35").as_deref(), Some(TOKEN));
    assert_eq!(masked("+390236618300", "02 3661 8300").as_deref(), Some(TOKEN));
}

#[test]
fn numbers_of_json_are_found_and_it_stays_json() {
    for (text, expected) in [
        (r#"{"x":13155577799}"#, r#"{"x":"erased-0123456789abcdef"}"#),
        (r#"{"x": 1.3155577799e10 , "y":1}"#, r#"{"x": "erased-0123456789abcdef" , "y":1}"#),
        (r#"{"x":13155577799.0}"#, r#"{"x":"erased-0123456789abcdef"}"#),
        (r#"{"x":[1,13155577799]}"#, r#"{"x":[1,"erased-0123456789abcdef"]}"#),
        (r#"{"13155577799":1}"#, r#"{"erased-0123456789abcdef":1}"#),
        (r#"{"x":[null,13155577799]}"#, r#"{"x":[null,"erased-0123456789abcdef"]}"#),
        (r"[false, 13155577799, 2]", r#"[false, "erased-0123456789abcdef", 2]"#),
        (r"[1,true,13155577799,null]", r#"[1,true,"erased-0123456789abcdef",null]"#),
        (r#"[[],{"a":1},null,1.3155577799e10]"#, r#"[[],{"a":1},null,"erased-0123456789abcdef"]"#),
        (r#"{"x":"[13155577799]"}"#, r#"{"x":"[erased-0123456789abcdef]"}"#),
        (r#"{"x":"a\n[13155577799, b]"}"#, r#"{"x":"a\n[erased-0123456789abcdef, b]"}"#),
        (r#"{"x":"is, null, 13155577799, b"}"#, r#"{"x":"is, null, erased-0123456789abcdef, b"}"#),
        (
            r#"{"x":"{\"y\":[null,13155577799]}"}"#,
            r#"{"x":"{\"y\":[null,\"erased-0123456789abcdef\"]}"}"#,
        ),
    ] {
        let masked = masked(CHINA, text).unwrap_or_default();
        assert_eq!(masked, expected);
        serde_json::from_str::<Value>(&masked).unwrap();
    }
    assert_eq!(masked(CHINA, "[null,131,5557,7799]"), None, "values of their own");
    assert_eq!(masked(CHINA, r#"{"x":-13155577799}"#), None);
}

/// Everything that is kept is read, also what somebody sends to keep the reader busy: the time for it grows
/// with its length, or this never ends.
#[test]
fn long_texts_cost_no_more_than_their_length() {
    let number = "13155577799";
    for (text, count) in [
        (format!("[{}1]", format!("{number},").repeat(20_000)), 20_000),
        (format!("[{}null,{}1]", " ".repeat(200_000), format!("{number},").repeat(20_000)), 20_000),
        (format!("{number}+").repeat(20_000), 20_000),
        (format!("{number} ").repeat(20_000), 20_000),
        (format!("{number}-").repeat(20_000), 0),
        (format!("{number},").repeat(20_000), 20_000),
        (format!("{number}a").repeat(20_000), 0),
        ("11:".repeat(70_000), 0),
        ("1 ".repeat(200_000), 0),
        ("e".repeat(200_000), 0),
        ("1e".repeat(100_000), 0),
        ("\\".repeat(200_000), 0),
        ("%25".repeat(70_000), 0),
        ("&amp;".repeat(40_000), 0),
        (format!("1{}", "\u{200b}".repeat(70_000)).repeat(2), 0),
    ] {
        let masked = masked(CHINA, &text).unwrap_or_default();
        assert_eq!(masked.matches(TOKEN).count(), count, "{}", &text[..20]);
    }
}

/// How a person may write it: groups, what stands between them, what stands before.
fn spelling() -> impl Strategy<Value = String> {
    let gap = prop::sample::select(vec![
        "", " ", "-", ".", "/", "_", "\u{a0}", "\u{2013}", "\u{2011}", "\u{3000}", "\u{b7}",
        "\u{200b}", ") ", " - ", "\u{2212}",
    ]);
    let prefix =
        prop::sample::select(vec!["", "+86", "+86 ", "0086", "0", "86 ", "(0)", "+86 (0)"]);
    let wide = any::<bool>();
    (prefix, gap, wide).prop_map(|(prefix, gap, wide)| {
        let text = format!("{prefix}131{gap}5557{gap}7799");
        let widen = |c: char| match c {
            '0'..='9' => char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap(),
            _ => c,
        };
        if wide { text.chars().map(widen).collect() } else { text }
    })
}

/// Up to three characters that the rule lets stand between two digits.
fn separators() -> impl Strategy<Value = String> {
    let is_one = |c: &char| {
        !c.is_alphanumeric()
            && !matches!(c, '"' | '[' | ']' | '{' | '}' | '+' | '\u{ff0b}')
            && (!c.is_control() || matches!(c, '\t' | '\r' | '\n'))
    };
    let common =
        prop::sample::select("\t\r\n ,|:*#;~=.-/_()\\%&'<>@!?\u{a0}–".chars().collect::<Vec<_>>());
    let any_one = any::<char>().prop_filter("a separator", is_one);
    prop::collection::vec(prop_oneof![common, any_one], 1..=3)
        .prop_map(|characters| characters.into_iter().collect::<String>())
        // With the digits behind it that would be an escape, which is what it stands for.
        .prop_filter("no beginning of an escape", |gap| !gap.ends_with('%') && !gap.ends_with("&#"))
}

/// Every character by its number.
fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
    format!("\"{}\"", units.collect::<String>())
}

fn entities(text: &str) -> String {
    text.chars().fold(String::new(), |made, c| made + &format!("&#x{:x};", u32::from(c)))
}

/// What a text may be packed in.
fn packed(way: usize, text: &str) -> String {
    let url = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match way {
        0 => text.to_owned(),
        1 => json!({"note": text}).to_string(),
        2 => format!(r#"{{"note":{}}}"#, escaped(text)),
        3 => json!({"data": json!({"note": text}).to_string()}).to_string(),
        4 => json!({"data": format!(r#"{{"note":{}}}"#, escaped(text))}).to_string(),
        5 => format!("https://example.com/?note={}&n=1", url(text)),
        6 => json!({"url": format!("https://example.com/?note={}", url(text))}).to_string(),
        7 => format!("<p>{}</p>", entities(text)),
        8 => json!({"html": format!("<p>{}</p>", entities(text))}).to_string(),
        9 => format!("x={}", url(&json!({"note": text}).to_string())),
        _ => json!({"a": [json!({"b": json!([text]).to_string()}).to_string()]}).to_string(),
    }
}

const WAYS: usize = 11;

fn other() -> impl Strategy<Value = String> {
    let date = (2000..2100_u32, 1..13_u32, 1..29_u32).prop_map(|(y, m, d)| (y, m, d));
    prop_oneof![
        date.clone().prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}T08:15:55.577799Z")),
        date.clone().prop_map(|(y, m, d)| format!("{y}{m:02}{d:02}")),
        date.prop_map(|(y, m, d)| format!("{d:02}.{m:02}.{y}")),
        any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string()),
        (0_u64..1_000_000_000_000)
            .prop_map(|node| format!("{}-{node:012}", "a0000000-0000-4000-8000")),
        "[0-9a-f]{5}13155577799[0-9a-f]{5}".prop_map(|hash| format!("f{hash}f")),
        "1[5-8][0-9]{8}-13155577799".prop_map(|id| id),
        // Of those that begin with 19 some read as a date of the last century, and what is beyond a date
        // is a number of its own.
        "19[2-9][0-9][2-9][0-9]{5}-13155577799".prop_map(|id| id),
        "[1-9][0-9]{0,5}13155577799".prop_filter("the number with its country's code", |id| {
            !matches!(id.trim_end_matches("13155577799"), "86" | "860" | "81086" | "810860")
        }),
        "13155577799[0-9]{1,6}".prop_map(|id| id),
        "[+]4420[2-9][0-9]{7}".prop_map(|number| number),
        Just("00000000-0000-4000-8000-013155577799".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_number_is_gone_whatever_it_is_packed_in(spelling in spelling(), way in 0..WAYS) {
        let text = packed(way, &format!("call {spelling} at 2026-11-30"));
        let masked = masked(CHINA, &text);
        prop_assert!(masked.is_some(), "{text}");
        let masked = masked.unwrap();
        prop_assert_eq!(masked.matches(TOKEN).count(), 1, "{}", masked);
        // Nothing else has changed.
        prop_assert!(masked.contains("11") || way != 0, "{}", masked);
        if text.starts_with('{') {
            prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{}", masked);
        }
    }

    #[test]
    fn separators_and_letters_hide_no_number(
        gaps in (separators(), separators()),
        (before, behind) in ("[a-zA-Z]{0,2}", "[a-zA-Z]{0,2}"),
        way in 0..WAYS,
    ) {
        let number = format!("131{}5557{}7799", gaps.0, gaps.1);
        let text = packed(way, &format!("call {before}{number}{behind} now"));
        let masked = masked(CHINA, &text);
        let expected = packed(way, &format!("call {before}{TOKEN}{behind} now"));
        if matches!(way, 0 | 1 | 3) {
            prop_assert_eq!(masked.as_deref(), Some(expected.as_str()), "{}", text);
        }
        let masked = masked.unwrap_or_default();
        prop_assert_eq!(masked.matches(TOKEN).count(), 1, "{}", text);
        if text.starts_with('{') {
            prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{}", masked);
        }
    }

    #[test]
    fn a_longer_or_shorter_number_stays_whatever_parts_it(
        gaps in (separators(), separators()),
        (first, last) in prop::sample::select(vec![
            ("131", "77990"), ("131", "779"), ("1310", "7799"), ("13", "7799"), ("9131", "7799"),
        ]),
        way in 0..WAYS,
    ) {
        let text = packed(way, &format!("call {first}{}5557{}{last} now", gaps.0, gaps.1));
        prop_assert_eq!(masked(CHINA, &text), None, "{}", text);
    }

    #[test]
    fn what_is_not_the_number_stays(other in other(), way in 0..WAYS) {
        let text = packed(way, &other);
        prop_assert_eq!(masked(CHINA, &text), None, "{}", text);
    }

    #[test]
    fn nothing_is_a_panic(text in "(\\\\|%|&#?|;|[0-9]|u|\"|\\+|-|[^a-z]|131|5557|7799){0,60}") {
        masked(CHINA, &text);
    }
}
