//! Copying the ledger.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::ApiScope;
use crate::http::api::Api;
use crate::http::api::bodies::ProblemDocument;

#[derive(Serialize, ToSchema)]
pub struct Backup {
    /// On the gateway's machine. It holds phone numbers.
    pub file: String,
}

/// Copies the ledger as it is now into `backup.directory`. (It may go on after a slow answer.)
#[utoipa::path(post, path = "/api/v1/backup", tag = "operation", responses(
    (status = 200, body = Backup),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn start(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Operate, async |call| {
        let file = call.gateway.backup(call.view()).await?;
        Ok(Backup { file: file.display().to_string() })
    })
    .await
}
