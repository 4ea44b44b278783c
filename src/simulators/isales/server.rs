//! One request from its bytes to its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::Release;
use super::answer::{GENERIC, Operation, Outcome, Refusal, WRONG_TYPE, WRONG_VALUE};
use super::auth::{self, Keys};
use super::checks::Findings;
use super::checks::Whole;
use super::routes::{self, Route};
use super::world::World;
use super::{
    Simulation, batches, blacklist, campaigns, contacts, definitions, policies, results,
    special_dates,
};

/// The text of a 429 (4.5).
pub(super) const TOO_OFTEN: &str = "Do not operate so often.";
/// A query beyond this many parameters is cut; no operation has as many.
const MAX_QUERY_PARAMETERS: usize = 64;

/// A request that is somebody's, with its path checked.
pub(super) struct Request {
    pub operation: Operation,
    pub vdn: i64,
    /// 0 where the operation is about the whole VDN.
    pub campaign: i64,
    pub item: String,
    pub query: BTreeMap<String, String>,
    /// Null without a body; an error when it is not JSON.
    pub body: Result<Value, String>,
    pub now: Timestamp,
}

/// The default service: everything outside `/_sim/`.
pub(super) async fn handle(
    http: HttpRequest,
    simulation: web::Data<Simulation>,
    body: Bytes,
) -> HttpResponse {
    let now = simulation.now();
    let switches = simulation.world().switches.clone();
    let wall = simulation.clock.wall() + simulation.faults.skew();
    let Some(keys) = auth::authenticate(&simulation.tenants, &http, &body, (&switches, wall))
    else {
        return HttpResponse::Unauthorized().finish();
    };
    let Some(route) = routes::recognise(http.method().as_str(), http.path()) else {
        return HttpResponse::NotFound().finish();
    };
    if !is_released(route.operation, simulation.world().setup.release) {
        return HttpResponse::NotFound().finish();
    }
    let operation = route.operation;
    let request = match Request::read(&route, &http, &body, now) {
        Ok(request) => request,
        Err(refusal) => return json(&refusal.on(operation).body()),
    };
    if !keys.vdns.contains(&request.vdn) {
        return foreign_vdn(keys, operation, switches.foreign_vdn_unauthorized);
    }
    if operation == Operation::Results {
        return result_query(&simulation, &request, switches.result_query_ms).await;
    }
    let answer = respond(&mut simulation.world(), &request);
    simulation.changed.notify_one();
    answer
}

fn respond(world: &mut World, request: &Request) -> HttpResponse {
    let operation = request.operation;
    world.run_until(request.now);
    if operation == Operation::Statistics && !contacts::may_count(world, request) {
        return HttpResponse::TooManyRequests().body(TOO_OFTEN);
    }
    let outcome = if world.switches.database_down {
        Err(operation.database_error())
    } else {
        dispatch(world, request)
    };
    match outcome {
        Ok(answer) => json(&answer.body(operation, &world.switches)),
        Err(refusal) => json(&refusal.on(operation).body()),
    }
}

fn dispatch(world: &mut World, request: &Request) -> Outcome {
    use Operation as O;
    match request.operation {
        O::CreateV1 | O::CreateV2 => campaigns::create(world, request),
        O::ModifyV1 | O::ModifyV2 => campaigns::modify(world, request),
        O::Delete => campaigns::delete(world, request),
        O::Detail => campaigns::detail(world, request),
        O::List => campaigns::list(world, request),
        O::Pause => campaigns::pause(world, request),
        O::Resume => campaigns::resume(world, request),
        O::SetRetryPolicy => policies::set_retry(world, request),
        O::QueryRetryPolicy => policies::query_retry(world, request),
        O::AddCallers => policies::add_callers(world, request),
        O::DeleteCallers => policies::delete_callers(world, request),
        O::AddNumbersV1 | O::AddNumbersV2 => contacts::add(world, request),
        O::DeleteNumbers => contacts::delete(world, request),
        O::QueryRecord => contacts::query(world, request),
        O::Statistics => contacts::statistics(world, request),
        O::Results => results::query(world, request),
        O::ResultDetail => results::detail(world, request),
        O::ListCodes => definitions::codes(world, request),
        O::CreateExternal => definitions::create_external(world, request),
        O::ListExternal => definitions::external(world, request),
        O::ExternalDetail => definitions::external_detail(world, request),
        O::AddBusiness => definitions::add_business(world, request),
        O::ListBusiness => definitions::business(world, request),
        O::WriteBack => results::write_back(world, request),
        O::BlockAdd => blacklist::add(world, request),
        O::BlockRemove => blacklist::remove(world, request),
        O::BlockEmpty => blacklist::empty(world, request),
        O::BlockQuery => blacklist::query(world, request),
        O::ListDates => special_dates::list(world, request),
        O::AddDate => special_dates::add(world, request),
        O::ModifyDate => special_dates::modify(world, request),
        O::DeleteDate => special_dates::delete(world, request),
        O::DeleteDates => special_dates::delete_all(world, request),
        O::CreateBatch => batches::create(world, request),
        O::PauseBatch => batches::pause(world, request),
        O::ResumeBatch => batches::resume(world, request),
        O::ListBatches => batches::list(world, request),
    }
}

