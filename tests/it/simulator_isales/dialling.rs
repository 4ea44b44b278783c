//! Life cycle, schedule, special dates, retries and determinism, on a virtual clock.

use super::*;

const VDN: &str = "v1/openapi/campaigns/11";

/// When each call of the campaign began, as results show it.
async fn call_times(sim: &Sim, campaign: i64) -> Vec<String> {
    let rows = sim.attempts(campaign).await;
    rows.iter().map(|row| row["callTimeStr"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_campaign_is_started_paused_resumed_and_completed() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    let document = with(always("life"), json!({ "initStatus": 1 }));
    let campaign = sim.create(document).await;
    assert_eq!(sim.status(campaign).await, 3);
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(3_600).await;
    assert!(sim.running.journal.dials().is_empty(), "paused campaigns do not dial");
    let (pause, resume) = (format!("{VDN}/{campaign}/pause"), format!("{VDN}/{campaign}/resume"));
    assert_eq!(sim.code("PUT", &pause, None).await, "0200011");
    sim.ok("PUT", &resume, None).await;
    assert_eq!(sim.status(campaign).await, 2);
    assert_eq!(sim.code("PUT", &resume, None).await, "0200011");
    assert_eq!(sim.code("DELETE", &format!("{VDN}/{campaign}"), None).await, "0200009");
    sim.advance_s(60).await;
    assert_eq!(sim.running.journal.dials().len(), 1);
    sim.ok("PUT", &pause, None).await;
    sim.ok("PUT", &resume, None).await;
    sim.advance_s(31 * 86_400).await;
    assert_eq!(sim.status(campaign).await, 4);
    assert_eq!(sim.code("PUT", &resume, None).await, "0200011");
    sim.add(campaign, numbers(&["13002"])).await;
    sim.advance_s(86_400).await;
    assert_eq!(sim.running.journal.dials().len(), 1, "completed campaigns do not dial");
    sim.ok("DELETE", &format!("{VDN}/{campaign}"), json!({ "archiveHistory": 1 })).await;
    assert_eq!(sim.code("GET", &format!("{VDN}/{campaign}"), None).await, "0200007");
}

#[tokio::test]
async fn init_status_can_mean_the_opposite() {
    let sim = Sim::virtual_clock().await;
    sim.switch(json!({ "init_status": "zero-pauses" })).await;
    let campaign = sim.create(with(always("zero"), json!({ "initStatus": 0 }))).await;
    assert_eq!(sim.status(campaign).await, 3);
    let campaign = sim.create(with(always("one"), json!({ "initStatus": 1 }))).await;
    assert_eq!(sim.status(campaign).await, 2);
}

#[tokio::test]
async fn begin_is_utc_and_the_schedule_is_local() {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let sim = Sim::virtual_with(|options| options.time_zone = zone).await;
    sim.force("", &["00603", "00603", "00000"]).await;
    let document = with(
        always("local"),
        json!({
            // 08:30 in Shanghai.
            "strBeginTime": "2020-09-10 00:30:00",
            "scheduleParam": {
                "workdayBeginTime1": "08:00", "workdayEndTime1": "09:00",
                "workdayBeginTime2": "13:00", "workdayEndTime2": "13:30",
                "holidayBeginTime1": "20:00", "holidayEndTime1": "21:00",
            },
            "retryPolicy": {
                "policyType": 0, "retryDay": 9, "retryTimes": 9, "callInterval": 3_600,
            },
        }),
    );
    let campaign = sim.create(document).await;
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(86_400).await;
    // No answer rings for 20 s; the second retry falls outside both periods, so it is tomorrow's.
    let expected = ["2020-09-10 08:30:00", "2020-09-10 13:00:00"];
    assert_eq!(call_times(&sim, campaign).await, expected);
    let special = json!({
        "name": "Friday", "type": 2, "beginTime": "2020-09-11", "endTime": "2020-09-11",
    });
    sim.advance_s(86_400).await;
    assert_eq!(call_times(&sim, campaign).await.len(), 3);
    let path = format!("{VDN}/holiday/{campaign}");
    sim.ok("POST", &path, special).await;
}

#[tokio::test]
async fn special_dates_have_their_own_periods() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    let schedule = json!({
        "workdayBeginTime1": "08:00", "workdayEndTime1": "09:00",
        "holidayBeginTime1": "20:00", "holidayEndTime1": "21:00",
    });
    let campaign = sim.create(with(always("special"), json!({ "scheduleParam": schedule }))).await;
    let path = format!("{VDN}/holiday/{campaign}");
    let dates = [
        json!({ "name": "today", "type": 3, "beginTime": "09-10", "endTime": "09-10" }),
        json!({ "name": "weekend", "type": 1, "week": "6,7" }),
        json!({ "name": "monday", "type": 2, "beginTime": "2020-09-14", "endTime": "2020-09-14" }),
    ];
    for date in dates {
        sim.ok("POST", &path, date).await;
    }
    let listed = sim.ok("GET", &path, None).await["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!((&listed[1]["week"], &listed[0]["beginTime"]), (&json!("6,7"), &json!("09-10")));
    // Thursday is special, Friday is not, Saturday, Sunday and Monday are.
    for called in ["13001", "13002", "13003", "13004", "13005"] {
        sim.add(campaign, numbers(&[called])).await;
        sim.advance_s(86_400).await;
    }
    let expected = [
        "2020-09-10 20:00:00",
        "2020-09-11 08:00:00",
        "2020-09-12 20:00:00",
        "2020-09-13 20:00:00",
        "2020-09-14 20:00:00",
    ];
    assert_eq!(call_times(&sim, campaign).await, expected);
    let id = listed[2]["id"].as_i64().unwrap();
    let changed = json!({
        "id": id, "name": "monday", "type": 2, "beginTime": "2020-09-21", "endTime": "2020-09-21",
    });
    sim.ok("PUT", &path, changed).await;
    sim.ok("DELETE", &format!("{path}/{id}"), None).await;
    assert_eq!(sim.code("DELETE", &format!("{path}/{id}"), None).await, "0200014");
    sim.ok("DELETE", &path, None).await;
    assert_eq!(sim.ok("GET", &path, None).await["data"], json!([]));
}

#[tokio::test]
async fn a_record_is_complete_at_its_first_success() {
    let sim = Sim::virtual_clock().await;
    sim.force("01", &["00603"]).await;
    sim.force("02", &["00000"]).await;
    let campaign = sim.create(always("several")).await;
    let called = json!([
        { "calledNo": "13001" }, { "calledNo": "13002", "delayTime": "600" },
        { "calledNo": "13003" },
    ]);
    sim.add(campaign, json!([{ "sessionId": "s1", "called": called }])).await;
    sim.advance_s(7_200).await;
    let rows = sim.attempts(campaign).await;
    let shown: Vec<&str> = rows.iter().map(|row| row["called"].as_str().unwrap()).collect();
    assert_eq!(shown, ["13001", "13002"]);
    // Rang until 00:00:05, then its own delay.
    assert_eq!(rows[1]["callTimeStr"], "2020-09-10 00:10:05");
    let last = sim.ok("POST", &format!("{VDN}/callresult/{campaign}"), json!({})).await;
    assert_eq!((&last["totalCount"], &last["data"][0]["called"]), (&json!(1), &json!("13002")));
}

#[tokio::test]
async fn rounds_order_the_numbers() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603"]).await;
    let policy = json!({ "callType": 1, "chooseType": 0,
        "turns": "[{'turnType':'mobile','orderNo':1},{'turnType':'home','orderNo':2}]" });
    let campaign = sim.create(with(always("rounds"), json!({ "callPolicy": policy }))).await;
    let called = json!([
        { "calledNo": "13001", "type": "home" }, { "calledNo": "13002", "type": "mobile" },
    ]);
    sim.add(campaign, json!([{ "called": called }])).await;
    sim.advance_s(600).await;
    let rows = sim.attempts(campaign).await;
    assert_eq!((&rows[0]["called"], &rows[1]["called"]), (&json!("13002"), &json!("13001")));
}

#[tokio::test]
async fn the_retry_policy_limits_calls_per_day_and_days() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603"]).await;
    let policy = json!({ "policyType": 0, "retryDay": 2, "retryTimes": 2, "callInterval": 900 });
    let campaign = sim.create(with(always("retry"), json!({ "retryPolicy": policy }))).await;
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(5 * 86_400).await;
    let expected = [
        "2020-09-10 00:00:00",
        "2020-09-10 00:15:05",
        "2020-09-11 00:00:00",
        "2020-09-11 00:15:05",
    ];
    assert_eq!(call_times(&sim, campaign).await, expected);
}

