//! The VoIPBin simulator, and what both simulators share.

use dialbridge::simulators::faults::{Faults, Gate, RequestPlan};

#[test]
fn the_same_seed_gives_the_same_faults() {
    let faults: Faults = "5xx@0.3,drop@0.2,delay=10ms..50ms@0.5,lost-answer@0.5".parse().unwrap();
    let draw = |seed| -> Vec<RequestPlan> {
        let gate = Gate::new(faults.clone(), seed);
        (0..200).map(|number| gate.plan_request(number % 2 == 0)).collect()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn a_mistake_in_the_faults_is_one_clear_line() {
    for (text, expected) in [
        ("nonsense", "fault `nonsense`: is unknown; known are delay, 5xx"),
        ("5xx@2", "fault `5xx@2`: `@2` is not a probability between 0 and 1"),
        ("delay=200ms..50ms", "fault `delay=200ms..50ms`: `200ms..50ms` is not a range"),
        ("drop, skew=later", "fault `skew=later`: `later` is not a duration such as 30s"),
        ("401#x", "fault `401#x`: `#x` is not a count"),
    ] {
        let error = text.parse::<Faults>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn a_fault_with_a_count_stops_after_it() {
    let gate = Gate::new("401#2".parse().unwrap(), 1);
    let hits = (0..10).filter(|_| gate.plan_request(false).trouble.is_some()).count();
    assert_eq!(hits, 2);
}
