//! Phone numbers in an account's own way of writing them.

use dialbridge::domain::phone::{NumberPlan, NumberProblem, PhoneNumber};

fn plan(region: Option<&str>) -> NumberPlan {
    NumberPlan {
        region: region.map(str::to_owned),
        trunk_prefix: "0".to_owned(),
        international_prefix: "00".to_owned(),
    }
}

#[test]
fn national_and_international_numbers_of_a_region() {
    let china = plan(Some("CN"));
    for (written, e164, rewritten) in [
        ("13800138000", "+8613800138000", "13800138000"),
        ("008613800138000", "+8613800138000", "13800138000"),
        ("+8613800138000", "+8613800138000", "13800138000"),
        ("01088889527", "+861088889527", "01088889527"),
        ("0015559876543", "+15559876543", "0015559876543"),
        ("00821021656521", "+821021656521", "00821021656521"),
    ] {
        let number = china.parse(written).expect(written);
        assert_eq!(number.reveal(), e164);
        assert_eq!(china.format(&number), rewritten);
        assert_eq!(china.parse(rewritten).expect(rewritten), number);
    }
}

#[test]
fn short_codes_and_nonsense_are_no_numbers() {
    let china = plan(Some("CN"));
    for text in ["10086", "60584", "", "*67", "12#", "+", "+12", "+1234567890123456", "a@b"] {
        assert_eq!(china.parse(text), Err(NumberProblem::NotANumber), "{text}");
    }
    assert_eq!(plan(None).parse("13800138000"), Err(NumberProblem::NeedsRegion));
    assert_eq!(plan(None).parse("10086"), Err(NumberProblem::NeedsRegion));
    assert!(plan(None).parse("008613800138000").is_ok());
}

#[test]
fn a_number_that_could_be_two_is_refused() {
    // Where the international prefix is also how numbers of the region begin.
    let odd = NumberPlan {
        region: Some("US".to_owned()),
        trunk_prefix: String::new(),
        international_prefix: "2".to_owned(),
    };
    assert_eq!(odd.parse("2125552368"), Err(NumberProblem::Ambiguous));
}

#[test]
fn numbers_never_print() {
    let number = PhoneNumber::new("+8613800138000");
    assert!(!format!("{number} {number:?}").contains("138"));
}

#[test]
fn unknown_regions_are_noticed() {
    assert!(plan(Some("CN")).has_known_region());
    assert!(!plan(Some("XX")).has_known_region());
    assert_eq!(plan(Some("XX")).parse("13800138000"), Err(NumberProblem::NeedsRegion));
}