#[tokio::test]
async fn result_policies_type_policies_and_stops_decide() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603"]).await;
    let by_result = json!({ "policyType": 0,
        "resultRetry": "[{'result':4,'callInterval':600,'retryNumber':3}]" });
    let by_type = json!({ "policyType": 1,
        "policyJson": "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':2}}]" });
    let stopped = json!({ "policyType": 0, "retryDay": 9, "retryTimes": 9, "callInterval": 60,
        "noRetryPolicy": ["OB00001"] });
    for (name, policy, calls) in
        [("result", by_result, 4), ("type", by_type, 2), ("stop", stopped, 1)]
    {
        let campaign = sim.create(with(always(name), json!({ "retryPolicy": policy }))).await;
        let called = json!([{ "calledNo": "13001", "type": "SI" }]);
        sim.add(campaign, json!([{ "called": called }])).await;
        sim.advance_s(3_600).await;
        assert_eq!(sim.attempts(campaign).await.len(), calls, "{name}");
    }
}

#[tokio::test]
async fn a_business_result_calls_again() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    let policy = json!({ "policyType": 0, "busiPolicy":
        "[{'busiResultCode':'001','busiResultSubCode':'','busiResultPolicy':2,'callInterval':600}]" });
    let campaign = sim.create(with(always("business"), json!({ "retryPolicy": policy }))).await;
    let data = sim.add(campaign, numbers(&["13001"])).await.remove(0);
    sim.advance_s(60).await;
    let path = format!("{VDN}/callBusiResult/{data}");
    sim.ok("POST", &path, json!({ "busiResult": "002" })).await;
    sim.advance_s(3_600).await;
    assert_eq!(sim.attempts(campaign).await.len(), 1, "no rule for it");
    sim.ok("POST", &path, json!({ "busiResult": "001", "workNo": "2033" })).await;
    sim.advance_s(3_600).await;
    assert_eq!(sim.attempts(campaign).await.len(), 2);
}

