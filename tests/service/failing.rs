//! The panel itself fails: the process ends, and comes back as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use asfaleia::alarm::{BootTime, Durable};
use asfaleia::clock::{Clock, SharedClock, SystemClock, WallTime};
use asfaleia::daemon::{self, Devices, Plan};
use asfaleia::store::StoreOptions;
use asfaleia::web::{ServiceKind, bind_socket};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, until};
use crate::home::Home;

/// The machine's clocks, until they fail in the panel's hands.
struct FailingClock {
    clock: SystemClock,
    fails: Arc<AtomicBool>,
}

impl Clock for FailingClock {
    fn boot(&self) -> BootTime {
        let fails = self.fails.load(Ordering::SeqCst);
        assert!(
            !(fails && thread::current().name() == Some("panel")),
            "a mistake in the panel"
        );
        self.clock.boot()
    }

    fn wall(&self) -> WallTime {
        self.clock.wall()
    }

    fn boot_id(&self) -> &str {
        self.clock.boot_id()
    }
}

#[test]
fn a_panel_that_panics_ends_the_service_which_comes_back_as_it_was_fan_included() {
    let home = Home::with(&[]);
    let fails = Arc::new(AtomicBool::new(false));
    let clock: SharedClock = Arc::new(FailingClock {
        clock: SystemClock::new(),
        fails: fails.clone(),
    });
    let (file, socket) = (home.file(), home.socket());
    // The daemon as the program runs it; what it ends with becomes the exit code 70.
    let running = thread::spawn(move || {
        daemon::runtime().unwrap().block_on(async move {
            let plan = Plan {
                chosen: daemon::choose(&file, &clock).unwrap(),
                file: Some(file),
                kind: ServiceKind::Run,
                socket: Some(bind_socket(&socket).unwrap()),
                listener: None,
                taken: None,
                unopened: Vec::new(),
                devices: Devices::default(),
                first_state: Durable::default(),
                store: StoreOptions::default(),
                password_cost: asfaleia::login::Cost::default(),
            };
            daemon::run(plan, clock, CancellationToken::new(), |_| {}).await
        })
    });
    let api = Api::Socket(home.socket());
    until("an answer on the socket", || api.try_connect().ok());
    api.until_gas("clear");
    api.post("arm", json!({ "mode": "away" }));
    api.until_committed();
    home.gas(true);
    until("the fan", || {
        (api.status()["outputs"]["exhaust"]["active"] == true).then_some(())
    });
    home.until_mails("ALARM gas", 1);

    fails.store(true, Ordering::SeqCst); // the node's next line meets it
    let ended = running.join().unwrap().unwrap_err();
    assert!(
        ended.to_string().contains("the panel has failed"),
        "{ended}"
    );

    let service = home.start();
    assert!(service.api.output("exhaust"), "with the first turn");
    assert_eq!(service.api.state(), "armed_away");
    assert_eq!(service.api.status()["gas"], "alarm");
}
