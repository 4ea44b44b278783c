//! Which request means which operation, and what operations have in common: ids in the path, bodies
//! read the way the real server reads them, owners, pages (VB 1.2 to 1.5).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::ApiError;
use super::auth::Caller;
use super::world::{Action, Address, MAX_ROWS, Row, Table, World};
use super::{Profile, account, campaigns, outdials, outplans};

/// The most rows on a page, and the default at HEAD.
const MAX_PAGE_SIZE: i64 = 100;
/// The default until 2025-01.
const SEED_PAGE_SIZE: i64 = 10;

/// One request that has been admitted.
pub struct Request<'a> {
    pub caller: Caller,
    /// The texts between the slashes after `/v1.0`.
    pub segments: Vec<&'a str>,
    pub query: Vec<(String, String)>,
    pub body: &'a [u8],
}

pub type Operation = fn(&mut World, &Request) -> Result<Value, ApiError>;

/// The operation of a path below `/v1.0`; an unknown path and a wrong method are both None.
pub fn operation(method: &str, segments: &[&str]) -> Option<Operation> {
    let operation: Operation = match (method, segments) {
        ("GET", ["me"]) => account::me,
        ("GET", ["customer"]) => account::get_customer,
        ("PUT", ["customer"]) => account::put_customer,
        ("GET", ["queues"]) => account::list_queues,
        ("GET", ["queues", _]) => account::get_queue,
        ("GET", ["calls", _]) => account::get_call,
        ("GET", ["campaigncalls"]) => account::list_campaigncalls,
        ("GET", ["campaigncalls", _]) => account::get_campaigncall,
        ("DELETE", ["campaigncalls", _]) => account::delete_campaigncall,
        ("GET", ["campaigns"]) => campaigns::list,
        ("POST", ["campaigns"]) => campaigns::create,
        ("GET", ["campaigns", _]) => campaigns::get,
        ("PUT", ["campaigns", _]) => campaigns::put,
        ("DELETE", ["campaigns", _]) => campaigns::delete,
        ("PUT", ["campaigns", _, "status"]) => campaigns::put_status,
        ("PUT", ["campaigns", _, "service_level"]) => campaigns::put_service_level,
        ("PUT", ["campaigns", _, "actions"]) => campaigns::put_actions,
        ("PUT", ["campaigns", _, "resource_info"]) => campaigns::put_resource_info,
        ("PUT", ["campaigns", _, "next_campaign_id"]) => campaigns::put_next_campaign_id,
        ("GET", ["campaigns", _, "campaigncalls"]) => campaigns::list_campaigncalls,
        ("GET", ["outplans"]) => outplans::list,
        ("POST", ["outplans"]) => outplans::create,
        ("GET", ["outplans", _]) => outplans::get,
        ("PUT", ["outplans", _]) => outplans::put,
        ("PUT", ["outplans", _, "dial_info"]) => outplans::put_dial_info,
        ("DELETE", ["outplans", _]) => outplans::delete,
        ("GET", ["outdials"]) => outdials::list,
        ("POST", ["outdials"]) => outdials::create,
        ("GET", ["outdials", _]) => outdials::get,
        ("PUT", ["outdials", _]) => outdials::put,
        ("PUT", ["outdials", _, "campaign_id"]) => outdials::put_campaign_id,
        ("PUT", ["outdials", _, "data"]) => outdials::put_data,
        ("DELETE", ["outdials", _]) => outdials::delete,
        ("GET", ["outdials", _, "targets"]) => outdials::list_targets,
        ("POST", ["outdials", _, "targets"]) => outdials::create_target,
        ("GET", ["outdials", _, "targets", _]) => outdials::get_target,
        ("DELETE", ["outdials", _, "targets", _]) => outdials::delete_target,
        _ => return None,
    };
    Some(operation)
}

