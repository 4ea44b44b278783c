//! Results as the gateway has recorded them: what it shows while their platform cannot answer.

use serde_json::{Value, json};

use super::{Reply, TestApp, VDN};

impl TestApp {
    /// Does something while CC-iSales answers nothing that can be read.
    pub async fn without_isales<T>(&self, work: impl AsyncFnOnce() -> T) -> T {
        self.isales.faults.set("malformed".parse().unwrap());
        let done = work().await;
        self.isales.faults.set("".parse().unwrap());
        done
    }

    /// The recorded attempts of a campaign of CC-iSales, as its clients see them.
    pub async fn recorded(&self, campaign: i64) -> Vec<Value> {
        let path = format!("v1/openapi/campaigns/{VDN}/callresult/{campaign}");
        let query = json!({"showDetail": 1, "pageSize": 100, "pageNum": 1});
        let ask = async || self.cc("POST", &path, Some(query)).await;
        recorded_rows(&self.without_isales(ask).await)
    }
}

/// Whose an answer is that is not the platform's.
pub fn source(reply: &Reply) -> Option<&str> {
    reply.headers.get("x-dialbridge-source").map(|source| source.to_str().unwrap())
}

/// The rows of an answer that must be the ledger's. That it has none is told as the platform's silence.
pub fn recorded_rows(reply: &Reply) -> Vec<Value> {
    if reply.status == 503 {
        return Vec::new();
    }
    assert_eq!(source(reply), Some("ledger"));
    reply.json()["data"].as_array().unwrap().clone()
}
