//! Numbers of twenty countries go every way through the real binary, right and wrong: none of them, in
//! any spelling, is in what it logs, measures or answers to operators.

use dialbridge::domain::phone::PhoneNumber;
use dialbridge::domain::traces::{Setting, Trace};
use serde_json::{Value, json};

use super::{Gateway, QUEUE};
use crate::support::sink::{Says, Sink};
use crate::support::{TestApp, VDN, until};

/// China, Germany, USA, UK, France, Italy, Spain, Poland, Russia, Turkey, India, Japan, Korea, Brazil,
/// Mexico, South Africa, Nigeria, Egypt, Australia, Singapore.
const NUMBERS: [&str; 20] = [
    "+8613155577701",
    "+4915155577702",
    "+12025557703",
    "+447400557704",
    "+33655577705",
    "+393335577706",
    "+34655577707",
    "+48655577708",
    "+79165557709",
    "+905325557710",
    "+919845557711",
    "+819055577712",
    "+821055577713",
    "+5511955577714",
    "+525555577715",
    "+27825557716",
    "+2348035557717",
    "+201005557718",
    "+61455577719",
    "+6585577720",
];

fn spellings(e164: &str) -> [String; 5] {
    let digits = e164.trim_start_matches('+');
    let spaced: Vec<String> = digits
        .as_bytes()
        .chunks(3)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    let wide = digits.chars().map(|c| char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap());
    [
        e164.to_owned(),
        format!("00{digits}"),
        format!("+{}", spaced.join(" ")),
        spaced.join("-"),
        wide.collect(),
    ]
}

impl Gateway<'_> {
    /// Every way that a number can take: pushed right and wrong, added, asked for, in a URL, as a name.
    async fn send_everywhere(&self, campaign: i64, outdial: &str, text: &str) {
        let url = &self.pusher(campaign).url;
        let row = json!({"campaignId": campaign.to_string(), "sessionId": text, "called": text,
            "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5, "failCode": text,
            "vdnId": VDN, "callId": text, "customField": text});
        let mut foreign = row.clone();
        foreign["campaignId"] = json!(text);
        for body in [
            json!([row]).to_string(),
            json!([foreign, text]).to_string(),
            format!("[{{\"called\":\"{text}\""),
            format!("{{\"{text}\":{text}}}"),
        ] {
            self.app.send("POST", url, &[], Some(body)).await;
        }
        let wrong = url.replace("/cc/", &format!("/{}/", text.replace(' ', "%20")));
        self.app.try_send("POST", &wrong, &[], Some("[]".to_owned())).await;
        let add = format!("v1/openapi/campaigns/{VDN}/calldata/{campaign}");
        self.try_cc(&add, &json!({"callDataList": [{"sessionId": text, "called": text}]})).await;
        let results = format!("v1/openapi/campaigns/{VDN}/callresult/{campaign}");
        self.try_cc(&results, &json!({"sessionId": text, "beginTime": text})).await;
        let target = json!({"name": text, "detail": text, "data": text,
            "destination_0": {"type": "tel", "target": text}});
        self.try_vb("POST", &format!("/outdials/{outdial}/targets"), target).await;
        let encoded = text.replace('+', "%2B").replace(' ', "%20");
        self.try_vb("GET", &format!("/calls/{encoded}"), Value::Null).await;
        self.try_vb("POST", "/campaigns", json!({"name": text, "type": text})).await;
        let admin = format!("http://127.0.0.1:{}/api/v1", self.admin);
        let token = [("authorization", format!("Bearer {}", super::TOKEN))];
        for (method, path, body) in [
            ("GET", format!("campaigns/{encoded}"), None),
            ("GET", format!("deliveries?state={encoded}"), None),
            ("POST", "numbers/find".to_owned(), Some(json!({"number": text}))),
            ("POST", "destinations".to_owned(), Some(json!({"name": text, "url": text}))),
        ] {
            let body = body.map(|body| body.to_string());
            let reply = self.app.send(method, &format!("{admin}/{path}"), &token, body).await;
            assert!(!reply.text.contains(text), "{method} {path}: {}", reply.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_is_in_what_operators_are_told() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.filter = "debug,dialbridge=trace".to_owned();
    gateway.start().await;
    // A receiver that sends back what it gets, and refuses it.
    let echo = Sink::new(|_, got| {
        let text = String::from_utf8_lossy(&got.body).into_owned();
        Says { body: Box::leak(text.into_boxed_str()), ..Says::status(400) }
    });
    let order =
        json!({"name": "echo", "shape": "standard", "url": echo.url("/"), "retry_waits_s": []});
    gateway.ask("POST", "destinations", Some(order)).await;
    let draft = json!({"name": "draft", "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": [], "queue_id": QUEUE});
    let draft = gateway.vb("POST", "/campaigns", draft).await;
    let outdial = json!({"campaign_id": draft["id"], "name": "n", "detail": "d", "data": "x"});
    let outdial = gateway.vb("POST", "/outdials", outdial).await["id"].take();
    for number in NUMBERS {
        for text in spellings(number) {
            gateway.send_everywhere(campaign, outdial.as_str().unwrap(), &text).await;
        }
    }
    until(async || gateway.inbox().await["waiting"] == 0).await;
    until(async || gateway.ask("GET", "destinations/echo", None).await["pending"] == 0).await;
    let metrics = format!("http://127.0.0.1:{}/metrics", gateway.admin);
    let told = [
        ("log", gateway.log()),
        ("metrics", app.send("GET", &metrics, &[], None).await.text),
        ("deliveries", gateway.ask("GET", "deliveries?limit=200", None).await.to_string()),
        ("jobs", gateway.ask("GET", "jobs", None).await.to_string()),
        ("inbox", gateway.ask("GET", "inbox", None).await.to_string()),
    ];
    assert!(told[0].1.lines().count() > 100, "the log says something: {}", told[0].1);
    assert!(told[2].1.contains("echo") && told[2].1.contains("***"), "{}", told[2].1);
    for number in NUMBERS {
        let trace = Trace::of(&PhoneNumber::from_e164(number).unwrap(), &[]).unwrap();
        let setting = Setting { plan: None, is_number: false };
        for (what, text) in &told {
            let line = text.lines().find(|line| trace.masked(line, "#", setting).is_some());
            assert_eq!(line, None, "{number} is in the {what}");
        }
    }
}
