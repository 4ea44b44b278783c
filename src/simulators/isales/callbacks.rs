//! Callbacks (reference 6): a push is one POST and, when that is not answered with 200, an immediate
//! repeat; a push that failed is made again ten minutes later, until the limit.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Switches;
use crate::platforms::isales::wire::ResultRow;
use crate::simulators::faults::Gate;
use crate::simulators::journal::Event;
use crate::simulators::push::{Push, PushOptions, Pusher};

/// Pushes on their way at once.
pub(super) const MAX_CONCURRENT_PUSHES: usize = 16;
/// Time for one answer, real time. The vendor's two settings are not published.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// From one failed push to the next.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// How long a push waits for more rows, when it may hold several.
const COLLECT_FOR: SignedDuration = SignedDuration::from_secs(5);

/// Deliveries by the time at which they are due.
#[derive(Default)]
pub(super) struct Outbox {
    queue: BTreeMap<(Timestamp, u64), Delivery>,
    /// Per campaign, the delivery that may still take rows.
    collecting: BTreeMap<i64, (Timestamp, u64)>,
    issued: u64,
}

/// Rows that go out together.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    url: String,
    rows: Vec<ResultRow>,
    due: Timestamp,
    /// Pushes made, as the limit counts them.
    pushes: u32,
    /// Requests sent.
    requests: u32,
    /// Faults have been drawn for it.
    planned: bool,
}

/// How a push ended.
pub(super) enum Pushed {
    /// For the journal.
    Done(Event),
    /// Again later.
    Failed(Delivery),
}

/// What the platform expects of a receiver: `{"retCode":"0","retMsg":"success"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    ret_code: String,
}

enum Answered {
    Taken,
    /// 200 with another `retCode`, or with no readable one.
    Refused,
    Failed(Option<u16>),
}

impl Outbox {
    pub(super) fn add(
        &mut self,
        row: &ResultRow,
        (campaign, url): (i64, &str),
        (at, batch_size): (Timestamp, usize),
    ) {
        // The page lists no resultCode for callbacks.
        let row = ResultRow { result_code: None, ..row.clone() };
        if let Some(key) = self.collecting.get(&campaign).copied()
            && let Some(delivery) = self.queue.get_mut(&key).filter(|open| open.url == url)
        {
            delivery.rows.push(row);
            if delivery.rows.len() >= batch_size {
                self.collecting.remove(&campaign);
                if let Some(full) = self.queue.remove(&key) {
                    self.insert(Delivery { due: at, ..full });
                }
            }
            return;
        }
        let due = if batch_size > 1 { at + COLLECT_FOR } else { at };
        let (url, rows) = (url.to_owned(), vec![row]);
        let key = self.insert(Delivery { url, rows, due, pushes: 0, requests: 0, planned: false });
        if batch_size > 1 {
            self.collecting.insert(campaign, key);
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// At most `room` deliveries that are due.
    pub(super) fn take_due(&mut self, now: Timestamp, room: usize, gate: &Gate) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < room
            && let Some((key, mut delivery)) = self.queue.pop_first()
        {
            if key.0 > now {
                self.queue.insert(key, delivery);
                break;
            }
            self.collecting.retain(|_, open| *open != key);
            if !delivery.planned {
                delivery.planned = true;
                let plan = gate.plan_event();
                for _ in 1..plan.copies {
                    self.insert(delivery.clone());
                }
                if !plan.hold.is_zero() {
                    let due = delivery.due + plan.hold;
                    self.insert(Delivery { due, ..delivery });
                    continue;
                }
            }
            taken.push(delivery);
        }
        taken
    }

    pub(super) fn again(&mut self, delivery: Delivery) {
        self.insert(delivery);
    }

    fn insert(&mut self, delivery: Delivery) -> (Timestamp, u64) {
        self.issued += 1;
        let key = (delivery.due, self.issued);
        self.queue.insert(key, delivery);
        key
    }
}

impl Delivery {
    /// Makes one push with its immediate repeat.
    pub(super) async fn push(mut self, pusher: &Pusher, switches: &Switches) -> Pushed {
        let mut answered = self.request(pusher).await;
        self.pushes += 1;
        if answered.is_failure(switches)
            && (!switches.repeat_counts || self.pushes < switches.push_limit)
        {
            answered = self.request(pusher).await;
            self.pushes += u32::from(switches.repeat_counts);
        }
        if !answered.is_failure(switches) {
            let delivered = matches!(answered, Answered::Taken);
            return Pushed::Done(self.event(Some(200), delivered));
        }
        if self.pushes >= switches.push_limit {
            return Pushed::Done(self.event(answered.status(), false));
        }
        // Counted from when this push was due, so that the plan does not drift.
        self.due += RETRY_AFTER;
        Pushed::Failed(self)
    }

    async fn request(&mut self, pusher: &Pusher) -> Answered {
        self.requests += 1;
        let Ok(body) = serde_json::to_vec(&self.rows) else { return Answered::Failed(None) };
        let push = Push {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.into(),
        };
        match pusher.send(&push).await {
            Ok(answer) if answer.status == 200 => {
                match serde_json::from_slice::<Receipt>(&answer.body) {
                    Ok(receipt) if receipt.ret_code == "0" => Answered::Taken,
                    _ => Answered::Refused,
                }
            }
            Ok(answer) => Answered::Failed(Some(answer.status)),
            Err(error) => {
                tracing::debug!(%error, "a receiver did not answer a callback");
                Answered::Failed(None)
            }
        }
    }

    fn event(&self, status: Option<u16>, delivered: bool) -> Event {
        let kind = match status {
            Some(200) if !delivered => "callback refused by retCode",
            _ => "callback",
        };
        Event {
            at: self.due,
            kind: kind.to_owned(),
            subject: self.rows.iter().map(call_id).collect::<Vec<_>>().join(","),
            attempts: self.requests,
            status,
            delivered,
        }
    }
}

impl Answered {
    fn is_failure(&self, switches: &Switches) -> bool {
        match self {
            Answered::Taken => false,
            Answered::Refused => switches.retry_on_ret_code,
            Answered::Failed(_) => true,
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Answered::Taken | Answered::Refused => Some(200),
            Answered::Failed(status) => *status,
        }
    }
}

pub(super) fn pusher() -> std::io::Result<Pusher> {
    Pusher::new(PushOptions { timeout: ANSWER_TIMEOUT, max_redirects: 0, allow_private: true })
}

/// A row whose address the administrator has not allowed.
pub(super) fn withheld(row: &ResultRow, at: Timestamp) -> Event {
    Event {
        at,
        kind: "callback not on the allow-list".to_owned(),
        subject: call_id(row).to_owned(),
        attempts: 0,
        status: None,
        delivered: false,
    }
}

fn call_id(row: &ResultRow) -> &str {
    row.call_id.as_deref().unwrap_or_default()
}
