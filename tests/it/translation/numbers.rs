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

/// A national number may begin with its country's trunk prefix, or with a zero that belongs to it.
#[test]
fn a_trunk_prefix_is_not_taken_for_a_numbers_own_digit() {
    for (region, trunk, international, cases) in [
        (
            "RU",
            "8",
            "810",
            &[
                ("88005553535", "+78005553535"),
                ("8005553535", "+78005553535"),
                ("88112123456", "+78112123456"),
                ("84951234567", "+74951234567"),
                ("4951234567", "+74951234567"),
                ("89161234567", "+79161234567"),
                ("8108613800138000", "+8613800138000"),
            ][..],
        ),
        ("KZ", "8", "810", &[("87710009998", "+77710009998"), ("88000801234", "+78000801234")]),
        ("BY", "8", "810", &[("8291234567", "+375291234567")]),
        ("US", "1", "011", &[("12015550123", "+12015550123"), ("2015550123", "+12015550123")]),
        ("HU", "06", "00", &[("0612345678", "+3612345678"), ("06201234567", "+36201234567")]),
        ("IT", "", "00", &[("0612345678", "+390612345678"), ("3123456789", "+393123456789")]),
        ("SM", "", "00", &[("0549886377", "+3780549886377")]),
        ("CI", "", "00", &[("0123456789", "+2250123456789"), ("2123456789", "+2252123456789")]),
        ("HK", "", "001", &[("85261234567", ""), ("21234567", "+85221234567")]),
    ] {
        let plan = NumberPlan {
            region: Some(region.to_owned()),
            trunk_prefix: trunk.to_owned(),
            international_prefix: international.to_owned(),
        };
        for (written, e164) in cases {
            let Ok(number) = plan.parse(written) else {
                assert_eq!(*e164, "", "{region} {written}");
                continue;
            };
            assert_eq!(number.reveal(), *e164, "{region} {written}");
            let again = plan.format(&number);
            assert_eq!(plan.parse(&again).as_ref(), Ok(&number), "{region} {written} {again}");
            assert!(!again.starts_with('+'), "{region} {written} {again}");
        }
    }
}

#[test]
fn a_number_that_could_be_two_with_and_without_trunk_is_refused() {
    // Como's 031 …, or a mobile number behind a trunk prefix that Italy does not have.
    let odd = NumberPlan {
        region: Some("IT".to_owned()),
        trunk_prefix: "0".to_owned(),
        international_prefix: "00".to_owned(),
    };
    assert_eq!(odd.parse("03123456789"), Err(NumberProblem::Ambiguous));
    let number = PhoneNumber::from_e164("+393123456789").unwrap();
    assert_eq!(odd.parse(&odd.format(&number)), Ok(number));
}

#[test]
fn what_would_not_be_read_back_is_written_with_a_plus() {
    // The country code of another number is what this plan's own numbers begin with.
    let odd = NumberPlan {
        region: Some("US".to_owned()),
        trunk_prefix: String::new(),
        international_prefix: "2".to_owned(),
    };
    let number = PhoneNumber::from_e164("+125552368").unwrap();
    assert_eq!(odd.format(&number), "+125552368");
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
