//! Kinds of refusals: which failures a kind of call documents.

/// Makes the kinds of refusals of some calls: types that every error of theirs becomes, each with the answers that its calls
/// document, a status and its description each.
///
/// ```text
/// web::refusal! {
///     /// A read was not answered.
///     ReadRefusal(CallError): 400 WRONG, 404 NOT_FOUND;
/// }
/// ```
#[macro_export]
macro_rules! refusal {
    ($($(#[$doc:meta])* $name:ident($error:ty): $($status:literal $text:ident),+;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name($error);

        impl<E: Into<$error>> From<E> for $name {
            fn from(error: E) -> Self {
                Self(error.into())
            }
        }

        impl From<$name> for ::poem::Error {
            fn from(refusal: $name) -> Self {
                $crate::HttpError::from(refusal.0).into()
            }
        }

        impl ::poem_openapi::ApiResponse for $name {
            fn meta() -> ::poem_openapi::registry::MetaResponses {
                ::poem_openapi::registry::MetaResponses {
                    responses: vec![$($crate::documented($status, $text)),+],
                }
            }

            fn register(registry: &mut ::poem_openapi::registry::Registry) {
                <$crate::ErrorForm as ::poem_openapi::types::Type>::register(registry);
            }
        }
    )+};
}
