//! The form of every error, and how a call documents those that it answers.

use poem_openapi::Object;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaResponse};
use poem_openapi::types::Example;
use serde::Deserialize;

/// An error.
#[derive(Debug, Deserialize, Object)]
#[oai(example, rename = "Error")]
pub struct ErrorForm {
    /// What was wrong and what was expected, for a person to read.
    error: String,
    /// The kind of error, for a program to act on.
    #[oai(validator(pattern = "^[a-z_]+$"))]
    #[serde(default)]
    code: String,
}

impl ErrorForm {
    /// What a node or router says that refused something, by the body of its answer; none where that is none of theirs.
    pub fn text_of(body: &[u8]) -> Option<String> {
        serde_json::from_slice(body).ok().map(|Self { error, .. }| error)
    }
}

impl Example for ErrorForm {
    fn example() -> Self {
        let process = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";
        let message = "qOFoTUVkm4_f5pzBG3PoihGZbnbohjdUKhF3d6Lknxc";
        Self {
            error: format!("the process {process} has no message or assignment {message}"),
            code: "not_found".into(),
        }
    }
}

/// An error among the answers of a call. [`ErrorForm`] has to be registered besides.
pub fn documented(status: u16, description: &'static str) -> MetaResponse {
    let content = vec![MetaMediaType {
        content_type: "application/json",
        schema: <Json<ErrorForm> as Payload>::schema_ref(),
    }];
    MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![] }
}
