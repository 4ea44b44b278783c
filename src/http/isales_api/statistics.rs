//! Daily statistics (reference 4.5): the platform's own, or counted from what is recorded.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::ids::{CampaignKey, CampaignNumber, PublicPair};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::route::Route;
use crate::gateway::statistics::{CampaignStatistics, Counters};
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::error::{BrokenRule, COMBINATION, Doing, WRONG_VALUE};
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Body, Facade, relay};
use crate::platforms::Operation;

pub async fn daily(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Statistics, |call| async move {
            let vdn = fields::vdn(call.request)?;
            let query = Fields::of_query(call.request);
            let number = query.integer("campaignId")?.map(CampaignNumber::new).transpose();
            let number = number
                .map_err(|invalid| BrokenRule::new(WRONG_VALUE, "campaignId", invalid.rule))?;
            if query.text("batchId", 200)?.is_some() && number.is_none() {
                let rule = "it needs campaignId";
                return Err(BrokenRule::new(COMBINATION, "batchId", rule).into());
            }
            let account = call.gateway.account_of_vdn(&call.asked, vdn);
            let account = account.ok_or(GatewayError::NotFound(Noun::Campaign))?;
            let operation = Operation::Statistics;
            if call.gateway.route_on(&call.asked, &account, operation)? == Route::Native {
                return relay::pass(&call, Target::Account(account), operation).await;
            }
            let key = number.map(|number| CampaignKey::Pair(PublicPair { vdn, number }));
            let label = query.text("batchId", 200)?.map(String::from);
            let counted = call.gateway.statistics_of_vdn(&call.asked, vdn, key, label).await?;
            let rows: Vec<Value> = counted.iter().filter_map(row).collect();
            let answer = Success::new("")?.with("countDetail", &rows)?;
            Ok(super::json(answer.bytes()))
        })
        .await
}

/// A contact that has been called counts as called once, however often it was tried.
fn row(statistics: &CampaignStatistics) -> Option<Value> {
    let campaign = statistics.identity.pair?.number;
    let mut row = counters(&statistics.counted.all);
    let batches = statistics.counted.by_label.iter().map(|(label, counted)| {
        let mut batch = counters(counted);
        batch["batchId"] = json!(label);
        batch
    });
    row["campaignId"] = json!(campaign.to_string());
    row["batchDetail"] = batches.collect();
    Some(row)
}

fn counters(counted: &Counters) -> Value {
    json!({
        "unCallCount": counted.waiting,
        "calledCount": counted.dialed_today,
        "finishCount": counted.finished_today,
        "totalCalledCount": counted.dialed,
        "totalCallSucc": counted.succeeded,
        "totalFinishCount": counted.finished,
        "totalCount": counted.contacts,
        "dailyCalledCount": counted.dialed_today,
        "dailyCallSucc": counted.succeeded_today,
        "dailyFinishCount": counted.finished_today,
        "dailyCount": counted.added_today,
    })
}
