//! Outbound numbers, statistics, blacklist, calling numbers, retry policy.

use super::*;

const VDN: &str = "v1/openapi/campaigns/11";

#[tokio::test]
async fn numbers_are_added_whole_or_not_at_all() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(with(always("whole"), json!({ "initStatus": 1 }))).await;
    let path = format!("v2/openapi/campaigns/11/calldata/{campaign}");
    let bad = json!({ "callDataList": [
        { "called": [{ "calledNo": "13001" }] }, { "called": [{ "calledNo": "+13002" }] },
    ] });
    let answer = sim.call("POST", &path, bad).await;
    assert_eq!(answer["resultCode"], "02000002");
    let desc = answer["resultDesc"].as_str().unwrap();
    assert!(desc.starts_with("callDataList[1].called[0].calledNo"), "{desc}");
    assert!(sim.running.journal.contacts().is_empty());
    let ids = sim.add(campaign, numbers(&["13001", "13002"])).await;
    assert!(ids.iter().all(|id| matches!(id.len(), 19 | 20) && id.parse::<u128>().is_ok()));
    assert_ne!(ids[0], ids[1]);
    assert_eq!(
        sim.code("POST", &path, json!({ "callDataList": numbers(&["13003"]) })).await,
        "0200022"
    );
    sim.advance_s(1).await;
    sim.add(campaign, numbers(&["13003"])).await;
}

#[tokio::test]
async fn v1_adds_bare_numbers() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("v1")).await;
    let path = format!("{VDN}/calldata/{campaign}");
    let body = json!({ "callDataList": [{ "sessionId": "s1", "called": "13001" }] });
    let answer = sim.ok("POST", &path, body).await;
    assert_eq!(answer["returnObject"]["dataIdList"][0]["called"], "13001");
    sim.advance_s(2).await;
    let twice = json!({ "callDataList": [{ "called": "13002" }, { "called": "13002" }] });
    assert_eq!(sim.code("POST", &path, twice).await, "0200018");
}

#[tokio::test]
async fn waiting_numbers_are_deleted_while_paused() {
    let sim = Sim::virtual_clock().await;
    sim.force("01", &["00000"]).await;
    let campaign = sim.create(always("delete")).await;
    let ids = sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(60).await;
    let path = format!("{VDN}/calldata/{campaign}/delete");
    let by_session = |id: &str| json!({ "sessionId": id });
    assert_eq!(sim.code("POST", &path, by_session("s13001")).await, "0200001", "running");
    sim.ok("PUT", &format!("{VDN}/{campaign}/pause"), None).await;
    let records = json!([
        { "sessionId": "s13002", "called": [{ "calledNo": "13002" }] },
        { "customField": "north", "called": [{ "calledNo": "13003" }] },
        { "recycleTime": "2020-09-12 10:00:00", "called": [{ "calledNo": "13004" }] },
    ]);
    let waiting = sim.add(campaign, records).await;
    assert_eq!(sim.code("POST", &path, by_session("s13001")).await, "0200001", "finished");
    sim.ok("POST", &path, by_session("s13002")).await;
    sim.ok("POST", &path, json!({ "customField": "north" })).await;
    let recycle = json!({ "recycleTime": "2020-09-13 00:00:00", "recycleType": "1" });
    sim.ok("POST", &path, recycle).await;
    for id in waiting {
        let path = format!("{VDN}/calldata/{campaign}/{id}");
        assert_eq!(sim.code("GET", &path, None).await, "0200001");
    }
    sim.ok("GET", &format!("{VDN}/calldata/{campaign}/{}", ids[0]), None).await;
    sim.ok("POST", &path, by_session("nobody")).await;
    sim.switch(json!({ "delete_numbers": "strict" })).await;
    assert_eq!(sim.code("POST", &path, by_session("nobody")).await, "0200001");
    sim.switch(json!({ "delete_numbers": "combined" })).await;
    assert_eq!(sim.code("POST", &path, by_session("nobody")).await, "02000009");
}

