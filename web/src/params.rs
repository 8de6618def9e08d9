//! The parameters of calls: where each is taken from, and what a client is told when it is wrong.
//!
//! A query parameter that is empty or the text `undefined` counts as absent.

use std::fmt;

use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::parameter::{Parameter, expected};

/// aoconnect writes this for a parameter that it was not given.
const UNDEFINED: &str = "undefined";

/// A part of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// A query parameter that has to be there.
#[derive(Debug)]
pub struct Needed<T>(pub T);

/// A query parameter that may be left out. Of several that are given the first one counts, unless they have to be the same.
#[derive(Debug)]
pub struct Given<T>(pub Option<T>);

/// A header that may be left out. Of several the first one counts.
#[derive(Debug)]
pub struct GivenHeader<T>(pub Option<T>);

/// A header that may be left out and is a list: several are one, in their order.
#[derive(Debug)]
pub struct HeaderList(pub Option<String>);

/// A query parameter that may be given several times, up to `MAX`.
#[derive(Debug)]
pub struct Repeated<T, const MAX: usize>(pub Vec<T>);

/// A query parameter that says something by being there, with or without a value; `false` takes it back.
#[derive(Debug)]
pub struct Flag(pub bool);

/// A parameter that cannot be taken.
#[derive(Debug)]
pub(crate) struct WrongParameter {
    /// As the description has it; of one in the path `param` and its place from 0, since no more is known of it here.
    name: &'static str,
    in_path: bool,
    /// What was expected, and what was found.
    reason: String,
}

impl WrongParameter {
    /// The whole of it as a sentence, with the names of parameters in the path.
    pub(crate) fn told<'a>(&'a self, name_at: impl FnOnce(usize) -> Option<&'a str>) -> String {
        let place = || self.name.strip_prefix("param")?.parse().ok();
        let name = if self.in_path { place().and_then(name_at).unwrap_or("in the path") } else { self.name };
        format!("the parameter {name} is wrong: {}", self.reason)
    }
}

impl fmt::Display for WrongParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(|_| None))
    }
}

impl std::error::Error for WrongParameter {}

impl ResponseError for WrongParameter {
    fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

/// A kind of query parameter.
trait FromQuery: Sized {
    /// Reads all values that were given for the name.
    fn read<'a>(values: impl Iterator<Item = &'a str>) -> Result<Self, String>;
}

impl<T: Parameter> FromQuery for Needed<T> {
    fn read<'a>(values: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let value = Given::read(values)?.0;
        value.map(Self).ok_or_else(|| "expected a value, found none".to_owned())
    }
}

impl<T: Parameter> FromQuery for Given<T> {
    fn read<'a>(values: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut values = values.filter(|value| is_given(value));
        let first = values.next();
        if let Some(other) = values.find(|other| T::IS_ONE && Some(*other) != first) {
            return Err(expected("the same each time", other));
        }
        first.map(T::read).transpose().map(Self)
    }
}

impl<T: Parameter, const MAX: usize> FromQuery for Repeated<T, MAX> {
    fn read<'a>(values: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let values: Vec<_> = values.filter(|value| is_given(value)).collect();
        if values.len() > MAX {
            return Err(format!("expected at most {MAX} of them, found {}", values.len()));
        }
        values.into_iter().map(T::read).collect::<Result<_, _>>().map(Self)
    }
}

impl FromQuery for Flag {
    fn read<'a>(mut values: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        Ok(Self(values.next().is_some_and(|value| !matches!(value, "false" | UNDEFINED))))
    }
}

fn is_given(value: &str) -> bool {
    !matches!(value, "" | UNDEFINED)
}

