//! The vendors' traps, one by one, and the samples of their pages.

use dialbridge::mapping::engine::Outcome::{
    Approximated, Converted, Dropped, Emulated, Mapped, Preserved,
};
use dialbridge::mapping::table::Kind;
use dialbridge::platforms::translation::TranslateError;
use serde_json::{Value, json};

use super::{
    CONFIGURED, FLOW, Isales, NEUTRAL, QUEUE, Voipbin, fixture, json, outcome, reason, translate,
    try_translate,
};

fn campaign(document: Value) -> super::Translation {
    translate(&NEUTRAL, Kind::Campaign, Isales, document)
}

#[test]
fn seconds_become_milliseconds_and_back() {
    let forward = campaign(json!({
        "name": "x", "maxAlertingTime": 20,
        "retryPolicy": {"policyType": 0, "retryDay": 1, "retryTimes": 3, "callInterval": 600},
    }));
    let outplan = &forward.value["outplan"];
    assert_eq!(outplan["dial_timeout"], 20_000);
    assert_eq!(outplan["try_interval"], 600_000);
    for slot in 0..5 {
        assert_eq!(outplan[format!("max_try_count_{slot}")], 3);
    }
    assert_eq!(outcome(&forward, "maxAlertingTime"), Converted);
    assert_eq!(outcome(&forward, "retryPolicy.callInterval"), Converted);
    assert_eq!(outcome(&forward, "retryPolicy.retryTimes"), Mapped);

    let back = translate(&NEUTRAL, Kind::Campaign, Voipbin, forward.value);
    assert_eq!(back.value["maxAlertingTime"], 20);
    assert_eq!(back.value["retryPolicy"]["callInterval"], 600);
    assert_eq!(back.value["retryPolicy"]["retryTimes"], 3);
}

#[test]
fn fractions_of_seconds_are_rounded_up_and_reported() {
    let bundle = |timeout: i64, interval: i64| {
        json!({
            "campaign": {"name": "x"},
            "outplan": {"dial_timeout": timeout, "try_interval": interval, "max_try_count_0": 1},
        })
    };
    for (timeout, seconds, expected) in [
        (30_000, 30, Converted),
        (30_001, 31, Approximated),
        (30_999, 31, Approximated),
        (120_001, 120, Approximated),
        (5000, 5, Converted),
        // Written in seconds by somebody who followed the other page, or not at all.
        (30, 60, Approximated),
        (0, 60, Approximated),
    ] {
        let t = translate(&NEUTRAL, Kind::Campaign, Voipbin, bundle(timeout, 60_500));
        assert_eq!(t.value["maxAlertingTime"], seconds, "{timeout}");
        assert_eq!(outcome(&t, "outplan.dial_timeout"), expected, "{timeout}");
        assert_eq!(t.value["retryPolicy"]["callInterval"], 61);
        assert_eq!(outcome(&t, "outplan.try_interval"), Approximated);
    }
}

#[test]
fn seed_detail_of_lizhan_test() {
    let t = campaign(fixture("isales/campaign-detail.lizhan_test.json"));
    assert_eq!(t.value["campaign"]["name"], "lizhan_test");
    assert_eq!(t.value["campaign"]["status"], "run");
    assert_eq!(t.value["outplan"]["dial_timeout"], 20_000);
    // 10086 is a hotline of one country, not a number that can be dialled from elsewhere.
    assert_eq!(t.value["outplan"]["source"], json!({}));
    let at = |name: &str| outcome(&t, &format!("returnObject.{name}"));
    assert_eq!(at("callerNo"), Dropped);
    assert_eq!(at("strBeginTime"), Dropped);
    assert_eq!(at("scheduleParam.workdayBeginTime1"), Dropped);
    assert_eq!(at("scheduleParam.workdayBeginTime3"), Preserved);
    assert_eq!(at("skillParam.skillId"), Dropped);
    assert!(reason(&t, "returnObject.skillParam.skillId").contains("binding"));
    assert_eq!(at("callBackUrl"), Emulated);
    assert_eq!(at("id"), Preserved);
    assert_eq!(outcome(&t, "resultCode"), Preserved);
    assert!(!t.fields.iter().any(|f| f.reason.contains("unknown to the tables")));
}

