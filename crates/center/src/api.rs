//! The listeners' routers, and their one description.

use crate::access::{self, Access};
use crate::http::actor::Acting;
use crate::http::idempotency;
use crate::http::serve::OperatorPeer;
use crate::state::Center;
use crate::{device, operator, people, public};
use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

/// The routers, one per listener.
pub(crate) struct Routers {
    pub(crate) operator: Router<Arc<Center>>,
    pub(crate) people: Router<Arc<Center>>,
    pub(crate) public: Router<Arc<Center>>,
    pub(crate) status: Router<Arc<Center>>,
    pub(crate) device: Router<Arc<Center>>,
}

/// Routers and description, made together so that neither knows a path that
/// the other does not.
pub(crate) fn make() -> (Routers, OpenApi) {
    let (operator, mut operator_api) = operator::routes().split_for_parts();
    let operator = operator.layer(from_fn(idempotency::layer));
    idempotency::describe(&mut operator_api);
    let (people, people_api) = people::routes().split_for_parts();
    let (public, public_api) = public::routes().split_for_parts();
    // A part of the public one's description.
    let (status, _) = public::status_routes().split_for_parts();
    let (device, device_api) = device::routes().split_for_parts();
    let mut api = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("iryonet center")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Four ways in: the people's listener (TLS and a session: everything but the tags public and feed), the break-glass socket (the same but for the tag people, with the header Iryonet-Actor), the public listener (TLS; a client certificate is asked for and only simplereenroll looks at it: tag public), and the gateways' one (mutual TLS: tag feed). Every refusal is application/problem+json in English and Japanese.",
                ))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT OR Apache-2.0")
                        .identifier(Some("MIT OR Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .build();
    for part in [operator_api, people_api, public_api, device_api] {
        api.merge(part);
    }
    // A parameter that takes the rest of a path is the router's notion; the
    // description has only parameters.
    api.paths.paths = std::mem::take(&mut api.paths.paths)
        .into_iter()
        .map(|(path, item)| (access::as_described(&path), item))
        .collect();
    name_operations(&mut api);
    say_who_may_ask(&mut api);
    let routers = Routers {
        people: operator.clone().merge(people).layer(from_fn(log_acts)),
        operator: operator.layer(from_fn(log_acts)),
        public,
        status,
        device,
    };
    (routers, api)
}

/// Gives every operation a name of its own, as generators of clients want it:
/// its method and its path. (The names of our functions repeat from file to file.)
fn name_operations(api: &mut OpenApi) {
    let paths: BTreeSet<String> = api.paths.paths.keys().cloned().collect();
    for (path, item) in &mut api.paths.paths {
        // The version is a part of the name only where there is the same without.
        let twice = path
            .strip_prefix("/v1")
            .is_some_and(|rest| paths.contains(rest));
        let words: Vec<&str> = path
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty() && (twice || *word != "v1"))
            .collect();
        for (method, operation) in [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ] {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{}", words.join("_")));
            }
        }
    }
}

/// Says of every path that the table of paths lets nobody ask without a session,
/// that it wants one. (At the break-glass socket the header says who acts.)
fn say_who_may_ask(api: &mut OpenApi) {
    const SESSION: &str = "session";
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "The token of a session at the people's listener (POST /v1/login); a browser has it as a cookie",
        ))
        .build();
    api.components
        .get_or_insert_default()
        .add_security_scheme(SESSION, SecurityScheme::Http(scheme));
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in [("GET", &mut item.get), ("POST", &mut item.post)] {
            let wants = access::of(method, path).is_some_and(|access| access != Access::Anybody);
            if let Some(operation) = operation
                && wants
            {
                let none: [&str; 0] = [];
                operation.security = Some(vec![SecurityRequirement::new(SESSION, none)]);
            }
        }
    }
}

impl Routers {
    /// The people's paths behind their gate.
    pub(crate) fn people_of(&self, center: &Arc<Center>) -> Router<Arc<Center>> {
        self.people
            .clone()
            .layer(from_fn_with_state(Arc::clone(center), people::gate::gate))
    }
}

/// Who was at the socket when something was asked to be done: the actor is what
/// somebody said, the uid is what the kernel says.
async fn log_acts(
    peer: Option<Extension<OperatorPeer>>,
    actor: Result<Acting, crate::http::problem::Problem>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let peer = peer.map(|Extension(peer)| peer);
    tracing::info!(
        path,
        status = response.status().as_u16(),
        actor = actor.ok().map(|Acting(actor)| actor.to_string()),
        uid = peer.and_then(|peer| peer.uid),
        pid = peer.and_then(|peer| peer.pid),
        "act"
    );
    response
}

/// The description as it is committed: pretty JSON with a final line feed.
#[must_use]
pub fn openapi_json() -> String {
    let (_, api) = make();
    // A description that cannot be written is a defect of the code; the test
    // that compares it with the committed file would find it empty.
    let mut text = api.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
