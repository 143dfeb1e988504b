//! One port for everything (D11): gRPC, `/health` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use handfast_wire::v1::handfast_server::HandfastServer;
use handfast_wire::v1::resource_manager_server::ResourceManagerServer;
use tonic::service::Routes;

use super::accounts::Accounts;
use super::limits::MESSAGE_BYTES_MAX;
use super::metrics;
use super::resource_manager::Participant;
use super::role::Role;
use super::unary::Service;

/// The routes of the port.
pub fn routes(role: Role, service: Service) -> Routes {
    let accounts = Arc::clone(&service.sessions.resources.accounts);
    let manager_id = service.sessions.resources.identity.manager_id;
    let grpc = HandfastServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let grpc = match role {
        Role::QueueManager => {
            let participant = Participant::new(accounts.core.clone(), manager_id);
            Routes::new(grpc).add_service(ResourceManagerServer::new(participant))
        }
        // A coordinator is nobody's participant.
        Role::Coordinator => Routes::new(grpc),
    };
    let plain = Router::new().route("/health", get(health)).route("/metrics", get(scrape)).with_state((accounts, role));
    Routes::from(plain.merge(grpc.into_axum_router()).fallback(nothing_here))
}

/// What is neither a page nor a service of this server.
async fn nothing_here(headers: HeaderMap) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("application/grpc")) {
        return tonic::Status::unimplemented("this server has no such service").into_http::<axum::body::Body>();
    }
    (StatusCode::NOT_FOUND, "this is a Handfast server: /health and /metrics are pages, all else is gRPC\n")
        .into_response()
}

/// 200 while requests are served, 503 while the server starts or stops.
async fn health(State((accounts, _)): State<(Arc<Accounts>, Role)>) -> Response {
    match accounts.core.is_leading().await {
        Ok(true) => (StatusCode::OK, "serving\n").into_response(),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

/// The Prometheus text format, version 0.0.4.
async fn scrape(State((accounts, role)): State<(Arc<Accounts>, Role)>) -> Response {
    match metrics::render(&accounts, role).await {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "not serving\n").into_response(),
    }
}
