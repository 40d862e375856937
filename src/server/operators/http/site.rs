//! Which request is answered by whom.

use super::{
    exporter::Exporter,
    page::{self, HTML, JSON, Page, TEXT, allow, error, with_headers},
    upload,
};
use crate::{
    auth::X509,
    server::{
        figures::Count,
        io::Front,
        operators::admin::{AdminDesk, Answer, Asked, Asker, Content, Sent, Takes},
    },
    topics,
};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    body::Incoming,
    header::{AUTHORIZATION, HeaderValue, STRICT_TRANSPORT_SECURITY},
};
use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::task::spawn_blocking;

/// What is said to clients that have come by TLS (`SecureRequestCustomizer`).
const STAY_SECURE: HeaderValue = HeaderValue::from_static("max-age=86400; includeSubDomains");
/// What may be asked for by others than GET, of official servers.
const METHODS: &str = "GET, HEAD, POST, TRACE, OPTIONS";

/// What a port answers.
#[derive(Clone)]
pub(crate) enum Site {
    /// Commands.
    Admin(Arc<AdminDesk>),
    /// Metrics.
    Metrics(Arc<Exporter>),
}

impl Site {
    /// The data is loaded.
    pub(crate) fn open(&self, front: &Arc<Front>) {
        match self {
            Self::Admin(desk) => desk.open(front),
            Self::Metrics(exporter) => exporter.open(front),
        }
    }

    /// Counts something of the admin server.
    pub(super) fn count(&self, id: Count) {
        if let Self::Admin(desk) = self {
            desk.count(id);
        }
    }

    /// What is known of the scheme, if certificates are identities.
    pub(super) fn x509(&self) -> Option<X509> {
        match self {
            Self::Admin(desk) => desk.x509(),
            Self::Metrics(_) => None,
        }
    }

    /// Answers one request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        asker: Asker,
        is_secure: bool,
        idle: Option<Duration>,
    ) -> Result<Page, Infallible> {
        let mut page = match self {
            Self::Admin(desk) => admin(desk, request, asker, idle).await,
            Self::Metrics(exporter) => metrics(exporter, &request).await,
        };
        if is_secure {
            page.headers_mut().insert(STRICT_TRANSPORT_SECURITY, STAY_SECURE);
        }
        Ok(page)
    }
}

/// The parameters of a query; of one that is repeated the first counts.
fn parameters(uri: &Uri) -> HashMap<String, String> {
    let mut parameters = HashMap::new();
    for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        parameters.entry(key.into_owned()).or_insert_with(|| value.into_owned());
    }
    parameters
}

/// What stands in a header, if that is a text.
fn header(headers: &HeaderMap, name: impl hyper::header::AsHeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn admin(
    desk: &Arc<AdminDesk>,
    request: Request<Incoming>,
    asker: Asker,
    idle: Option<Duration>,
) -> Page {
    let (head, body) = request.into_parts();
    let path = percent_encoding::percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    let is_command = path.strip_prefix(desk.url()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let posts = match head.method {
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        Method::TRACE => return error(StatusCode::FORBIDDEN, "TRACE is not taken."),
        Method::OPTIONS if is_command.is_some() => {
            return allow(page::text(StatusCode::OK, None, String::new()), METHODS);
        }
        _ if is_command.is_some() => {
            return allow(
                error(StatusCode::METHOD_NOT_ALLOWED, "Commands are asked for by GET or POST."),
                METHODS,
            );
        }
        _ => return error(StatusCode::NOT_FOUND, "There is nothing here."),
    };
    let Some(name) = is_command else { return health(desk, &path) };
    let name = name.strip_prefix('/').unwrap_or(name);
    if name.is_empty() {
        return page::text(StatusCode::OK, None, desk.links());
    }
    let remote = desk.remote_of(&asker, || header(&head.headers, "x-forwarded-for"));
    let mut asked = Asked {
        name: name.to_owned(),
        posts,
        parameters: parameters(&head.uri),
        authorization: header(&head.headers, AUTHORIZATION),
        asker: Asker { remote, ..asker },
        sent: Sent::Nothing,
    };
    if posts {
        // Whoever is not let in need not send anything.
        let shared = Arc::clone(desk);
        let admitted = spawn_blocking(move || {
            let takes = shared.takes(&asked);
            (asked, takes)
        });
        let Ok((back, takes)) = admitted.await else { return failed() };
        asked = back;
        let sent = match takes {
            Err(refused) => return shown(refused),
            Ok(Takes::Nothing) => Ok(Sent::Nothing),
            Ok(Takes::Text) => upload::text(body, idle).await.map(Sent::Text),
            Ok(Takes::File(path)) => upload::file(body, path, idle).await.map(Sent::File),
        };
        match sent {
            Ok(sent) => asked.sent = sent,
            Err(problem) => {
                tracing::warn!(target: topics::ADMIN, peer = %asked.asker.remote, command = asked.name, error = %problem, "what was sent along cannot be taken");
                return error(StatusCode::BAD_REQUEST, "What was sent along cannot be taken.");
            }
        }
    }
    let desk = Arc::clone(desk);
    match spawn_blocking(move || desk.answer(&asked)).await {
        Ok(answer) => shown(answer),
        Err(_) => failed(),
    }
}

/// Whether the process lives, and whether it serves.
fn health(desk: &AdminDesk, path: &str) -> Page {
    let told = |status, text: &str| page::text(status, Some(TEXT), format!("{text}\n"));
    match path {
        "/health/live" => told(StatusCode::OK, "live"),
        "/health/ready" if desk.is_ready() => told(StatusCode::OK, "ready"),
        "/health/ready" => told(StatusCode::SERVICE_UNAVAILABLE, "not serving"),
        _ => error(StatusCode::NOT_FOUND, "There is nothing here."),
    }
}

/// A panic is no answer.
fn failed() -> Page {
    error(StatusCode::INTERNAL_SERVER_ERROR, "The command has failed; the server's log says why.")
}

fn shown(answer: Answer) -> Page {
    let Answer { status, headers, content } = answer;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match content {
        Content::Json(text) => with_headers(page::text(status, Some(JSON), text), headers),
        Content::Snapshot(file, len) => with_headers(page::file(file, len), headers),
        Content::WrongMethod(methods) => {
            allow(error(status, &format!("This command is asked for by {methods}.")), methods)
        }
    }
}

async fn metrics(exporter: &Arc<Exporter>, request: &Request<Incoming>) -> Page {
    match *request.method() {
        Method::TRACE => return error(StatusCode::FORBIDDEN, "TRACE is not taken."),
        Method::GET | Method::HEAD | Method::POST => {}
        Method::OPTIONS => return allow(page::text(StatusCode::OK, None, String::new()), METHODS),
        _ => return allow(error(StatusCode::METHOD_NOT_ALLOWED, "Metrics are asked for by GET."), METHODS),
    }
    if request.uri().path() != "/metrics" {
        return error(StatusCode::NOT_FOUND, "Metrics are at /metrics.");
    }
    let query = request.uri().query().unwrap_or_default();
    let wanted: Vec<String> = form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "name[]")
        .map(|(_, name)| name.into_owned())
        .collect();
    let exporter = Arc::clone(exporter);
    match spawn_blocking(move || exporter.text(&wanted)).await {
        Ok(Some(text)) => page::text(StatusCode::OK, Some(Exporter::TYPE), text),
        Ok(None) => error(StatusCode::SERVICE_UNAVAILABLE, "The server did not answer in time."),
        Err(_) => page::text(StatusCode::INTERNAL_SERVER_ERROR, Some(HTML), String::new()),
    }
}