#[test]
fn seed_test_campaign_with_its_parts() {
    let bundle = fixture("voipbin/campaign-bundle.test-campaign.json");
    let t = translate(&NEUTRAL, Kind::Campaign, Voipbin, bundle);
    assert_eq!(t.value["name"], "test campaign");
    assert_eq!(t.value["status"], 3);
    assert_eq!(t.value["deviceType"], 2);
    assert_eq!(t.value["callerNo"], "00821021656521");
    assert_eq!(t.value["retryPolicy"]["retryTimes"], 5);
    assert_eq!(outcome(&t, "outplan.max_try_count_4"), Preserved);
    assert_eq!(outcome(&t, "campaign.end_handle"), Dropped);
    assert_eq!(outcome(&t, "campaign.actions[0].option.text"), Dropped);
    assert_eq!(outcome(&t, "campaign.actions[0].id"), Preserved);

    let alone = translate(
        &NEUTRAL,
        Kind::Campaign,
        Voipbin,
        fixture("voipbin/campaign.test-campaign.json"),
    );
    assert_eq!(outcome(&alone, "name"), Mapped);
    assert_eq!(alone.value["retryPolicy"], Value::Null);
}

#[test]
fn seed_result_rows_and_campaigncall() {
    let rows = fixture("isales/call-result.campaign-3.json");
    let t = translate(&NEUTRAL, Kind::Call, Isales, rows);
    assert_eq!(t.value.as_array().map(Vec::len), Some(2));
    assert_eq!(t.value[1]["status"], "done");
    assert_eq!(t.value[1]["result"], "success");
    assert_eq!(t.value[1]["tm_create"], "2020-08-30T20:05:00Z");
    assert_eq!(outcome(&t, "data[1].called"), Dropped);

    let call = fixture("voipbin/campaigncall.json");
    let t = translate(&NEUTRAL, Kind::Call, Voipbin, call);
    assert_eq!(t.value["callStatus"], 6);
    assert_eq!(t.value["failCode"], "00000");
    assert_eq!(t.value["called"], "00821021656521");
    assert_eq!(t.value["callTimeStr"], "2022-04-29 07:01:45");
    assert_eq!(outcome(&t, "tm_create"), Approximated);
}

#[test]
fn v2_create_sample() {
    let t = campaign(fixture("isales/campaign-create.v2.json"));
    for (field, expected) in [
        ("callerNo[0].accessCode", Dropped),
        ("callerNo[1].accessCode", Dropped),
        ("callerNo[0].priority", Preserved),
        ("priority", Dropped),
        ("skillParam.predictParam.predictMethod", Dropped),
        ("skillParam.predictParam.expPredictParam.minAvgCallTime", Dropped),
        ("retryPolicy.policyType", Dropped),
        // Single-quoted JSON in a text: one leaf.
        ("retryPolicy.policyJson", Dropped),
        ("callPolicy.callType", Dropped),
        ("callPolicy.turns[0].turnType", Dropped),
        ("scheduleParam.workdayBeginTime3", Preserved),
    ] {
        assert_eq!(outcome(&t, field), expected, "{field}");
    }
}

#[test]
fn caller_number_as_text_or_list() {
    let number = "008613800138000";
    let text = campaign(json!({"name": "x", "callerNo": number}));
    assert_eq!(text.value["outplan"]["source"], json!({"type": "tel", "target": "+8613800138000"}));
    assert_eq!(outcome(&text, "callerNo"), Converted);

    let list = campaign(json!({"name": "x", "callerNo": [
        {"accessCode": number, "priority": 3}, {"accessCode": "0015559876543", "priority": 1},
    ]}));
    assert_eq!(list.value["outplan"]["source"]["target"], "+8613800138000");
    assert_eq!(outcome(&list, "callerNo[0].accessCode"), Converted);
    assert_eq!(outcome(&list, "callerNo[1].accessCode"), Dropped);

    let numeric = campaign(json!({"name": "x", "callerNo": 10086}));
    assert_eq!(outcome(&numeric, "callerNo"), Dropped);
}

