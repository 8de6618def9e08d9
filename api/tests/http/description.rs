//! The OpenAPI descriptions that are checked in are those of the code.

use serde_json::Value;
use testing::check_description;

#[test]
fn the_public_description_is_fresh() {
    check_description("openapi.json", &api::public_openapi());
}

#[test]
fn the_operators_description_is_fresh() {
    check_description("admin.json", &api::admin_openapi());
}

#[test]
fn every_call_of_the_protocol_is_described_with_its_failures() {
    let described: Value = serde_json::from_str(&api::public_openapi()).unwrap();
    for (path, method, failures) in [
        ("/", "get", &[][..]),
        ("/", "post", &["400", "403", "404", "409", "413", "500", "502", "503"]),
        ("/timestamp", "get", &["503"]),
        ("/health", "get", &["503"]),
        ("/metrics", "get", &["404"]),
        ("/processes/{process}", "get", &["400", "404", "500"]),
        ("/{process}/latest", "get", &["400", "404", "500"]),
        ("/{process}/stream", "get", &["400", "404", "500", "503"]),
        ("/{id}", "get", &["400", "404", "500"]),
    ] {
        let call = &described["paths"][path][method];
        assert!(call["summary"].is_string(), "{method} {path} is not described");
        assert!(call["responses"]["200"].is_object(), "{method} {path} has no answer");
        for status in failures {
            let schema = &call["responses"][status]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Error", "{method} {path} {status}");
        }
        for parameter in call["parameters"].as_array().unwrap_or(&vec![]) {
            assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
        }
    }
    assert_eq!(described["components"]["schemas"]["Error"]["required"], serde_json::json!(["error", "code"]));
}

/// A page that needs the network would show nothing on a node without one.
#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let described: Value = serde_json::from_str(&api::public_openapi()).unwrap();
    assert!(described["servers"].as_array().is_none_or(Vec::is_empty));
}