impl Request<'_> {
    /// The id at a place of the path; neither other text nor the nil UUID will do.
    pub fn id(&self, place: usize) -> Result<Uuid, ApiError> {
        self.segments
            .get(place)
            .and_then(|text| Uuid::try_parse(text).ok())
            .filter(|id| !id.is_nil())
            .ok_or_else(|| ApiError::invalid("INVALID_ID", "The id in the path is not a UUID."))
    }

    /// The body as an object; null and absent members become empty, unknown ones are ignored.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice::<Map<String, Value>>(self.body)
            .and_then(|object| serde_json::from_value(Value::Object(object)))
            .map_err(|_| {
                ApiError::invalid("INVALID_JSON_BODY", "The body is not JSON of the right types.")
            })
    }

    /// One page of a list, newest first. The token is given with every page that has a row, also the
    /// last, so that a reader must fetch one more, empty page.
    pub fn page<T: Row>(
        &self,
        world: &World,
        (table, list): (&Table<T>, Uuid),
        keep: impl Fn(&T) -> bool,
        show: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let view = world.view();
        let size = self.page_size(view.profile)?;
        let token = self.query("page_token").filter(|token| !token.is_empty());
        let before = token.map(|token| view.read_token(token));
        // Until 2026-01 lists hid deleted rows.
        let hides_deleted = view.profile == Profile::Seed;
        let rows: Vec<&T> = match before {
            // A database would compare the text somehow; here a text that is no time finds nothing.
            Some(None) => Vec::new(),
            before => table
                .page(list, before.flatten())
                .filter(|row| keep(row) && !(hides_deleted && row.deleted()))
                .take(size)
                .collect(),
        };
        let token = rows.last().map_or(String::new(), |row| view.page_token(row.created()));
        Ok(json!({
            "result": rows.into_iter().map(show).collect::<Value>(),
            "next_page_token": token,
        }))
    }

    fn page_size(&self, profile: Profile) -> Result<usize, ApiError> {
        let default = match profile {
            Profile::Head => MAX_PAGE_SIZE,
            Profile::Seed => SEED_PAGE_SIZE,
        };
        let asked = match self.query("page_size") {
            None => default,
            Some(text) => text.parse::<i64>().map_err(|_| {
                let message = "page_size is not an integer.";
                ApiError::invalid("INVALID_REQUEST_PARAMETER", message)
            })?,
        };
        let size = if (1..=MAX_PAGE_SIZE).contains(&asked) { asked } else { default };
        Ok(usize::try_from(size).unwrap_or(1))
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The row, once it is known to be the caller's: unknown is 404, another's is 403.
pub fn owned<'a, T: Row>(
    table: &'a Table<T>,
    id: Uuid,
    caller: &Caller,
) -> Result<&'a T, ApiError> {
    let row = table.get(id).ok_or_else(|| ApiError::not_found(T::NOT_FOUND))?;
    if row.owner() != caller.customer {
        return Err(ApiError::forbidden("PERMISSION_DENIED"));
    }
    Ok(row)
}

pub fn has_room<T: Row>(table: &Table<T>) -> Result<(), ApiError> {
    if table.len() >= MAX_ROWS {
        return Err(ApiError::internal("The simulator holds as many rows as it may."));
    }
    Ok(())
}

/// A UUID as the real server reads it: anything else is silently the nil UUID.
pub fn uuid_or_nil(text: Option<&String>) -> Uuid {
    text.and_then(|text| Uuid::try_parse(text).ok()).unwrap_or_default()
}

#[derive(Deserialize, Default)]
pub struct AddressBody {
    r#type: Option<String>,
    target: Option<String>,
    target_name: Option<String>,
    name: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
pub struct ActionBody {
    id: Option<String>,
    next_id: Option<String>,
    r#type: Option<String>,
    option: Option<Map<String, Value>>,
}

impl From<AddressBody> for Address {
    fn from(body: AddressBody) -> Self {
        let AddressBody { r#type, target, target_name, name, detail } = body;
        Self {
            kind: r#type.unwrap_or_default(),
            target: target.unwrap_or_default(),
            target_name: target_name.unwrap_or_default(),
            name: name.unwrap_or_default(),
            detail: detail.unwrap_or_default(),
        }
    }
}

impl From<ActionBody> for Action {
    fn from(body: ActionBody) -> Self {
        let ActionBody { id, next_id, r#type, option } = body;
        Self {
            id: uuid_or_nil(id.as_ref()),
            next_id: uuid_or_nil(next_id.as_ref()),
            kind: r#type.unwrap_or_default(),
            option: option.unwrap_or_default(),
        }
    }
}