/// Result queries are counted, and may be made to take time, so that too many at once show.
async fn result_query(simulation: &Simulation, request: &Request, takes_ms: u64) -> HttpResponse {
    let refused = {
        let mut world = simulation.world();
        world.result_queries += 1;
        let too_many = world.result_queries > world.setup.limits.concurrent_result_queries;
        if too_many {
            world.journal.event(results::too_many_at_once(request));
        }
        too_many && world.switches.limit_result_queries
    };
    let _counted = ResultQuery(simulation);
    if refused {
        return HttpResponse::TooManyRequests().body(TOO_OFTEN);
    }
    if takes_ms > 0 {
        simulation.clock.sleep(Duration::from_millis(takes_ms)).await;
    }
    respond(&mut simulation.world(), request)
}

/// Counts down also when the client goes away.
struct ResultQuery<'a>(&'a Simulation);

impl Drop for ResultQuery<'_> {
    fn drop(&mut self) {
        let mut world = self.0.world();
        world.result_queries = world.result_queries.saturating_sub(1);
    }
}

impl Request {
    fn read(
        route: &Route<'_>,
        http: &HttpRequest,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let vdn = path_integer("vdnId", route.vdn, Whole::required(1, 9_999))?;
        let campaign = match route.campaign {
            Some(text) => path_integer("campaignId", text, Whole::required(1, i64::MAX))?,
            None => 0,
        };
        let query = url::form_urlencoded::parse(http.query_string().as_bytes());
        let body = if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(body).map_err(|_| "must be JSON".to_owned())
        };
        Ok(Self {
            operation: route.operation,
            vdn,
            campaign,
            item: route.item.to_owned(),
            query: query.into_owned().take(MAX_QUERY_PARAMETERS).collect(),
            body,
            now,
        })
    }

    /// A query parameter, when it is there and not empty.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// An integer parameter; missing ones are the caller's business.
    pub(super) fn integer(&self, found: &mut Findings, name: &str) -> Option<i64> {
        let text = self.parameter(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            found.note(WRONG_TYPE, name, "must be an integer");
        }
        number
    }

    /// `pageSize` 1–50 and `pageNum` from 1, both mandatory (7, 8). Returns rows to skip and take.
    pub(super) fn page(&self) -> Result<(usize, usize), Refusal> {
        let mut found = Findings::default();
        let mut read = |name: &str, max: i64| {
            if self.parameter(name).is_none() {
                found.note(super::answer::EMPTY, name, "must be given");
            }
            let number = self.integer(&mut found, name)?;
            if !(1..=max).contains(&number) {
                found.note(WRONG_VALUE, name, &format!("must be from 1 to {max}"));
            }
            usize::try_from(number).ok()
        };
        let (size, number) = (read("pageSize", 50), read("pageNum", i64::from(i32::MAX)));
        found.done()?;
        let (size, number) = (size.unwrap_or(1), number.unwrap_or(1));
        Ok((size.saturating_mul(number.saturating_sub(1)), size))
    }
}

fn path_integer(name: &str, text: &str, rule: Whole) -> Result<i64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text
        .parse::<i64>()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| Refusal::new(WRONG_TYPE, format!("{name}: must be an integer")))?;
    let mut found = Findings::default();
    rule.check(&mut found, name, number);
    found.done().map(|()| number)
}

/// No page says what a VDN of somebody else gives.
fn foreign_vdn(_keys: &Keys, operation: Operation, unauthorized: bool) -> HttpResponse {
    if unauthorized {
        return HttpResponse::Unauthorized().finish();
    }
    let refusal = Refusal::new(GENERIC, "vdnId: does not belong to this access key");
    json(&refusal.on(operation).body())
}

/// Batches came with 2025-11.
fn is_released(operation: Operation, release: Release) -> bool {
    use Operation as O;
    let is_batch =
        matches!(operation, O::CreateBatch | O::PauseBatch | O::ResumeBatch | O::ListBatches);
    release == Release::Y2025 || !is_batch
}

fn json(body: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json;charset=UTF-8"))
        .body(body.to_string())
}
