//! Result queries: both ways of showing, paging, dates, too many at once; the detail.

use super::*;

const VDN: &str = "v1/openapi/campaigns/11";

#[tokio::test]
async fn final_results_and_attempts_are_paged() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603", "00000"]).await;
    let policy = json!({ "policyType": 0, "retryDay": 1, "retryTimes": 2, "callInterval": 60 });
    let campaign = sim.create(with(always("paged"), json!({ "retryPolicy": policy }))).await;
    sim.add(campaign, numbers(&["13001", "13002", "13003"])).await;
    sim.advance_s(30).await;
    let path = format!("{VDN}/callresult/{campaign}");
    let all = |show: i64| json!({ "showDetail": show, "pageSize": 100, "pageNum": 1 });
    assert_eq!(sim.ok("POST", &path, all(0)).await["totalCount"], 0, "records not finished");
    assert_eq!(sim.ok("POST", &path, all(1)).await["totalCount"], 3);
    sim.switch(json!({ "results_when_record_ends": true })).await;
    assert_eq!(sim.ok("POST", &path, all(1)).await["totalCount"], 0);
    sim.advance_s(600).await;
    assert_eq!(sim.ok("POST", &path, all(0)).await["totalCount"], 3);
    assert_eq!(sim.ok("POST", &path, all(1)).await["totalCount"], 6);
    let mut seen = Vec::new();
    for page in 1..=4 {
        let body = json!({ "showDetail": 1, "pageSize": 2, "pageNum": page });
        let answer = sim.ok("POST", &path, body).await;
        assert_eq!(answer["totalCount"], 6);
        let rows = answer["data"].as_array().unwrap().clone();
        seen.extend(rows.iter().map(|row| row["callId"].as_str().unwrap().to_owned()));
    }
    let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (6, 6));
    let body = json!({ "sessionId": "s13002", "showDetail": 1 });
    assert_eq!(sim.ok("POST", &path, body).await["totalCount"], 2);
    // The body is optional as a whole.
    assert_eq!(sim.ok("POST", &path, None).await["totalCount"], 3);
}

#[tokio::test]
async fn dates_filter_by_local_day() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603", "00000"]).await;
    let policy = json!({ "policyType": 0, "retryDay": 2, "retryTimes": 1, "callInterval": 60 });
    let campaign = sim.create(with(always("dates"), json!({ "retryPolicy": policy }))).await;
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(2 * 86_400).await;
    let path = format!("{VDN}/callresult/{campaign}");
    let days =
        |begin: &str, end: &str| json!({ "showDetail": 1, "beginTime": begin, "endTime": end });
    assert_eq!(sim.ok("POST", &path, days("2020-09-10", "2020-09-11")).await["totalCount"], 2);
    assert_eq!(sim.ok("POST", &path, days("2020-09-11", "2020-09-12")).await["totalCount"], 1);
    sim.switch(json!({ "end_day_included": false })).await;
    assert_eq!(sim.ok("POST", &path, days("2020-09-10", "2020-09-11")).await["totalCount"], 1);
}

#[tokio::test]
async fn a_result_has_a_detail() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00000"]).await;
    sim.switch(json!({ "short_success_code": true, "recordings": false })).await;
    let campaign = sim.create(always("detail")).await;
    sim.add(campaign, numbers(&["13001"])).await;
    sim.advance_s(60).await;
    let row = sim.attempts(campaign).await.remove(0);
    let call_id = row["callId"].as_str().unwrap();
    let (seconds, number) = call_id.split_once('-').unwrap();
    assert_eq!(seconds.parse::<i64>().unwrap(), at(START).as_second());
    assert!(number.parse::<u32>().is_ok());
    let detail = sim.ok("GET", &format!("{VDN}/callresultdetail/{call_id}"), None).await;
    let expected = json!({
        "called": "13001",
        "ackBeginTime": "2020-09-10 00:00:00",
        "callBeginTime": "2020-09-10 00:00:05",
        "callEndTime": "2020-09-10 00:00:15",
        "callStatus": "6",
        "failCode": "0",
        "resultCode": "OB99999",
        "vdnId": 11,
        "callId": call_id,
        "recordPath": "",
    });
    assert_eq!(detail["data"], expected);
    assert_eq!(sim.code("GET", &format!("{VDN}/callresultdetail/1-1"), None).await, "0200001");
}

#[tokio::test]
async fn more_than_ten_queries_at_once_are_journalled_or_refused() {
    for limited in [false, true] {
        let sim = Sim::virtual_clock().await;
        let campaign = sim.create(always("busy")).await;
        let switches = json!({ "result_query_ms": 1_000, "limit_result_queries": limited });
        sim.switch(switches).await;
        let path = format!("{VDN}/callresult/{campaign}");
        let queries = (0..11).map(|_| sim.raw("POST", &path, None));
        let mut queries = std::pin::pin!(futures_util::future::join_all(queries));
        let journal = &sim.running.journal;
        tokio::select! {
            _ = &mut queries => panic!("time stands, so none can end"),
            () = until(|| !journal.events().is_empty()) => {}
        }
        assert_eq!(journal.events()[0].kind, "result queries beyond the limit at once");
        let answers = loop {
            tokio::select! {
                answers = &mut queries => break answers,
                () = sim.advance_s(1) => {}
            }
        };
        let refused = answers.iter().filter(|(status, _)| *status == 429).count();
        assert_eq!(refused, usize::from(limited));
    }
}
