//! The campaigns of the story, made through each platform's own API before the gateway knows them.

use anyhow::Context as _;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::caller::{IsalesCaller, VoipbinCaller};
use super::stage::{ISALES_VDN, Stage};

/// Nothing listens there: results are asked for, not pushed, in this story.
const NOWHERE: &str = "http://127.0.0.1:9/results";

/// A campaign as its own platform knows it.
pub struct Made {
    pub name: &'static str,
    pub native: String,
    /// How many contacts it was given.
    pub contacts: usize,
    /// The document that its platform shows, with its parts.
    pub document: Value,
}

/// Two campaigns on CC-iSales, both paused: one as V1 documents have it, one with V2's policies.
///
/// # Errors
/// When the platform refuses.
pub async fn on_isales(isales: &IsalesCaller, now: Timestamp) -> anyhow::Result<Vec<Made>> {
    let begin = now.to_zoned(TimeZone::UTC).start_of_day()?;
    let end = begin.checked_add(30.days())?;
    let times = [begin, end].map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let mut made = Vec::new();
    for (version, document) in [("v1", lizhan_test(&times)), ("v2", data_plan_offer(&times))] {
        let path = format!("{version}/openapi/campaigns/{ISALES_VDN}");
        let created = isales.post(&path, &document).await?;
        let native = created["returnObject"]["id"].to_string();
        let path = format!("v2/openapi/campaigns/{ISALES_VDN}/calldata/{native}");
        let records: Vec<Value> = ["13800138001", "13800138002", "13800138003"]
            .iter()
            .map(|number| json!({ "called": [{ "calledNo": number }] }))
            .collect();
        isales.post(&path, &json!({ "callDataList": records })).await?;
        let path = format!("v1/openapi/campaigns/{ISALES_VDN}/{native}");
        let document = isales.get(&path).await?["returnObject"].take();
        let name = if version == "v1" { "lizhan_test" } else { "data plan offer" };
        made.push(Made { name, native, contacts: records.len(), document });
    }
    Ok(made)
}

/// Two campaigns on VoIPBin, stopped, each with its outplan, outdial and targets.
///
/// # Errors
/// When the platform refuses.
pub async fn on_voipbin(voipbin: &VoipbinCaller, stage: &Stage) -> anyhow::Result<Vec<Made>> {
    let queue = stage.customer.queue_id.to_string();
    let mut made = Vec::new();
    for (name, queue, action) in [
        ("test campaign", queue.as_str(), "Hello. Please wait until an agent answers. Thank you."),
        ("renewal reminder", "", "Your contract ends soon. Press one to hear an offer."),
    ] {
        made.push(one_on_voipbin(voipbin, name, (queue, action)).await.context(name)?);
    }
    Ok(made)
}

async fn one_on_voipbin(
    voipbin: &VoipbinCaller,
    name: &'static str,
    (queue, text): (&str, &str),
) -> anyhow::Result<Made> {
    let outplan = json!({
        "name": format!("{name}: rules"),
        "detail": "one try now, one later",
        "source": { "type": "tel", "target": "+821021656521" },
        "dial_timeout": 30_000,
        "try_interval": 600_000,
        "max_try_count_0": 2,
        "max_try_count_1": 1,
        "max_try_count_2": 0,
        "max_try_count_3": 0,
        "max_try_count_4": 0,
    });
    let outplan = voipbin.post("outplans", &outplan).await?;
    let campaign = json!({
        "type": "call",
        "name": name,
        "detail": format!("{name}, made by the demo"),
        "service_level": 100,
        "end_handle": "continue",
        "actions": [{ "type": "talk", "option": { "text": text, "language": "en-US" } }],
        "outplan_id": outplan["id"],
        "queue_id": queue,
    });
    let campaign = voipbin.post("campaigns", &campaign).await?;
    let id = campaign["id"].as_str().context("a campaign without id")?.to_owned();
    let outdial = json!({
        "campaign_id": id,
        "name": format!("{name}: contacts"),
        "detail": "people to call",
        "data": "demo",
    });
    let outdial = voipbin.post("outdials", &outdial).await?;
    let outdial_id = outdial["id"].as_str().context("an outdial without id")?.to_owned();
    let numbers = ["+8613900139001", "+8613900139002", "+8613900139003"];
    for (nth, number) in (1..).zip(numbers) {
        let target = json!({
            "name": format!("contact {nth}"),
            "detail": "from the demo",
            "data": "{}",
            "destination_0": { "type": "tel", "target": number },
        });
        voipbin.post(&format!("outdials/{outdial_id}/targets"), &target).await?;
    }
    let parts = json!({
        "outplan_id": outplan["id"],
        "outdial_id": outdial_id,
        "queue_id": queue,
        "next_campaign_id": "",
    });
    let campaign = voipbin.put(&format!("campaigns/{id}/resource_info"), &parts).await?;
    let document = json!({ "campaign": campaign, "outplan": outplan, "outdial": outdial });
    Ok(Made { name, native: id, contacts: numbers.len(), document })
}

/// The campaign of the vendor's detail sample, with periods that are open now.
fn lizhan_test([begin, end]: &[String; 2]) -> Value {
    json!({
        "name": "lizhan_test",
        "strBeginTime": begin,
        "strEndTime": end,
        "deviceType": 2,
        "callerNo": "10086",
        "maxAlertingTime": 20,
        "scheduleParam": {
            "workdayBeginTime1": "00:00",
            "workdayEndTime1": "12:00",
            "workdayBeginTime2": "12:00",
            "workdayEndTime2": "23:59",
            "workdayBeginTime3": null,
            "workdayEndTime3": null,
            "holidayBeginTime1": "09:00",
            "holidayEndTime1": "12:00",
            "holidayBeginTime2": "14:00",
            "holidayEndTime2": "17:00",
            "holidayBeginTime3": null,
            "holidayEndTime3": null,
        },
        "ivrParam": null,
        "skillParam": {
            "skillId": 1,
            "skillName": "Voice Skill Queue",
            "outBoundType": 2,
            "predictParam": {
                "predictMethod": 5,
                "offhookPredictParam": { "offHookRate": 100 },
            },
        },
        "initStatus": 1,
        "callBackUrl": NOWHERE,
    })
}

/// After the vendor's V2 sample: several calling numbers, a retry policy in text, rounds.
fn data_plan_offer([begin, end]: &[String; 2]) -> Value {
    json!({
        "name": "data plan offer",
        "strBeginTime": begin,
        "strEndTime": end,
        "deviceType": 2,
        "callerNo": [
            { "accessCode": "88889527", "priority": 3 },
            { "accessCode": "88880066", "priority": 4 },
        ],
        "priority": 4,
        "maxAlertingTime": 20,
        "scheduleParam": {
            "workdayBeginTime1": "08:00",
            "workdayEndTime1": "11:30",
            "workdayBeginTime2": "13:00",
            "workdayEndTime2": "17:30",
        },
        "skillParam": {
            "skillId": 5,
            "skillName": "Voice Skill Queue",
            "outBoundType": 2,
            "predictParam": {
                "predictMethod": 1,
                "expPredictParam": {
                    "maxAvgCallTime": 100,
                    "minAvgCallTime": 50,
                    "outBoundRate": 50,
                },
            },
        },
        "initStatus": 1,
        "callBackUrl": NOWHERE,
        "retryPolicy": {
            "policyType": 1,
            "policyJson": "[{'dataType':'SI','type':1,'policy':[{'result':4,'retryNumber':3,'callInterval':600}]}]",
        },
        "callPolicy": { "callType": 1, "chooseType": 0, "turns": [{ "turnType": "SI" }] },
    })
}
