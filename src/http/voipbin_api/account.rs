//! The client itself: `/me` and `/customer`, which says where its webhooks go (reference 1.2, 10.2,
//! 11.2).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::gateway::error::{GatewayError, Refusal};
use crate::gateway::exchange::Target;
use crate::http::document::Document;
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::{Body, Call, Facade, json, unreadable};
use crate::platforms::{Exchange, Operation};

/// Ids of agents and customers that exist here alone are derived from this.
const NAMESPACE: Uuid = Uuid::from_u128(0x0d3c_1a52_77f4_5e0b_8a6d_b1c9_24e0_5f3a);
/// Customer admin, which is what an access key acts as.
const PERMISSION: u32 = 32;

/// Real access keys have no self (HEAD answers them 403); programs that check their key with it are
/// answered all the same.
#[derive(Serialize)]
struct Agent<'a> {
    id: Uuid,
    customer_id: Uuid,
    username: &'a str,
    name: &'a str,
    detail: &'static str,
    ring_method: &'static str,
    status: &'static str,
    permission: u32,
    tag_ids: [Uuid; 0],
    addresses: [Uuid; 0],
    tm_create: Option<String>,
    tm_update: Option<String>,
    tm_delete: Option<String>,
}

/// A client without a VoIPBin account is its own customer.
#[derive(Serialize)]
struct Customer<'a> {
    id: Uuid,
    name: &'a str,
    detail: &'static str,
    email: &'static str,
    phone_number: &'static str,
    address: &'static str,
    webhook_method: &'static str,
    webhook_uri: &'a str,
    tm_create: Option<String>,
    tm_update: Option<String>,
    tm_delete: Option<String>,
}

pub async fn me(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Account, |call| async move {
            let client = &call.asked.client;
            let profile = call.profile;
            let agent = Agent {
                id: Uuid::new_v5(&NAMESPACE, format!("agent/{}", client.name).as_bytes()),
                customer_id: own_customer(&call).unwrap_or_default(),
                username: &client.name,
                name: &client.name,
                detail: "",
                ring_method: "ringall",
                status: "available",
                permission: PERMISSION,
                tag_ids: [],
                addresses: [],
                tm_create: profile.never(),
                tm_update: profile.never(),
                tm_delete: profile.never(),
            };
            Ok(json(serde_json::to_vec(&agent).map_err(unreadable)?.into()))
        })
        .await
}

/// What a PUT replaces: all of it, so all of it is given (reference 10.2).
#[derive(Deserialize)]
struct Settings {
    name: String,
    detail: String,
    email: String,
    phone_number: String,
    address: String,
    webhook_method: String,
    webhook_uri: String,
}

impl Settings {
    /// What has nothing to do with webhooks.
    fn of_the_customer(&self) -> [(&'static str, &str); 5] {
        [
            ("name", &self.name),
            ("detail", &self.detail),
            ("email", &self.email),
            ("phone_number", &self.phone_number),
            ("address", &self.address),
        ]
    }
}

const METHODS: [&str; 5] = ["POST", "GET", "PUT", "DELETE", ""];
/// The method by which the gateway passes webhooks on.
const PASSED_ON_BY: &str = "POST";

pub async fn customer(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Account, |call| async move {
            if let Some(id) = own_customer(&call) {
                return Ok(json(synthetic(id, &call).await?));
            }
            let body = own_document(&call).await?;
            Ok(json(native(&body, &call).await?))
        })
        .await
}

/// Where the client's webhooks go: those of its own account, and results of its other ones. Where the
/// account's are pushed to the gateway the platform is not told the client's address.
pub async fn set_customer(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Account, |call| async move {
            let settings: Settings = call.body(&body)?;
            if !METHODS.contains(&&*settings.webhook_method) {
                let rule = "POST, GET, PUT, DELETE or nothing is expected";
                return Err(GatewayError::invalid("webhook_method", rule).into());
            }
            match own_customer(&call) {
                Some(id) => {
                    let url = passed_on(&call, &settings).await?;
                    call.gateway.set_account_results(&call.asked, url, false).await?;
                    Ok(json(synthetic(id, &call).await?))
                }
                None => Ok(json(Box::pin(set_native(&call, settings)).await?)),
            }
        })
        .await
}

