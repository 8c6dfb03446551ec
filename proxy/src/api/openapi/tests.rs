use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use super::DOCUMENT;
use crate::api::routes::Routes;
use crate::api::{auth, credentials, erase, open_routes, transcribe, uploads};

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

fn listed<S: Clone + Send + Sync + 'static>(routes: &Routes<S>) -> Vec<(String, String)> {
    let name = |(method, path): &(Method, &str)| (method.to_string(), (*path).to_owned());
    routes.listed().iter().map(name).collect()
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let mut served: BTreeSet<_> = listed(&open_routes()).into_iter().collect();
    served.extend(listed(&super::routes::<()>()));
    served.extend(listed(&auth::routes()));
    served.extend(listed(&credentials::routes()));
    served.extend(listed(&erase::routes()));
    served.extend(listed(&transcribe::routes()));
    served.extend(listed(&uploads::routes()));
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, operations): (&String, &Value)| {
        let path = path.clone();
        let methods = operations.as_object().unwrap().keys().map(|method| method.to_uppercase());
        methods.map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let described: BTreeSet<_> = paths.iter().flat_map(of_path).collect();
    assert_eq!(described, served);
}

#[test]
fn the_document_is_of_this_version_and_every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50, "the walk finds them: {}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn refusals_are_problems_and_wishes_for_a_token_say_so() {
    let document = document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let wants_token = !operation["security"].as_array().unwrap().is_empty();
            let refuses = responses.contains_key("401") || path == "/api/auth/login";
            assert_eq!(wants_token || path == "/api/auth/login", refuses, "{method} {path}");
            let named: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let given = parameters.map(|parameter| parameter["name"].as_str().unwrap());
            assert_eq!(named, given.collect(), "{method} {path}");
        }
    }
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem", "{name}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                references.push(reference.clone());
            }
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