#[test]
fn both_spellings_of_the_shortest_call_time() {
    for spelling in ["minAvgCallTime", "mimAvgCallTime"] {
        let t = campaign(json!({"name": "x", "skillParam": {"predictParam": {
            "expPredictParam": {spelling: 50},
        }}}));
        let field = format!("skillParam.predictParam.expPredictParam.{spelling}");
        assert_eq!(outcome(&t, &field), Dropped);
        assert!(!reason(&t, &field).contains("unknown"));
    }
    campaign(json!({"name": "x", "skillParam": {"predictParam": {
        "expPredictParam": {"minAvgCallTime": 50, "mimAvgCallTime": 50},
    }}}));
}

#[test]
fn turns_as_list_or_text() {
    let list = json!({"name": "x", "callPolicy": {"callType": 1, "turns": [{"turnType": "SI"}]}});
    assert_eq!(outcome(&campaign(list), "callPolicy.turns[0].turnType"), Dropped);
    let text = json!({"name": "x", "callPolicy": {"callType": 0, "turns": "[{'turnType':'SI'}]"}});
    assert_eq!(outcome(&campaign(text.clone()), "callPolicy.turns"), Dropped);
    assert_eq!(outcome(&campaign(text), "callPolicy.callType"), Preserved);
}

#[test]
fn bare_dates_and_empty_slots() {
    let t = campaign(json!({
        "name": "x", "strBeginTime": "2018-12-01", "strEndTime": "2018-12-02 23:59:59",
        "scheduleParam": {"workdayBeginTime1": "", "workdayEndTime1": null, "holidayBeginTime1": "9"},
        "retryPolicy": {"retryDay": 2, "retryTimes": 1},
    }));
    assert_eq!(outcome(&t, "strBeginTime"), Dropped);
    assert_eq!(outcome(&t, "scheduleParam.workdayBeginTime1"), Preserved);
    assert_eq!(outcome(&t, "scheduleParam.workdayEndTime1"), Preserved);
    assert_eq!(outcome(&t, "scheduleParam.holidayBeginTime1"), Dropped);
    // Attempts of one day only: never more calls in a day than allowed.
    assert_eq!(outcome(&t, "retryPolicy.retryDay"), Dropped);
    assert_eq!(t.value["outplan"]["max_try_count_0"], 1);
}

#[test]
fn both_ways_to_write_success_and_unknown_codes() {
    let row = |code: &str, status: i64| {
        translate(&NEUTRAL, Kind::Call, Isales, json!({"callStatus": status, "failCode": code}))
    };
    for code in ["0", "00000"] {
        let t = row(code, 6);
        assert_eq!(t.value["result"], "success");
        assert_eq!(outcome(&t, "failCode"), Preserved);
    }
    let busy = row("00537", 5);
    assert_eq!(busy.value["result"], "fail");
    assert_eq!(outcome(&busy, "failCode"), Approximated);
    let unknown = row("99999", 5);
    assert_eq!(unknown.value["result"], "fail");
    assert_eq!(outcome(&unknown, "failCode"), Dropped);
    // The status decides, whatever the code says.
    assert_eq!(row("00537", 6).value["result"], "success");
    let strange = row("00537", 7);
    assert_eq!(strange.value["result"], "");
    assert_eq!(outcome(&strange, "callStatus"), Dropped);
}

#[test]
fn unknown_members_and_codes_are_kept_and_named() {
    let t = campaign(json!({"name": "x", "status": 9, "novelty": {"deep": [1, 2]}}));
    assert_eq!(outcome(&t, "novelty.deep"), Preserved);
    assert!(reason(&t, "novelty.deep").contains("unknown"));
    assert_eq!(outcome(&t, "status"), Dropped);
    assert_eq!(t.value["campaign"]["status"], "stop");
}

