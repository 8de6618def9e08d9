//! The description of calls, without anything that answers them.

use std::collections::HashMap;
use std::marker::PhantomData;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaOperation, MetaSchemaRef, Registry};

/// What calls say of themselves, completed where poem-openapi leaves something out.
pub(crate) struct Described<A>(PhantomData<fn() -> A>);

impl<A> Default for Described<A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<A: OpenApi> OpenApi for Described<A> {
    fn meta() -> Vec<MetaApi> {
        let mut calls = A::meta();
        let paths = calls.iter_mut().flat_map(|api| &mut api.paths);
        paths.flat_map(|path| &mut path.operations).for_each(complete);
        calls
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

fn complete(call: &mut MetaOperation) {
    for parameter in &mut call.params {
        if let MetaSchemaRef::Inline(schema) = &mut parameter.schema {
            let of_kind = schema.description.take();
            parameter.description = parameter.description.take().or(of_kind.map(str::to_owned));
        }
    }
    for answer in &mut call.responses.responses {
        if answer.description.is_empty() {
            answer.description = "Success.";
        }
    }
}