/// What poem-openapi asks of a parameter. It has these for types of its own, whose errors name neither the parameter nor
/// what was expected.
macro_rules! extractor {
    ([$($generics:tt)*] $type:ty, in $place:ident by $read:ident, $is_needed:literal, $schema:expr) => {
        impl<'a, $($generics)*> ApiExtractor<'a> for $type {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
            const PARAM_IS_REQUIRED: bool = $is_needed;

            type ParamType = ();
            type ParamRawType = ();

            fn param_in() -> Option<MetaParamIn> {
                Some(MetaParamIn::$place)
            }

            fn param_schema_ref() -> Option<MetaSchemaRef> {
                Some(MetaSchemaRef::Inline(Box::new($schema)))
            }

            async fn from_request(
                request: &'a Request,
                _: &mut RequestBody,
                options: ExtractParamOptions<()>,
            ) -> poem::Result<Self> {
                Ok($read(request, options.name)?)
            }
        }
    };
}

extractor!([T: Parameter] Path<T>, in Path by of_path, true, T::schema());
extractor!([T: Parameter] Needed<T>, in Query by of_query, true, T::schema());
extractor!([T: Parameter] Given<T>, in Query by of_query, false, T::schema());
extractor!([T: Parameter] GivenHeader<T>, in Header by of_header, false, T::schema());
extractor!([] HeaderList, in Header by of_list, false, String::schema());
extractor!([] Flag, in Query by of_query, false, MetaSchema::new("string"));
extractor!([T: Parameter, const MAX: usize] Repeated<T, MAX>, in Query by of_query, false, list::<T>(MAX));

fn of_path<T: Parameter>(request: &Request, name: &'static str) -> Result<Path<T>, WrongParameter> {
    let value = request.raw_path_param(name).unwrap_or_default();
    T::read(value).map(Path).map_err(|reason| WrongParameter { name, in_path: true, reason })
}

fn of_query<T: FromQuery>(request: &Request, name: &'static str) -> Result<T, WrongParameter> {
    let query = request.uri().query().unwrap_or_default();
    let pairs: Vec<_> =
        form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| is_named(key, name)).collect();
    let values = pairs.iter().map(|(_, value)| &**value);
    T::read(values).map_err(|reason| WrongParameter { name, in_path: false, reason })
}

/// Whether a key is this name: `from+integer` is `from`, as HyperBEAM says of which type a value is. The plus is a space where
/// it came as it is, and itself where it came escaped.
fn is_named(key: &str, name: &str) -> bool {
    let typed = key.rsplit_once([' ', '+']);
    key == name || typed.is_some_and(|(key, kind)| key == name && kind.eq_ignore_ascii_case("integer"))
}

fn of_header<T: Parameter>(request: &Request, name: &'static str) -> Result<GivenHeader<T>, WrongParameter> {
    let value = request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let read = Given::read(value.as_deref().into_iter());
    read.map(|Given(value)| GivenHeader(value)).map_err(|reason| WrongParameter {
        name,
        in_path: false,
        reason,
    })
}

fn of_list(request: &Request, name: &'static str) -> Result<HeaderList, WrongParameter> {
    let values = request.headers().get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let read = Given::read([&*values.join(",")].into_iter());
    read.map(|Given(value)| HeaderList(value)).map_err(|reason| WrongParameter {
        name,
        in_path: false,
        reason,
    })
}

