//! `/metrics` for Prometheus: read from the ledger's books when they are asked for, so they balance
//! over restarts and replicas. Labels are accounts, destinations and outcomes, nothing that comes from
//! a platform or a client.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::gateway::Gateway;
use crate::gateway::books::{BOUNDS_MS, Books};
use crate::http::entrance::{Entrance, Side};

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// 503 when the ledger does not answer: no figure is better than a wrong one.
pub(super) async fn scrape(gateway: Data<Gateway>, entrance: Data<Entrance>) -> HttpResponse {
    match gateway.books().await {
        Ok(books) => {
            let text = written(&books, &entrance);
            HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_FORMAT)).body(text)
        }
        Err(error) => {
            tracing::warn!(%error, "metrics cannot be read");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}

fn written(books: &Books, entrance: &Entrance) -> String {
    // One of its own for each scrape: what is not there any more is not told any more.
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        accounts(books);
        destinations(books);
        doors(entrance);
        held(books);
    });
    recorder.handle().render()
}

fn describe() {
    describe_counter!(
        "dialbridge_pushed_rows_total",
        "Rows that were pushed: the sum of all outcomes."
    );
    describe_counter!(
        "dialbridge_processed_rows_total",
        "Pushed rows by outcome: stored, merged, quarantined."
    );
    describe_gauge!("dialbridge_inbox_waiting", "Pushes that are durable and not processed yet.");
    describe_gauge!(
        "dialbridge_inbox_oldest_waiting_seconds",
        Unit::Seconds,
        "Age of the oldest push that is not processed yet."
    );
    describe_gauge!(
        "dialbridge_quarantine",
        "Bodies and rows in quarantine that are the platform's: see `dialbridge inbox list`."
    );
    describe_gauge!(
        "dialbridge_quarantine_unproved",
        "Bodies in quarantine that were not proved to be the platform's."
    );
    describe_counter!(
        "dialbridge_foreign_pushes_total",
        "Genuine pushes about other things than campaigns and their calls, since the start."
    );
    describe_gauge!("dialbridge_inbox_failing", "1 while pushes cannot be made durable in time.");
    describe_gauge!(
        "dialbridge_account_list_age_seconds",
        Unit::Seconds,
        "Since the account's campaigns were listed to the end."
    );
    describe_counter!("dialbridge_deliveries_created_total", "Deliveries: the sum of all states.");
    describe_gauge!("dialbridge_deliveries", "Deliveries by state: pending, delivered, dead.");
    describe_gauge!(
        "dialbridge_deliveries_oldest_pending_seconds",
        Unit::Seconds,
        "Age of the oldest delivery that is pending."
    );
    describe_gauge!(
        "dialbridge_unknown_outcomes",
        "Attempts whose outcome no table knows: see `dialbridge mappings unknown`."
    );
    describe_counter!(
        "dialbridge_ledger_verb_seconds_bucket",
        "Changes of the ledger by how long each held its writer, since this process has it open."
    );
    describe_gauge!(
        "dialbridge_ledger_verb_longest_seconds",
        Unit::Seconds,
        "The longest of them: everybody else who changes something waited for it."
    );
    describe_counter!(
        "dialbridge_ledger_repeats_total",
        "Changes that PostgreSQL ended because two waited for each other, and that were begun again."
    );
    describe_gauge!("dialbridge_destination_active", "1 while deliveries leave for it.");
}

/// What was refused at the entrance, and what is there now; of this process alone.
fn doors(entrance: &Entrance) {
    describe_counter!(
        "dialbridge_refused_total",
        "Requests and connections that were refused, by listener and reason."
    );
    describe_gauge!("dialbridge_connections", "Open connections by listener.");
    describe_gauge!(
        "dialbridge_bodies_in_flight_bytes",
        Unit::Bytes,
        "Memory that bodies of requests hold, by whose they are."
    );
    for (side, reason, count) in entrance.refusals.counts() {
        let labels = [("listener", side.as_str()), ("reason", reason.as_str())];
        counter!("dialbridge_refused_total", &labels).absolute(count);
    }
    for side in Side::ALL {
        let open = entrance.gate(side).count() as u64;
        gauge!("dialbridge_connections", "listener" => side.as_str()).set(number(open));
    }
    for (kind, bytes) in entrance.room.used_bytes() {
        let held = gauge!("dialbridge_bodies_in_flight_bytes", "of" => kind.as_str());
        held.set(number(bytes as u64));
    }
}

