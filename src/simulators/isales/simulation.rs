//! What requests and the engine share, and the loop that lets time pass.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::callbacks::{self, Delivery, Pushed};
use super::world::World;
use super::{auth, routes, server};
use crate::clock::Clock;
use crate::simulators::faults::{Gate, Injected};
use crate::simulators::push::Pusher;

pub(super) struct Simulation {
    pub clock: Clock,
    pub faults: Gate,
    pub tenants: Vec<auth::Keys>,
    pub world: Mutex<World>,
    /// Something changed that may be due earlier than what the engine waits for.
    pub changed: Notify,
}

impl Simulation {
    /// Lets calls begin and end and callbacks go out, for ever.
    pub(super) async fn run(&self, pusher: &Pusher) {
        let mut pushes = FuturesUnordered::new();
        loop {
            let (due, next) = self.due(pushes.len());
            for delivery in due {
                let switches = self.world().switches.clone();
                pushes.push(async move { delivery.push(pusher, &switches).await });
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.wait_until(next) => {}
                Some(pushed) = pushes.next() => self.pushed(pushed),
            }
        }
    }

    /// The platform's time of day, which a fault may put off.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now() + self.faults.skew()
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the world up to the present. Returns the callbacks to push now, and when to look
    /// again.
    fn due(&self, pushing: usize) -> (Vec<Delivery>, Option<Timestamp>) {
        let now = self.now();
        let mut world = self.world();
        world.run_until(now);
        let room = callbacks::MAX_CONCURRENT_PUSHES.saturating_sub(pushing);
        let due = world.outbox.take_due(now, room, &self.faults);
        // Without room, the end of a push is what to wait for.
        let push = world.outbox.next_due().filter(|_| due.len() < room);
        let next = world.next_due().into_iter().chain(push).min();
        (due, next)
    }

    async fn wait_until(&self, due: Option<Timestamp>) {
        match due {
            Some(due) => self.clock.sleep_until(due - self.faults.skew()).await,
            None => std::future::pending().await,
        }
    }

    fn pushed(&self, pushed: Pushed) {
        let mut world = self.world();
        match pushed {
            Pushed::Done(event) => world.journal.event(event),
            Pushed::Failed(delivery) => world.outbox.again(delivery),
        }
    }
}

/// A fault in the shape that this platform would give it.
pub(super) fn injected(_request: &HttpRequest, fault: Injected) -> HttpResponse {
    match fault {
        Injected::Unauthorized => HttpResponse::Unauthorized().finish(),
        Injected::TooMany { retry_after_s } => HttpResponse::TooManyRequests()
            .insert_header((header::RETRY_AFTER, retry_after_s))
            .body(server::TOO_OFTEN),
        Injected::ServerError(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            HttpResponse::build(status).finish()
        }
    }
}

pub(super) fn is_write(request: &HttpRequest) -> bool {
    routes::recognise(request.method().as_str(), request.path())
        .is_some_and(|route| route.operation.is_write())
}
