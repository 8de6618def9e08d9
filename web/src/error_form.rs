//! The form of every error, for the description.

use poem_openapi::Object;
use poem_openapi::types::Example;

/// Something was refused or went wrong.
#[derive(Debug, Object)]
#[oai(example, rename = "Error")]
pub struct ErrorForm {
    /// What was wrong, and what was expected: for a person.
    error: String,
    /// What kind of failure it is: for a program.
    #[oai(validator(pattern = "^[a-z_]+$"))]
    code: String,
}

impl Example for ErrorForm {
    fn example() -> Self {
        let process = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";
        let message = "qOFoTUVkm4_f5pzBG3PoihGZbnbohjdUKhF3d6Lknxc";
        Self {
            error: format!("process {process} has no message or assignment {message}"),
            code: "not_found".into(),
        }
    }
}