async fn set_native(call: &Call<'_>, settings: Settings) -> Result<Bytes, Refused> {
    let present = own_document(call).await?;
    let present = Document::parse(&present).map_err(unreadable)?;
    let changes =
        |(member, value): &(&str, &str)| present.text(member).unwrap_or_default() != *value;
    let path = ["customer".to_owned()];
    let may = call.pass_through.iter().any(|rule| rule.allows("PUT", &path));
    if !may && settings.of_the_customer().iter().any(changes) {
        return Err(GatewayError::Forbidden(Refusal::NotPassedThrough).into());
    }
    let present = present.text("webhook_uri").unwrap_or_default();
    let ours = call.gateway.own_push_address(&call.asked, &present)?;
    let url = match &ours {
        Some(_) => passed_on(call, &settings).await?,
        None => match Url::parse(&settings.webhook_uri) {
            Ok(url) => Some(url),
            Err(_) if settings.webhook_uri.is_empty() => None,
            Err(_) => return Err(GatewayError::invalid("webhook_uri", "it is no address").into()),
        },
    };
    let (uri, method) = match &ours {
        Some(ours) => (ours.as_str(), PASSED_ON_BY),
        None => (&*settings.webhook_uri, &*settings.webhook_method),
    };
    let mut members: Vec<_> = settings.of_the_customer().into_iter().collect();
    members.extend([("webhook_method", method), ("webhook_uri", uri)]);
    let body: serde_json::Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    // Whom to tell is known before anything comes.
    call.gateway.set_account_results(&call.asked, url, ours.is_some()).await?;
    let target = Target::Account(call.gateway.own_account(&call.asked)?);
    let ask = Exchange::new(Operation::AccountModify, "PUT", "/customer");
    let ask = ask.with_body(serde_json::to_vec(&body).map_err(unreadable)?);
    let answer = call.gateway.exchange(&call.asked, target, ask).await?;
    Ok(native(&answer.body, call).await?)
}

/// The address that the gateway is to pass webhooks on to; None: nowhere.
async fn passed_on(call: &Call<'_>, settings: &Settings) -> Result<Option<Url>, GatewayError> {
    if settings.webhook_uri.is_empty() {
        return Ok(None);
    }
    if settings.webhook_method != PASSED_ON_BY {
        let rule = "the gateway passes webhooks on by POST";
        return Err(GatewayError::invalid("webhook_method", rule));
    }
    let url = call.gateway.check_result_address(&settings.webhook_uri).await;
    url.map(Some).map_err(|why| GatewayError::invalid("webhook_uri", &why))
}

async fn own_document(call: &Call<'_>) -> Result<Bytes, GatewayError> {
    let target = Target::Account(call.gateway.own_account(&call.asked)?);
    let ask = Exchange::new(Operation::AccountDetail, "GET", "/customer");
    Ok(call.gateway.exchange(&call.asked, target, ask).await?.body)
}

/// The customer that stands for a client without a VoIPBin account.
fn own_customer(call: &Call<'_>) -> Option<Uuid> {
    let client = &call.asked.client;
    let account = client.create_on.as_ref().or(client.accounts.first())?;
    let has_own = !call.gateway.accounts_of_own_platform(&call.asked).is_empty();
    let name = format!("customer/{account}");
    (!has_own).then(|| Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}

/// As the platform says it. The secret that signs the account's webhooks is the gateway's to check
/// them with, and no client's.
async fn native(body: &[u8], call: &Call<'_>) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(body).map_err(unreadable)?;
    document.replace("webhook_secret", &"").map_err(unreadable)?;
    let shown = document.text("webhook_uri").unwrap_or_default();
    if call.gateway.is_pushed_here(&call.asked, &shown)? {
        let own = call.gateway.account_results(&call.asked).await?;
        let own = own.as_ref().map_or("", Url::as_str);
        document.replace("webhook_uri", &own).map_err(unreadable)?;
        document.replace("webhook_method", &method_of(own)).map_err(unreadable)?;
    }
    call.profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn method_of(address: &str) -> &'static str {
    if address.is_empty() { "" } else { PASSED_ON_BY }
}

async fn synthetic(id: Uuid, call: &Call<'_>) -> Result<Bytes, GatewayError> {
    let profile = call.profile;
    let own = call.gateway.account_results(&call.asked).await?;
    let own = own.as_ref().map_or("", Url::as_str);
    let customer = Customer {
        id,
        name: &call.asked.client.name,
        detail: "",
        email: "",
        phone_number: "",
        address: "",
        webhook_method: method_of(own),
        webhook_uri: own,
        tm_create: profile.never(),
        tm_update: profile.never(),
        tm_delete: profile.never(),
    };
    Ok(serde_json::to_vec(&customer).map_err(unreadable)?.into())
}
