//! A body of JSON: bounded, and refused in words that say what was expected.

use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use protocol::Code;
use serde::de::DeserializeOwned;

use crate::body::RawBody;
use crate::error::HttpError;
use crate::parameter::Parameter;

/// The longest body of JSON that is taken, in bytes.
const BYTES_MAX: usize = 64 << 10;
const JSON: &str = "application/json";

/// Something that is asked for in JSON.
pub trait JsonForm: Type + DeserializeOwned {
    /// What it looks like, for whoever sent something else.
    const EXAMPLE: &'static str;
}

/// A body of JSON.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<'a, T: JsonForm> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        // Before anything is refused, so that it is taken from the client either way.
        let body = RawBody::from_request(request, body, options).await?;
        let kind = request.header(header::CONTENT_TYPE);
        if !kind.is_some_and(Json::<T>::check_content_type) {
            return Err(other_type(kind).into());
        }
        let text = body.read(BYTES_MAX).await?;
        Ok(serde_json::from_slice(&text).map(Self).map_err(|error| wrong(&error, T::EXAMPLE))?)
    }
}

/// Reads a field of a body of JSON that is written as a parameter would be.
///
/// # Errors
/// When it is wrong, with its name.
pub fn read_field<T: Parameter>(name: &str, text: &str) -> Result<T, HttpError> {
    let wrong =
        |reason| HttpError::new(Code::InvalidParameter, format!("the field {name} is wrong: {reason}"));
    T::read(text).map_err(wrong)
}

fn other_type(kind: Option<&str>) -> HttpError {
    let found = kind.map_or("none".to_owned(), |kind| format!("{kind:?}"));
    let text = format!("the header Content-Type is wrong: expected {JSON}, found {found}");
    HttpError::new(Code::InvalidParameter, text).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn wrong(error: &serde_json::Error, example: &str) -> HttpError {
    HttpError::new(
        Code::InvalidParameter,
        format!("the body is wrong: {error}; expected JSON such as {example}"),
    )
}