#[tokio::test]
async fn statistics_count_and_may_be_asked_every_five_minutes() {
    let sim = Sim::virtual_clock().await;
    sim.force("01", &["00000"]).await;
    sim.force("02", &["00537"]).await;
    let campaign = sim.create(always("statistics")).await;
    let records = json!([
        { "customField": "north", "called": [{ "calledNo": "13001" }] },
        { "customField": "north", "called": [{ "calledNo": "13002" }] },
        { "customField": "south", "called": [{ "calledNo": "13001" }] },
    ]);
    sim.add(campaign, records).await;
    sim.advance_s(86_400).await;
    sim.ok("PUT", &format!("{VDN}/{campaign}/pause"), None).await;
    sim.add(campaign, numbers(&["13002"])).await;
    let path = format!("v2/openapi/campaigns/11/statistics?campaignId={campaign}");
    let counted = sim.ok("GET", &path, None).await["countDetail"][0].clone();
    let figures = [
        "unCallCount",
        "calledCount",
        "finishCount",
        "totalCalledCount",
        "totalCallSucc",
        "totalFinishCount",
        "totalCount",
        "dailyCalledCount",
        "dailyCallSucc",
        "dailyFinishCount",
        "dailyCount",
    ];
    let figures = figures.map(|name| counted[name].as_i64().unwrap());
    assert_eq!(figures, [1, 0, 0, 3, 2, 3, 4, 0, 0, 0, 1]);
    assert_eq!(counted["campaignId"], campaign.to_string());
    assert_eq!(counted["batchDetail"][0]["batchId"], "north");
    assert_eq!(counted["batchDetail"][0]["totalCount"], 2);
    let (status, text) = sim.raw("GET", &path, None).await;
    assert_eq!((status, text.as_str()), (429, "Do not operate so often."));
    sim.advance_s(299).await;
    assert_eq!(sim.raw("GET", &path, None).await.0, 429);
    sim.advance_s(1).await;
    let answer = sim.ok("GET", &format!("{path}&batchId=south"), None).await;
    assert_eq!(answer["countDetail"][0]["totalCount"], 1);
}

