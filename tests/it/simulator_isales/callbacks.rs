//! Callbacks (reference 6): shape, immediate repeat, every ten minutes, limit, switches.

use super::*;

const TEN_MINUTES_S: u64 = 600;

/// A campaign with one number whose first call succeeds, and a receiver for its callbacks.
async fn story(answers: &[(u16, &'static str)], switches: Value) -> (Sim, Receiver, i64) {
    let receiver = Receiver::start(answers);
    let sim = Sim::virtual_clock().await;
    sim.switch(switches).await;
    let document = with(always("callbacks"), json!({ "callBackUrl": receiver.url }));
    let campaign = sim.create(document).await;
    let record = json!([{
        "sessionId": "s1", "customField": "north", "called": [{ "calledNo": "130000001" }],
    }]);
    sim.force("0001", &["00000"]).await;
    sim.add(campaign, record).await;
    // Rings for 5 s, talks for 10 s.
    sim.advance_s(15).await;
    (sim, receiver, campaign)
}

#[tokio::test]
async fn a_result_is_pushed_as_a_bare_array() {
    let (sim, receiver, campaign) = story(&[], json!({})).await;
    let body = receiver.has(1).await.remove(0);
    let pushed: Value = serde_json::from_str(&body).unwrap();
    let sample = fixture("callback.campaign-3.json");
    let names = |row: &Value| {
        row.as_object().unwrap().keys().filter(|name| *name != "customField").cloned().collect()
    };
    let (got, wanted): (Vec<String>, Vec<String>) = (names(&pushed[0]), names(&sample[0]));
    assert_eq!(got, wanted);
    assert_eq!(pushed[0]["customField"], "north");
    assert_eq!(pushed[0]["campaignId"], campaign.to_string());
    assert_eq!((&pushed[0]["callStatus"], &pushed[0]["failCode"]), (&json!(6), &json!("00000")));
    until(|| sim.running.journal.events().len() == 1).await;
    let event = sim.running.journal.events().remove(0);
    assert!(event.delivered && event.attempts == 1);
    assert_eq!(event.subject, pushed[0]["callId"].as_str().unwrap());
}

#[tokio::test]
async fn a_failed_push_is_repeated_at_once_then_every_ten_minutes_until_the_limit() {
    let (sim, receiver, _) = story(&[(503, ""); 12], json!({})).await;
    for push in 1..=6_usize {
        let bodies = receiver.has(2 * push).await;
        assert_eq!(bodies.len(), 2 * push);
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        if push < 6 {
            sim.advance_s(TEN_MINUTES_S - 1).await;
            assert_eq!(receiver.bodies().len(), 2 * push, "not before ten minutes");
            sim.advance_s(1).await;
        }
    }
    until(|| sim.running.journal.events().len() == 1).await;
    let event = sim.running.journal.events().remove(0);
    assert_eq!((event.delivered, event.attempts, event.status), (false, 12, Some(503)));
    sim.advance_s(10 * TEN_MINUTES_S).await;
    assert_eq!(receiver.bodies().len(), 12);
    assert_eq!(sim.running.journal.to_json()["totals"]["events_given_up"], 1);
}

#[tokio::test]
async fn the_limit_can_be_two_with_repeats_counted() {
    let switches = json!({ "push_limit": 2, "repeat_counts": true });
    let (sim, receiver, _) = story(&[(204, ""); 4], switches).await;
    receiver.has(2).await;
    until(|| sim.running.journal.events().len() == 1).await;
    assert_eq!(sim.running.journal.events()[0].attempts, 2);
    sim.advance_s(TEN_MINUTES_S * 3).await;
    assert_eq!(receiver.bodies().len(), 2);
}

#[tokio::test]
async fn the_immediate_repeat_may_succeed() {
    let (sim, receiver, _) = story(&[(500, "")], json!({})).await;
    receiver.has(2).await;
    until(|| sim.running.journal.events().len() == 1).await;
    assert!(sim.running.journal.events()[0].delivered);
}

#[tokio::test]
async fn another_ret_code_is_final_or_retried() {
    const REFUSED: (u16, &str) = (200, r#"{"retCode":"1","retMsg":"no"}"#);
    let (sim, receiver, _) = story(&[REFUSED], json!({})).await;
    receiver.has(1).await;
    until(|| sim.running.journal.events().len() == 1).await;
    assert_eq!(sim.running.journal.events()[0].kind, "callback refused by retCode");
    let (_sim, receiver, _) = story(&[REFUSED], json!({ "retry_on_ret_code": true })).await;
    assert_eq!(receiver.has(2).await.len(), 2);
}

#[tokio::test]
async fn every_attempt_or_only_the_final_one() {
    for (switches, pushes) in [(json!({}), 2), (json!({ "final_only_pushes": true }), 1)] {
        let receiver = Receiver::start(&[]);
        let sim = Sim::virtual_clock().await;
        sim.switch(switches).await;
        sim.force("01", &["00603"]).await;
        sim.force("02", &["00000"]).await;
        let document = with(always("attempts"), json!({ "callBackUrl": receiver.url }));
        let campaign = sim.create(document).await;
        let called = json!([{ "calledNo": "13001" }, { "calledNo": "13002" }]);
        sim.add(campaign, json!([{ "called": called }])).await;
        sim.advance_s(120).await;
        let bodies = receiver.has(pushes).await;
        assert_eq!(bodies.len(), pushes);
        let last: Value = serde_json::from_str(bodies.last().unwrap()).unwrap();
        assert_eq!(last[0]["called"], "13002");
    }
}

#[tokio::test]
async fn a_push_may_hold_several_rows() {
    let receiver = Receiver::start(&[]);
    let sim = Sim::virtual_clock().await;
    sim.switch(json!({ "push_batch_size": 2 })).await;
    sim.force("", &["00000"]).await;
    let document = with(always("batched"), json!({ "callBackUrl": receiver.url }));
    let campaign = sim.create(document).await;
    sim.add(campaign, numbers(&["13001", "13002", "13003"])).await;
    sim.advance_s(60).await;
    let bodies = receiver.has(2).await;
    let rows: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let mut sizes: Vec<usize> = rows.iter().map(|row| row.as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2], "two at once, the third when its wait is over");
}

#[tokio::test]
async fn an_address_off_the_allow_list_gets_nothing_or_is_refused() {
    let switches = json!({ "callback_allow_list": ["https://allowed.example/"] });
    let (sim, receiver, _) = story(&[], switches).await;
    until(|| sim.running.journal.events().len() == 1).await;
    assert_eq!(sim.running.journal.events()[0].kind, "callback not on the allow-list");
    assert!(receiver.bodies().is_empty());
    sim.switch(json!({ "refuse_unlisted_callback": true })).await;
    let document = with(always("refused"), json!({ "callBackUrl": receiver.url }));
    let answer = sim.call("POST", "v2/openapi/campaigns/11", document).await;
    assert_eq!(answer["resultCode"], "02000007");
    assert!(answer["resultDesc"].as_str().unwrap().starts_with("callBackUrl"), "{answer}");
}

#[tokio::test]
async fn faults_duplicate_a_push() {
    let receiver = Receiver::start(&[]);
    let sim = Sim::virtual_with(|options| options.faults = "duplicate".parse().unwrap()).await;
    sim.force("1", &["00000"]).await;
    let document = with(always("twice"), json!({ "callBackUrl": receiver.url }));
    let campaign = sim.create(document).await;
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(60).await;
    let bodies = receiver.has(2).await;
    assert_eq!(bodies[0], bodies[1]);
}
