//! C2: the vectors of reference 2.4, and everything that fails with 401 and an empty body.

use super::*;

const HOST: &str = "isales.example.com:28443";
const A: &str = "32d0ef8ed016f86de3eed128e9bfd0c8accb9af8cdc6d586330e3f0f4dabc5d2";
const A_QUERY_LINE: &str = "27f929c484054d8e8f811ff7f029d84f5c77c7d996420f80309f4cfef95580dc";
const B: &str = "af13fb47ef1e3cf26f61c187d756387699d200c5c64c4b551aec56a55cfdd16a";
const C: &str = "da634c8b82768f0d5139de87317c52776c75e6e5179883b2a3804a3ca0501813";
const D: &str = "4284f6bb0fb3d2fcbe6146cc35ef0b3fe8ebea2750a54530e26b9a6c9ed53488";
const D_QUERY_LINE: &str = "374224ddfd8206d34157f21d3e0e6508d292e46dd2380289aefeee2a9fc493b0";
const MILLIS: &str = "2024-01-02T03:04:05.678Z";
const SECONDS: &str = "2024-01-02T03:04:05Z";
const THREE: &str = "content-length;content-type;host";
const BODY: &str = r#"{"sessionId":"1202_test013","pageSize":500,"pageNum":1}"#;
const DETAIL: &str = "/rest/isales/v1/openapi/campaigns/11/146";
const RESULTS: &str = "/rest/isales/v1/openapi/campaigns/11/callresult/3";

fn authorization(time: &str, names: &str, signature: &str) -> String {
    format!("auth-v2/{ACCESS_KEY}/{time}/{names}/{signature}")
}

/// A request with this `Authorization`, under the host of the vectors.
async fn status(sim: &Sim, (method, path): (&str, &str), value: &str, body: &str) -> u16 {
    let url = format!("{}{path}", sim.running.base_url());
    let response = sim
        .http
        .request(method.parse().unwrap(), url)
        .header("host", HOST)
        .header("authorization", value)
        .header("content-type", "application/json; charset=UTF-8")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert!(status != 401 || text.is_empty(), "a 401 has no body");
    status
}

#[tokio::test]
async fn the_vectors_of_the_reference_pass() {
    let sim = Sim::virtual_clock().await;
    let get = ("GET", DETAIL);
    assert_eq!(status(&sim, get, &authorization(MILLIS, "host", A), "").await, 200);
    assert_eq!(status(&sim, get, &authorization(MILLIS, "host", A_QUERY_LINE), "").await, 200);
    let query = "/rest/isales/v1/openapi/campaigns/11?name=%E5%8D%81%E4%B8%80+a%2Bb&status=0\
        &deviceType=0&beginTime=2024-01-01%2000:00:00&endTime=&curPage=1&rowsPerPage=10";
    let list = ("GET", query);
    assert_eq!(status(&sim, list, &authorization(MILLIS, "host", B), "").await, 200);
    let post = ("POST", RESULTS);
    assert_eq!(status(&sim, post, &authorization(SECONDS, "host", C), BODY).await, 200);
    assert_eq!(status(&sim, post, &authorization(MILLIS, THREE, D), BODY).await, 200);
    let variant = authorization(MILLIS, THREE, D_QUERY_LINE);
    assert_eq!(status(&sim, post, &variant, BODY).await, 200);
}

#[tokio::test]
async fn what_does_not_fit_is_401_without_a_body() {
    let sim = Sim::virtual_clock().await;
    let get = ("GET", DETAIL);
    let good = authorization(MILLIS, "host", A);
    for bad in [
        String::new(),
        good.replace("auth-v2", "auth-v1"),
        good.replace(ACCESS_KEY, "AKUNKNOWN"),
        good.replace(ACCESS_KEY, OTHER_ACCESS_KEY),
        good.replace("/host/", "/"),
        good.replace("/host/", "/content-type/"),
        good.replace(MILLIS, SECONDS),
        good.replace(A, C),
        format!("{good}/more"),
    ] {
        assert_eq!(status(&sim, get, &bad, "").await, 401, "{bad}");
    }
    assert_eq!(status(&sim, ("PUT", DETAIL), &good, "").await, 401);
    let changed = BODY.replace("500", "499");
    assert_eq!(
        status(&sim, ("POST", RESULTS), &authorization(SECONDS, "host", C), &changed).await,
        401
    );
}

#[tokio::test]
async fn the_empty_query_line_can_be_required_or_forbidden() {
    let sim = Sim::virtual_clock().await;
    let get = ("GET", DETAIL);
    let without = authorization(MILLIS, "host", A);
    let with_line = authorization(MILLIS, "host", A_QUERY_LINE);
    sim.switch(json!({ "empty_query_line": "required" })).await;
    assert_eq!(status(&sim, get, &without, "").await, 401);
    assert_eq!(status(&sim, get, &with_line, "").await, 200);
    sim.switch(json!({ "empty_query_line": "forbidden" })).await;
    assert_eq!(status(&sim, get, &without, "").await, 200);
    assert_eq!(status(&sim, get, &with_line, "").await, 401);
    assert_eq!(
        sim.code("GET", "v1/openapi/campaigns/11?status=0&deviceType=0", None).await,
        "0200000"
    );
}

#[tokio::test]
async fn a_time_window_can_be_switched_on_and_skewed() {
    let sim = Sim::virtual_with(|options| {
        options.clock = Clock::virtual_at(at("2024-01-02T03:04:05Z"), 1);
    })
    .await;
    let get = ("GET", DETAIL);
    let value = authorization(MILLIS, "host", A);
    sim.switch(json!({ "timestamp_window_s": 900 })).await;
    assert_eq!(status(&sim, get, &value, "").await, 200);
    let skewed = sim.http.post(format!("{}/_sim/faults", sim.running.base_url()));
    assert_eq!(skewed.body("skew=20m").send().await.unwrap().status(), 200);
    assert_eq!(status(&sim, get, &value, "").await, 401);
    sim.switch(json!({ "timestamp_window_s": 0 })).await;
    assert_eq!(status(&sim, get, &value, "").await, 200);
}

#[tokio::test]
async fn a_foreign_vdn_is_refused() {
    let sim = Sim::virtual_clock().await;
    let path = "v1/openapi/campaigns/11?status=0&deviceType=0";
    let (status, text) = sim.send(&other_tenant(), ("GET", path), None).await;
    assert_eq!(status, 200);
    assert!(text.contains("0200001") && text.contains("vdnId"), "{text}");
    sim.switch(json!({ "foreign_vdn_unauthorized": true })).await;
    let (status, text) = sim.send(&other_tenant(), ("GET", path), None).await;
    assert_eq!((status, text.as_str()), (401, ""));
    let own = "v1/openapi/campaigns/22?status=0&deviceType=0";
    assert_eq!(sim.send(&other_tenant(), ("GET", own), None).await.0, 200);
}
