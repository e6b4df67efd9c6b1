//! What `run` and `simulate` share: the log, the signals, the way down.

use std::str::FromStr;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Names what is logged: `debug`, or `warn,asfaleia::mqtt=debug`.
const LOG: &str = "ASFALEIA_LOG";

/// Starts the log, on standard error. Under systemd the journal adds the time.
pub(super) fn start_log(usual: LevelFilter) {
    let wanted = std::env::var(LOG).ok();
    let targets = wanted
        .as_deref()
        .and_then(|text| Targets::from_str(text).ok())
        .unwrap_or_else(|| {
            // Libraries at rest have nothing to tell an owner.
            let others = usual.min(LevelFilter::WARN);
            Targets::new()
                .with_default(others)
                .with_target("asfaleia", usual)
        });
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        let _ = registry.with(layer.without_time()).try_init();
    } else {
        let _ = registry.with(layer).try_init();
    }
}

/// SIGTERM and SIGINT ask for an ordered stop; a second one ends the program at once.
pub(super) fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(())
}

/// Ends what is left on blocking threads: a disk that hangs must not hold up the stop.
pub(super) fn shut_down(runtime: tokio::runtime::Runtime) {
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
}
