//! External result codes (reference 7). A home of this platform has its tenant's own; for another
//! home they are made from the table of fail codes, one to one, and cannot be changed.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::ids::VdnId;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::Route;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::error::{BrokenRule, Doing, Refused, WRONG_VALUE};
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Body, Call, Facade, relay};
use crate::platforms::isales::convert;
use crate::platforms::{ConvertContext, Operation};

/// Rows of a page (reference 7.1).
const MAX_ROWS: i64 = 50;
/// The only external code that the pages name: success.
const SUCCESS: &str = "OB99999";

/// A fail code with its external code.
struct Row {
    fail_code: String,
    external: String,
    display: String,
}

pub async fn list_codes(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Vdn, |call| {
            page(
                call,
                "obsCodes",
                |_, row| json!({"obsCode": row.external, "obsCodeDesc": row.display}),
            )
        })
        .await
}

pub async fn list_results(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Vdn, |call| {
            page(call, "data", |number, row| {
                json!({
                    "displayResult": row.display,
                    "resultCode": row.external,
                    "defId": number.to_string(),
                })
            })
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Vdn, |call| async move {
            let Some((vdn, context)) = emulated(&call)? else {
                return relay::vdn(call, Operation::ResultCodeQuery).await;
            };
            let number = call.request.match_info().query("def").parse::<usize>();
            let number = number.map_err(|_| {
                BrokenRule::new(WRONG_VALUE, "defId", "a definition's number is expected")
            })?;
            let rows = rows(&context);
            let row = number.checked_sub(1).and_then(|place| rows.get(place));
            let row = row.ok_or_else(|| GatewayError::invalid("defId", "it does not exist"))?;
            let vdn = vdn.get();
            let shown = json!({
                "defId": number.to_string(), "displayResult": row.display, "vdnId": vdn,
                "resultCode": row.external,
                "resultMapList": [{
                    "mapId": number.to_string(), "defId": number.to_string(),
                    "failCode": row.fail_code, "vdnId": vdn,
                }],
            });
            Ok(super::json(Success::new("")?.with("obResult", &shown)?.bytes()))
        })
        .await
}

/// The external code of an attempt on a home that has none.
pub fn external(fail_code: &str) -> String {
    match fail_code {
        "0" | "00000" => SUCCESS.to_owned(),
        code => format!("OB{code}"),
    }
}

async fn page(
    call: Call<'_>,
    name: &str,
    show: impl Fn(usize, &Row) -> Value,
) -> Result<HttpResponse, Refused> {
    let Some((_, context)) = emulated(&call)? else {
        return relay::vdn(call, Operation::ResultCodeQuery).await;
    };
    let query = Fields::of_query(call.request);
    let size = query.required_within("pageSize", (1, MAX_ROWS))?;
    let number = query.required_within("pageNum", (1, i64::from(i32::MAX)))?;
    let (size, number) = (usize_of(size), usize_of(number));
    let rows = rows(&context);
    let shown: Vec<Value> = rows
        .iter()
        .enumerate()
        .skip((number - 1).saturating_mul(size))
        .take(size)
        .map(|(place, row)| show(place + 1, row))
        .collect();
    let answer = Success::new("")?.with("totalCount", &rows.len())?.with(name, &shown)?;
    Ok(super::json(answer.bytes()))
}

/// The VDN and what is known of its account, where the home has no external codes.
fn emulated(call: &Call<'_>) -> Result<Option<(VdnId, Arc<ConvertContext>)>, Refused> {
    let vdn = fields::vdn(call.request)?;
    let account = call.gateway.account_of_vdn(&call.asked, vdn);
    let account = account.ok_or(GatewayError::NotFound(Noun::Campaign))?;
    match call.gateway.route_on(&call.asked, &account, Operation::ResultCodeQuery)? {
        Route::Native => Ok(None),
        _ => Ok(Some((vdn, call.gateway.context_on(&account)?))),
    }
}

fn rows(context: &ConvertContext) -> Vec<Row> {
    let codes = convert::fail_codes(context).into_iter();
    codes
        .map(|(fail_code, display)| Row { external: external(&fail_code), fail_code, display })
        .collect()
}

fn usize_of(count: i64) -> usize {
    usize::try_from(count).unwrap_or(1).max(1)
}
