//! The client itself: `GET /me` and `GET /customer` (reference 1.2, 10.2, 11.2).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::gateway::error::GatewayError;
use crate::gateway::exchange::Target;
use crate::http::document::Document;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Call, Facade, json, unreadable};
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
    webhook_uri: &'static str,
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

pub async fn customer(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Account, |call| async move {
            if let Some(id) = own_customer(&call) {
                return Ok(json(synthetic(id, &call)?));
            }
            let target = Target::Account(call.gateway.own_account(&call.asked)?);
            let ask = Exchange::new(Operation::AccountDetail, "GET", "/customer");
            let answer = call.gateway.exchange(&call.asked, target, ask).await?;
            Ok(json(native(&answer.body, call.profile)?))
        })
        .await
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
fn native(body: &[u8], profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(body).map_err(unreadable)?;
    document.replace("webhook_secret", &"").map_err(unreadable)?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn synthetic(id: Uuid, call: &Call<'_>) -> Result<Bytes, GatewayError> {
    let profile = call.profile;
    let customer = Customer {
        id,
        name: &call.asked.client.name,
        detail: "",
        email: "",
        phone_number: "",
        address: "",
        webhook_method: "",
        webhook_uri: "",
        tm_create: profile.never(),
        tm_update: profile.never(),
        tm_delete: profile.never(),
    };
    Ok(serde_json::to_vec(&customer).map_err(unreadable)?.into())
}