#[test]
fn identifiers_of_any_size() {
    for id in ["9223372036854775808", "18446744073709551617"] {
        let source = json(&format!(r#"{{"id": {id}, "name": "x"}}"#));
        let t = campaign(source.clone());
        assert_eq!(outcome(&t, "id"), Preserved);
        assert_eq!(t.preserved.source.to_string(), source.to_string());
        let back = translate(&NEUTRAL, Kind::Campaign, Voipbin, t.into_json());
        assert!(back.value.to_string().contains(id));
    }
}

#[test]
fn statuses() {
    for (native, term, expected) in
        [(2, "run", Mapped), (3, "stop", Mapped), (4, "stop", Approximated)]
    {
        let t = campaign(json!({"name": "x", "status": native}));
        assert_eq!(t.value["campaign"]["status"], term);
        assert_eq!(outcome(&t, "status"), expected, "{native}");
    }
    for (native, number, expected) in
        [("run", 2, Mapped), ("stop", 3, Mapped), ("stopping", 3, Approximated)]
    {
        let document = json!({"name": "x", "status": native});
        let t = translate(&NEUTRAL, Kind::Campaign, Voipbin, document);
        assert_eq!(t.value["status"], number);
        assert_eq!(outcome(&t, "status"), expected, "{native}");
    }
}

#[test]
fn bindings_carry_queues_and_scripts() {
    let skill = json!({"name": "x", "deviceType": 2, "skillParam": {
        "skillId": 5, "outBoundType": 2,
        "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 50}},
    }});
    let t = translate(&CONFIGURED, Kind::Campaign, Isales, skill);
    assert_eq!(t.value["campaign"]["queue_id"], QUEUE);
    assert_eq!(t.value["campaign"]["service_level"], 200);
    let rate = "skillParam.predictParam.offhookPredictParam.offHookRate";
    assert_eq!(outcome(&t, rate), Converted);
    assert_eq!(outcome(&t, "skillParam.skillId"), Mapped);
    let back = translate(&CONFIGURED, Kind::Campaign, Voipbin, t.value);
    assert_eq!(back.value["skillParam"]["skillId"], 5);
    assert_eq!(back.value["skillParam"]["predictParam"]["offhookPredictParam"]["offHookRate"], 50);

    let script = json!({"name": "x", "deviceType": 3, "ivrParam": {"deviceSign": "900"}});
    let t = translate(&CONFIGURED, Kind::Campaign, Isales, script);
    assert_eq!(t.value["campaign"]["actions"][0]["option"]["flow_id"], FLOW);
    assert_eq!(outcome(&t, "ivrParam.deviceSign"), Mapped);
    let back = translate(&CONFIGURED, Kind::Campaign, Voipbin, t.value);
    assert_eq!(back.value["ivrParam"]["deviceSign"], "900");
    assert_eq!(back.value["deviceType"], 3);
}

#[test]
fn in_between_rates_dial_fewer_lines() {
    for (rate, level) in [(100, 100), (80, 125), (79, 125), (60, 125), (50, 200), (1, 10_000)] {
        let t = translate(
            &CONFIGURED,
            Kind::Campaign,
            Isales,
            json!({"name": "x", "skillParam": {"skillId": 5, "predictParam": {
                "predictMethod": 5, "offhookPredictParam": {"offHookRate": rate}}}}),
        );
        assert_eq!(t.value["campaign"]["service_level"], level, "{rate}");
    }
    for (level, rate, expected) in [
        (100, 100, Converted),
        (150, 80, Approximated),
        (200, 50, Converted),
        (50, 100, Approximated),
        (0, 100, Dropped),
    ] {
        let document = json!({"name": "x", "queue_id": QUEUE, "service_level": level});
        let t = translate(&CONFIGURED, Kind::Campaign, Voipbin, document);
        let predict = &t.value["skillParam"]["predictParam"];
        assert_eq!(predict["offhookPredictParam"]["offHookRate"], rate, "{level}");
        assert_eq!(outcome(&t, "service_level"), expected, "{level}");
    }
}

#[test]
fn contacts_keep_what_fits() {
    let t = translate(&NEUTRAL, Kind::Contact, Isales, fixture("isales/calldata-add.v2.json"));
    let target = &t.value[0];
    assert_eq!(target["name"], "1202_test013");
    assert_eq!(target["destination_0"], json!({"type": "tel", "target": "+8613800138000"}));
    assert_eq!(target["destination_1"], Value::Null);
    assert_eq!(outcome(&t, "callDataList[0].called[1].calledNo"), Dropped);
    assert_eq!(outcome(&t, "callDataList[0].called[0].delayTime"), Preserved);
    assert_eq!(outcome(&t, "callDataList[0].callData"), Mapped);

    let numbers: Vec<Value> =
        (0..6).map(|n| json!({"calledNo": format!("00861380013800{n}")})).collect();
    let many = json!({"sessionId": "s", "called": numbers});
    let t = translate(&NEUTRAL, Kind::Contact, Isales, many);
    assert_eq!(t.value["destination_4"]["target"], "+8613800138004");
    assert_eq!(outcome(&t, "called[5].calledNo"), Dropped);
    assert_eq!(outcome(&t, "called[4].calledNo"), Converted);
    // VoIPBin refuses empty texts.
    assert_eq!(t.value["detail"], "-");

    let target = json!({
        "name": "n".repeat(33), "detail": "a,b;c", "data": "d".repeat(1025), "status": "done",
        "destination_0": {"type": "sip", "target": "a@b"}, "try_count_0": 2,
        "destination_1": {"target": "+15559876543"}, "destination_2": {},
    });
    let t = translate(&NEUTRAL, Kind::Contact, Voipbin, target);
    for field in ["name", "detail", "data", "status", "destination_0.target", "try_count_0"] {
        assert_eq!(outcome(&t, field), Dropped, "{field}");
    }
    assert_eq!(t.value["called"], json!([{"calledNo": "0015559876543"}]));
    assert_eq!(outcome(&t, "destination_2"), Preserved);
}

#[test]
fn hangup_reasons_become_fail_codes() {
    let document = fixture("voipbin/campaigncall-call.busy.json");
    let t = translate(&NEUTRAL, Kind::Call, Voipbin, document);
    assert_eq!(t.value["callStatus"], 5);
    assert_eq!(t.value["failCode"], "00537");
    assert_eq!(outcome(&t, "call.hangup_reason"), Mapped);
    let machine = json!({
        "campaigncall": {"status": "done", "result": "fail"}, "call": {"hangup_reason": "amd"},
    });
    let t = translate(&NEUTRAL, Kind::Call, Voipbin, machine);
    // No code is known for it; a failed call has one all the same.
    assert_eq!(t.value["failCode"], "34608");
    assert_eq!(outcome(&t, "call.hangup_reason"), Dropped);
    let ringing = json!({"status": "dialing", "result": ""});
    let t = translate(&NEUTRAL, Kind::Call, Voipbin, ringing);
    assert_eq!(t.value["callStatus"], Value::Null);
    assert_eq!(outcome(&t, "status"), Approximated);
}

#[test]
fn what_is_no_document_is_refused_without_quoting_it() {
    let refuse = |kind, from, document| {
        try_translate(&NEUTRAL, kind, from, document).expect_err("no translation")
    };
    let wrong = refuse(Kind::Campaign, Isales, json!({"name": "x", "maxAlertingTime": "x8613"}));
    assert_eq!(wrong.to_string(), "maxAlertingTime: expected an integer of 64 bits");
    let both = refuse(
        Kind::Campaign,
        Isales,
        json!({"name": {"a": 1}, "scheduleParam": "x", "status": true}),
    );
    assert!(matches!(&both, TranslateError::WrongTypes(mistakes) if mistakes.len() == 3), "{both}");
    for document in [json!(5), json!("x"), json!({}), json!({"foo": 1}), json!([{"foo": 1}])] {
        let error = refuse(Kind::Campaign, Voipbin, document);
        assert!(error.to_string().contains("campaign document of voipbin"), "{error}");
    }
    let failed = json!({"resultCode": "0200007", "resultDesc": "gone", "returnObject": null});
    assert!(matches!(refuse(Kind::Campaign, Isales, failed), TranslateError::NoDocument { .. }));
    let text = refuse(Kind::Campaign, Voipbin, json!({"name": "x", "service_level": "100"}));
    assert_eq!(text.to_string(), "service_level: expected an integer of 64 bits");
}