fn list<T: Parameter>(max: usize) -> MetaSchema {
    let one = T::schema();
    MetaSchema {
        description: one.description,
        items: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema { description: None, ..one })))),
        max_items: Some(max),
        ..MetaSchema::new("array")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::http::HeaderValue;

    use super::*;

    fn read<T: FromQuery>(query: &str) -> Result<T, String> {
        let request = Request::builder().uri_str(format!("/path?{query}")).finish();
        of_query(&request, "name").map_err(|wrong| wrong.told(|_| None))
    }

    #[test]
    fn a_name_with_the_type_of_its_value_is_the_name() {
        for query in ["name=7", "name+integer=7", "name+Integer=7", "name%20integer=7", "name%2BInteger=7"] {
            assert_eq!(read::<Given<i64>>(query).unwrap().0, Some(7), "{query}");
        }
        for query in [
            "nameinteger=7",
            "+integer=7",
            "name%2Binteger%2B=7",
            "integer=7",
            "name+float=7",
            "other+integer=7",
            "\u{e9}+integer=7",
        ] {
            assert_eq!(read::<Given<i64>>(query).unwrap().0, None, "{query}");
        }
        assert!(read::<Given<i64>>("name+Integer=x").unwrap_err().contains("expected a whole number"));
    }

    #[test]
    fn absent_undefined_and_empty_are_one() {
        for query in ["", "other=1", "name=undefined", "name=", "name"] {
            assert!(read::<Given<i64>>(query).unwrap().0.is_none(), "{query}");
            assert!(read::<Repeated<i64, 2>>(query).unwrap().0.is_empty(), "{query}");
            let refusal = read::<Needed<i64>>(query).unwrap_err();
            assert_eq!(refusal, "the parameter name is wrong: expected a value, found none", "{query}");
        }
        assert_eq!(read::<Given<i64>>("name=-1").unwrap().0, Some(-1));
        assert_eq!(read::<Given<i64>>("other=9&name=7&name=8").unwrap().0, Some(7));
        // As HyperBEAM writes a range, the empty one first.
        for query in ["name=&name=7", "name&name=undefined&name=7&name=8"] {
            assert_eq!(read::<Given<i64>>(query).unwrap().0, Some(7), "{query}");
        }
        assert_eq!(read::<Given<String>>("name=a%20b%2Bc+d").unwrap().0.unwrap(), "a b+c d");
    }

    #[test]
    fn several_headers_of_a_list_are_one() {
        let read = |lines: &[&'static str]| {
            let mut request = Request::default();
            for line in lines {
                request.headers_mut().append("accept", HeaderValue::from_static(line));
            }
            of_list(&request, "accept").unwrap().0
        };
        for absent in [&[][..], &[""], &["undefined"]] {
            assert_eq!(read(absent), None);
        }
        assert_eq!(read(&["text/html", "a/b;q=0, c/d"]).as_deref(), Some("text/html,a/b;q=0, c/d"));
    }

    #[test]
    fn whoever_names_two_where_there_can_be_one_is_refused() {
        let [one, other] = [7, 8].map(|byte| ans104::Id::from_bytes([byte; 32]));
        let named = |query: String| read::<Given<crate::hyperbeam::NamedId>>(&query);
        assert!(named(format!("name={one}&name=&name={one}")).unwrap().0.is_some());
        let refusal = named(format!("name={one}&name={other}")).unwrap_err();
        assert!(
            refusal.contains("name is wrong: expected the same each time")
                && refusal.contains(&other.to_string())
        );
    }

    #[test]
    fn a_wrong_one_is_named_with_what_was_expected() {
        let refusal = read::<Given<i64>>("name=x").unwrap_err();
        assert_eq!(refusal, "the parameter name is wrong: expected a whole number, found \"x\"");
        let wrong = |name| WrongParameter { name, in_path: true, reason: "expected an id".into() };
        let told = |name| wrong(name).told(|place| ["kind", "id"].get(place).copied());
        assert_eq!(told("param1"), "the parameter id is wrong: expected an id");
        assert_eq!(told("param2"), "the parameter in the path is wrong: expected an id");
    }

    #[test]
    fn some_may_be_given_several_times_up_to_a_bound() {
        assert_eq!(read::<Repeated<i64, 2>>("name=1&name=&name=2").unwrap().0, [1, 2]);
        let refusal = read::<Repeated<i64, 2>>("name=1&name=2&name=3").unwrap_err();
        assert!(refusal.ends_with("expected at most 2 of them, found 3"), "{refusal}");
        assert!(read::<Repeated<i64, 2>>("name=1&name=x").is_err());
    }

    #[test]
    fn a_flag_is_set_by_being_there() {
        for (query, set) in [
            ("", false),
            ("name", true),
            ("name=", true),
            ("name=true", true),
            ("name=anything", true),
            ("name=false", false),
            ("name=undefined", false),
        ] {
            assert_eq!(read::<Flag>(query).unwrap().0, set, "{query}");
        }
    }
}