#[tokio::test]
async fn ivr_rounds_and_agents_pace_the_calls() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    let ivr = json!({ "deviceSign": "66001", "callCount": 2, "callInterval": 30 });
    let rounds = sim.create(with(always("rounds"), json!({ "ivrParam": ivr }))).await;
    sim.add(rounds, numbers(&["13001", "13002", "13003", "13004", "13005"])).await;
    sim.advance_s(600).await;
    let times = call_times(&sim, rounds).await;
    let expected = ["00:00:00", "00:00:00", "00:00:30", "00:00:30", "00:01:00"];
    assert!(times.iter().zip(expected).all(|(time, end)| time.ends_with(end)), "{times:?}");
    // Skill queue 1 has five agents; a call takes 15 s.
    let document = with(
        fixture("campaign-create.v2.json"),
        json!({ "strBeginTime": "2020-09-10 00:00:00", "callBackUrl": null,
            "scheduleParam": { "workdayBeginTime1": "00:00", "workdayEndTime1": "23:59" },
            "skillParam": { "skillId": 1, "outBoundType": 2, "predictParam": {
                "predictMethod": 5, "offhookPredictParam": { "offHookRate": 100 } } } }),
    );
    let agents = sim.create(document).await;
    sim.add(agents, numbers(&["1", "2", "3", "4", "5", "6", "7"])).await;
    sim.advance_s(600).await;
    let times = call_times(&sim, agents).await;
    let first = times.iter().filter(|time| **time == times[0]).count();
    assert_eq!((first, times.len()), (5, 7));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_calls() {
    let mut runs = Vec::new();
    for (seed, step_s) in [(5, 3_600), (5, 300), (6, 3_600)] {
        let sim = Sim::virtual_with(|options| options.seed = seed).await;
        let policy = json!({ "policyType": 0, "retryDay": 1, "retryTimes": 3, "callInterval": 60 });
        let campaign = sim.create(with(always("seeded"), json!({ "retryPolicy": policy }))).await;
        let called: Vec<String> = (0..20).map(|n| format!("1300{n:03}")).collect();
        let called: Vec<&str> = called.iter().map(String::as_str).collect();
        sim.add(campaign, numbers(&called)).await;
        for _ in 0..3_600 / step_s {
            sim.advance_s(step_s).await;
        }
        runs.push(sim.attempts(campaign).await);
    }
    assert_eq!(runs[0], runs[1], "however time is stepped");
    assert_ne!(runs[0], runs[2]);
    let statuses: Vec<i64> = runs[0].iter().map(|r| r["callStatus"].as_i64().unwrap()).collect();
    assert!(statuses.contains(&5) && statuses.contains(&6));
}