#[tokio::test]
async fn the_blacklist_blocks_and_expires() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    let campaign = sim.create(always("blocked")).await;
    let list = format!("{VDN}/blocklist");
    let body = json!({ "blocklist": ["13001"], "validityTime": 2 });
    sim.ok("POST", &format!("{list}/add"), body).await;
    assert_eq!(
        sim.code("POST", &format!("{list}/add"), json!({ "blocklist": ["13002", "13001"] })).await,
        "0200001"
    );
    let found = sim.ok("POST", &format!("{list}/query"), json!({ "offset": 0, "limit": 10 })).await;
    assert_eq!(found["totalCount"], 1, "nothing was added");
    assert_eq!(found["data"][0]["validityExpirationTime"], "2020-09-10 02:00:00");
    let path = format!("v2/openapi/campaigns/11/calldata/{campaign}");
    assert_eq!(
        sim.code("POST", &path, json!({ "callDataList": numbers(&["13001"]) })).await,
        "0200024"
    );
    sim.advance_s(7_200).await;
    sim.add(campaign, numbers(&["13001"])).await;
    // Listed after it was added: skipped.
    sim.advance_s(1).await;
    sim.ok("PUT", &format!("{VDN}/{campaign}/pause"), None).await;
    sim.add(campaign, numbers(&["13005"])).await;
    sim.ok("POST", &format!("{list}/add"), json!({ "blocklist": ["13005"] })).await;
    sim.ok("PUT", &format!("{VDN}/{campaign}/resume"), None).await;
    sim.advance_s(600).await;
    let dialled: Vec<String> =
        sim.attempts(campaign).await.iter().map(|r| r["called"].to_string()).collect();
    assert_eq!(dialled, [r#""13001""#]);
    sim.ok("POST", &format!("{list}/delete"), json!({ "blocklistNo": "13005" })).await;
    assert_eq!(
        sim.code("POST", &format!("{list}/delete"), json!({ "blocklistNo": "13005" })).await,
        "0200001"
    );
    sim.ok("DELETE", &list, None).await;
}

#[tokio::test]
async fn the_older_release_allows_some_calls_and_no_adding_while_running() {
    let sim = Sim::virtual_with(|options| {
        options.release = dialbridge::simulators::isales::Release::Y2024;
    })
    .await;
    sim.force("", &["00000"]).await;
    let block = json!({ "blocklist": ["13001"], "restrictTimes": 1, "restrictPeriod": "1" });
    sim.ok("POST", &format!("{VDN}/blocklist/add"), block).await;
    let campaign = sim.create(always("older")).await;
    let path = format!("v2/openapi/campaigns/11/calldata/{campaign}");
    let body = || json!({ "callDataList": numbers(&["13001"]) });
    assert_eq!(sim.code("POST", &path, body()).await, "0200019");
    sim.ok("PUT", &format!("{VDN}/{campaign}/pause"), None).await;
    sim.ok("POST", &path, body()).await;
    sim.ok("PUT", &format!("{VDN}/{campaign}/resume"), None).await;
    sim.advance_s(60).await;
    assert_eq!(sim.attempts(campaign).await.len(), 1, "the allowance was not used up");
    sim.ok("PUT", &format!("{VDN}/{campaign}/pause"), None).await;
    assert_eq!(sim.code("POST", &path, body()).await, "0200024", "now it is");
    sim.advance_s(86_400).await;
    sim.ok("POST", &path, body()).await;
    let path = format!("{VDN}/callbatch/{campaign}/create");
    assert_eq!(sim.raw("POST", &path, Some("{}")).await.0, 404, "batches came later");
    sim.advance_s(40 * 86_400).await;
    let path = format!("v2/openapi/campaigns/11/calldata/{campaign}");
    assert_eq!(
        sim.code("POST", &path, json!({ "callDataList": numbers(&["13007"]) })).await,
        "0200019"
    );
}

#[tokio::test]
async fn calling_numbers_are_added_and_deleted() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("callers")).await;
    let path = format!("{VDN}/callerNo/{campaign}");
    let list = |codes: &[(&str, i64)]| {
        let items = codes.iter().map(|(code, p)| json!({ "accessCode": code, "priority": p }));
        json!({ "callerNo": items.collect::<Vec<_>>() })
    };
    sim.ok("POST", &path, list(&[("20000", 2), ("20001", 1)])).await;
    assert_eq!(sim.code("POST", &path, list(&[("20000", 2)])).await, "02000007");
    sim.ok("DELETE", &path, list(&[("10085", 1)])).await;
    let detail = format!("{VDN}/{campaign}");
    assert_eq!(sim.ok("GET", &detail, None).await["returnObject"]["callerNo"], "20001");
    sim.switch(json!({ "shown_callers": "joined" })).await;
    assert_eq!(sim.ok("GET", &detail, None).await["returnObject"]["callerNo"], "20001,20000");
    let all = list(&[("20000", 2), ("20001", 1)]);
    assert_eq!(sim.code("DELETE", &path, all).await, "0200001", "one must remain");
}

#[tokio::test]
async fn a_retry_policy_is_set_and_read_back() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603"]).await;
    let campaign = sim.create(always("policy")).await;
    let path = format!("{VDN}/retryPolicy/{campaign}");
    // The 2023 edition writes the members beside `type`.
    let text = "[{'dataType':'SI','type':0,'retryDay':1,'retryTimes':3}]";
    sim.ok(
        "POST",
        &path,
        json!({ "policyType": 0, "policyJson": text, "noRetryPolicy": ["OB00002"] }),
    )
    .await;
    let data = sim.ok("GET", &path, None).await["data"].clone();
    assert_eq!((&data["policyType"], &data["policyJson"]), (&json!(0), &json!(text)));
    assert_eq!(data["noRetryPolicy"], "OB00002");
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(86_000).await;
    assert_eq!(sim.attempts(campaign).await.len(), 3);
    let unknown = format!("{VDN}/retryPolicy/999");
    assert_eq!(sim.code("GET", &unknown, None).await, "0200-01");
    assert_eq!(
        sim.code("POST", &unknown, json!({ "policyType": 0, "policyJson": text })).await,
        "0200-01"
    );
}
