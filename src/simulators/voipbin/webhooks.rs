//! Delivering events to the customers' webhooks (VB 10.2): three attempts, one second apart, no order.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::world::PushWork;
use crate::clock::Clock;
use crate::signing;
use crate::simulators::faults::Gate;
use crate::simulators::journal::{Event, Journal};
use crate::simulators::push::{Push, PushOptions, Pusher};

/// Attempts per event, and the pause between them on the simulator's clock.
pub const MAX_ATTEMPTS: u32 = 3;
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Real time for one attempt.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
pub const MAX_REDIRECTS: usize = 3;
/// Deliveries in progress; the rest wait.
const MAX_CONCURRENT: usize = 64;

/// Sends events; clones share the connections and the limit.
#[derive(Clone)]
pub struct Courier {
    pusher: Pusher,
    clock: Clock,
    journal: Journal,
    faults: Gate,
    room: Arc<Semaphore>,
}

impl Courier {
    pub fn new(
        clock: Clock,
        journal: Journal,
        faults: Gate,
        allow_private: bool,
    ) -> std::io::Result<Self> {
        let pusher = Pusher::new(PushOptions {
            timeout: ATTEMPT_TIMEOUT,
            max_redirects: MAX_REDIRECTS,
            allow_private,
        })?;
        Ok(Self { pusher, clock, journal, faults, room: Arc::new(Semaphore::new(MAX_CONCURRENT)) })
    }

    /// Starts delivering on the simulator's own thread.
    pub fn start(&self, work: PushWork) {
        let plan = self.faults.plan_event();
        let work = Arc::new(work);
        for _ in 0..plan.copies {
            let (courier, work) = (self.clone(), Arc::clone(&work));
            actix_web::rt::spawn(async move {
                if plan.hold > Duration::ZERO {
                    courier.clock.sleep(plan.hold).await;
                }
                courier.deliver(&work).await;
            });
        }
    }

    async fn deliver(&self, work: &PushWork) {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if !work.secret.expose_secret().is_empty() {
            let signature = signing::webhook::sign(&work.secret, &work.body);
            headers.push(("x-voipbin-signature", signature));
        }
        // An empty method goes out as GET, as Go's client reads it (VB 10.2, unconfirmed).
        let method = if work.method.is_empty() { "GET" } else { &work.method };
        let push = Push {
            method: method.to_owned(),
            url: work.url.clone(),
            headers,
            body: work.body.clone(),
        };
        let (mut attempts, mut status) = (0, None);
        while attempts < MAX_ATTEMPTS {
            if attempts > 0 {
                self.clock.sleep(RETRY_PAUSE).await;
            }
            attempts += 1;
            let _place = self.room.acquire().await;
            status = self.pusher.send(&push).await.ok().map(|answer| answer.status);
            // Anything below 500 is final, refusals included.
            if status.is_some_and(|status| status < 500) {
                break;
            }
        }
        self.journal.event(Event {
            at: self.clock.now(),
            kind: work.kind.to_owned(),
            subject: work.subject.to_string(),
            attempts,
            status,
            delivered: status.is_some_and(|status| status < 500),
        });
    }
}

/// The journal's row of an event for which there was no room.
pub fn given_up(at: Timestamp, kind: &str, subject: Uuid) -> Event {
    Event {
        at,
        kind: kind.to_owned(),
        subject: subject.to_string(),
        attempts: 0,
        status: None,
        delivered: false,
    }
}