fn accounts(books: &Books) {
    gauge!("dialbridge_inbox_failing").set(f64::from(u8::from(books.is_failing)));
    for row in &books.inbox {
        let account = row.account.to_string();
        let rows = row.rows;
        counter!("dialbridge_pushed_rows_total", "account" => account.clone())
            .absolute(rows.received);
        for (outcome, count) in
            [("stored", rows.stored), ("merged", rows.merged), ("quarantined", rows.quarantined)]
        {
            let labels = [("account", account.clone()), ("outcome", outcome.to_owned())];
            counter!("dialbridge_processed_rows_total", &labels).absolute(count);
        }
        let of_account = books.unknown.iter().filter(|code| code.account == row.account);
        let unknown = of_account.map(|code| code.attempts).sum();
        let labels = [("account", account)];
        gauge!("dialbridge_unknown_outcomes", &labels).set(number(unknown));
        gauge!("dialbridge_inbox_waiting", &labels).set(number(row.waiting));
        gauge!("dialbridge_quarantine_unproved", &labels).set(number(row.unproved));
        gauge!("dialbridge_quarantine", &labels).set(number(row.quarantined));
        let foreign = books.foreign.get(&row.account).copied().unwrap_or_default();
        counter!("dialbridge_foreign_pushes_total", &labels).absolute(foreign);
        let age = row.oldest_waiting.map_or(0.0, |at| books.age_s(at));
        gauge!("dialbridge_inbox_oldest_waiting_seconds", &labels).set(age);
    }
    for account in &books.accounts {
        if let Some(age) = account.stale_s {
            let labels = [("account", account.account.to_string())];
            gauge!("dialbridge_account_list_age_seconds", &labels).set(number(age));
        }
    }
}

fn destinations(books: &Books) {
    for row in &books.destinations {
        let name = row.destination.name.clone();
        let labels = [("destination", name.clone())];
        counter!("dialbridge_deliveries_created_total", &labels).absolute(row.created);
        for (state, count) in
            [("pending", row.pending()), ("delivered", row.delivered), ("dead", row.dead)]
        {
            let labels = [("destination", name.clone()), ("state", state.to_owned())];
            gauge!("dialbridge_deliveries", &labels).set(number(count));
        }
        let since = books.pending_since.get(&row.destination.uuid);
        let age = since.map_or(0.0, |at| books.age_s(*at));
        gauge!("dialbridge_deliveries_oldest_pending_seconds", &labels).set(age);
        let is_active = row.destination.is_active();
        gauge!("dialbridge_destination_active", &labels).set(f64::from(u8::from(is_active)));
    }
}

/// A histogram that others keep: its classes add up.
fn held(books: &Books) {
    let times = books.held;
    let bounds = BOUNDS_MS.iter().map(|bound| Duration::from_millis(*bound).as_secs_f64());
    let names = bounds.map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
    let mut count = 0;
    for (name, class) in names.zip(times.classes) {
        count += class;
        counter!("dialbridge_ledger_verb_seconds_bucket", "le" => name).absolute(count);
    }
    counter!("dialbridge_ledger_verb_seconds_count").absolute(count);
    gauge!("dialbridge_ledger_verb_seconds_sum").set(times.sum.as_secs_f64());
    gauge!("dialbridge_ledger_verb_longest_seconds").set(times.longest.as_secs_f64());
    counter!("dialbridge_ledger_repeats_total").absolute(times.repeats);
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn number(count: u64) -> f64 {
    count as f64
}
