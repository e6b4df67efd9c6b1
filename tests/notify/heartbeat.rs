//! The heartbeat against a server with TLS.

use std::sync::{Arc, Mutex};

use asfaleia::notify::Heartbeat;
use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};

use crate::authority::Authority;
use crate::{https, soon};

type Asked = Arc<Mutex<Vec<String>>>;

async fn take(State(asked): State<Asked>, method: Method, uri: Uri) -> StatusCode {
    asked.lock().unwrap().push(format!("{method} {uri}"));
    match uri.path() {
        "/s3cret" => StatusCode::OK,
        _ => StatusCode::NOT_FOUND,
    }
}

#[tokio::test]
async fn an_address_is_asked_over_tls_and_a_failure_tells_nothing_of_its_path() {
    let (asked, authority) = (Asked::default(), Authority::new());
    let app = Router::new().fallback(take).with_state(asked.clone());
    let base = https::serve(app, &authority).await;
    let beat = |url: String, ca_file| async move {
        let heartbeat = Heartbeat::new(&url, ca_file).unwrap();
        assert_eq!(heartbeat.server(), "localhost");
        soon(heartbeat.beat()).await
    };
    let ours = Some(authority.file());

    assert_eq!(beat(format!("{base}/s3cret?key=1"), ours).await, Ok(()));
    assert_eq!(*asked.lock().unwrap(), ["GET /s3cret?key=1"]);
    let refused = beat(format!("{base}/0ther-s3cret"), ours)
        .await
        .unwrap_err();
    assert!(
        refused.contains("asking localhost: it answered 404"),
        "{refused}"
    );
    let stranger = beat(format!("{base}/s3cret"), None).await.unwrap_err();
    let nobody = beat("https://localhost:1/s3cret".to_owned(), ours).await;
    for why in [refused, stranger, nobody.unwrap_err()] {
        assert!(
            !why.contains("s3cret") && why.contains("localhost"),
            "{why}"
        );
    }
}
