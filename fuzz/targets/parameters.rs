//! Any query: each parameter of it is read or refused in few words, and of what is read nothing is made up.

#![no_main]

use std::num::NonZeroU64;

use ans104::Id;
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use poem::{Request, RequestBody};
use poem_openapi::{ApiExtractor, ExtractParamOptions};

use params::{Flag, Given, Needed, Repeated};

#[path = "../../web/src/parameter.rs"]
mod parameter;
#[path = "../../web/src/params.rs"]
mod params;

/// How many values one parameter may have.
const MAX: usize = 3;

fuzz_target!(|query: &str| {
    let Ok(uri) = format!("/path?{query}").parse() else { return };
    let request = Request::builder().uri(uri).finish();
    let text = read::<Given<String>>(&request).expect("any text is one").0;
    let values: Vec<_> = request.uri().query().map_or(Vec::new(), |query| {
        form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "name")
            .map(|(_, value)| value)
            .collect()
    });
    let is_given = |value: &str| !matches!(value, "" | "undefined");
    assert_eq!(text.as_deref(), values.first().map(|value| &**value).filter(|value| is_given(value)));
    let given = values.iter().filter(|value| is_given(value)).count();
    match read::<Repeated<String, MAX>>(&request) {
        Ok(Repeated(read)) => assert_eq!(read.len(), given),
        Err(_) => assert!(given > MAX),
    }
    if let Ok(Given(number)) = read::<Given<i64>>(&request) {
        assert_eq!(number, text.as_ref().and_then(|text| text.parse().ok()));
    }
    if let Ok(Given(Some(id))) = read::<Given<Id>>(&request) {
        assert_eq!(Some(id.to_string()), text);
    }
    assert_eq!(read::<Needed<u64>>(&request).is_ok(), text.is_some_and(|text| text.parse::<u64>().is_ok()));
    assert!(
        read::<Given<NonZeroU64>>(&request).map_or(true, |number| number.0.is_none_or(|it| it.get() > 0))
    );
    assert!(read::<Flag>(&request).is_ok());
});

/// The parameter `name`; what is said when it is refused is short.
fn read<'a, T: ApiExtractor<'a, ParamType = ()>>(request: &'a Request) -> Result<T, String> {
    let options = ExtractParamOptions {
        name: "name",
        ignore_case: false,
        default_value: None,
        example_value: None,
        explode: true,
        style: None,
    };
    let mut body = RequestBody::default();
    let read = T::from_request(request, &mut body, options).now_or_never().expect("nothing is waited for");
    read.map_err(|error| {
        let told = error.to_string();
        assert!(told.chars().count() < 1500, "{told}");
        told
    })
}
