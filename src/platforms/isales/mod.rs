//! Huawei CC-iSales: a campaign is `vdnId` + `campaignId`; every request is signed (C2).

pub mod auth;
pub mod callback;
pub mod client;
pub mod convert;
pub mod wire;