#[tokio::test]
async fn batches_hold_their_records() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    let campaign = sim.create(always("batches")).await;
    let path = format!("{VDN}/callbatch/{campaign}");
    let created = sim.ok("POST", &format!("{path}/create"), json!({ "name": "first" })).await;
    let id = created["returnObject"]["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 30);
    let record = json!([{ "batchId": id, "called": [{ "calledNo": "13001" }] }]);
    sim.add(campaign, record).await;
    sim.advance_s(600).await;
    assert!(sim.attempts(campaign).await.is_empty(), "a batch begins paused");
    assert_eq!(sim.code("POST", &format!("{path}/pause"), json!({ "id": id })).await, "03000006");
    sim.ok("POST", &format!("{path}/resume"), json!({ "id": id })).await;
    sim.advance_s(600).await;
    assert_eq!(sim.attempts(campaign).await.len(), 1);
    let listed = sim.ok("GET", &format!("{path}/list"), json!({ "offset": 0, "limit": 10 })).await;
    assert_eq!(listed["data"], json!([{ "id": id, "name": "first", "status": 1 }]));
}

#[tokio::test]
async fn the_journal_shows_dials_contacts_writes_and_pace() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00537"]).await;
    let campaign = sim.create(always("journal")).await;
    let data = sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(60).await;
    let journal = &sim.running.journal;
    assert_eq!(journal.contacts()[0].contact, data[0]);
    let dial = journal.dials().remove(0);
    assert_eq!((dial.campaign, dial.attempt), (campaign.to_string(), 1));
    assert_eq!(dial.outcome.as_deref(), Some("00537"));
    let paths: Vec<String> = journal.writes().into_iter().map(|write| write.path).collect();
    assert_eq!(paths[0], "/rest/isales/v2/openapi/campaigns/11");
    assert_eq!(journal.pace().requests, 2, "what is asked under /_sim/ does not count");
}

#[tokio::test]
async fn a_scaled_clock_dials_by_itself_and_pushes() {
    let receiver = Receiver::start(&[]);
    let sim = Sim::virtual_with(|options| options.clock = Clock::scaled(1_000.0, Some(1))).await;
    sim.force("", &["00000"]).await;
    let now = sim.clock.now();
    let text = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let times = json!({
        "strBeginTime": text(now), "strEndTime": text(now + jiff::SignedDuration::from_hours(240)),
        "callBackUrl": receiver.url,
        // No matter what the time of day is.
        "scheduleParam": {
            "workdayBeginTime1": "00:00", "workdayEndTime1": "12:00",
            "workdayBeginTime2": "12:00", "workdayEndTime2": "23:59",
        },
    });
    let campaign = sim.create(with(always("scaled"), times)).await;
    sim.add(campaign, numbers(&["13001"])).await;
    receiver.has(1).await;
    assert_eq!(sim.attempts(campaign).await.len(), 1);
}
