//! The OpenAPI descriptions that are checked in are those of the code.

use testing::check_description;

#[test]
fn the_public_description_is_fresh() {
    check_description("router.json", &router::public_openapi());
}

#[test]
fn the_operators_description_is_fresh() {
    check_description("router-admin.json", &router::admin_openapi());
}
