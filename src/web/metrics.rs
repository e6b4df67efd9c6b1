//! `GET /metrics`: a few gauges in Prometheus' text format.

use std::fmt::{self, Display, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::App;
use super::house::House;

pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let headers = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (headers, text(&app.house))
}

fn text(house: &House) -> String {
    let mut text = Text::default();
    let body = house.status_body();
    let snapshot = house.status.borrow().clone();

    text.gauge("asfaleia_build_info", "The program's version.");
    text.value("asfaleia_build_info", &[("version", house.version)], 1);
    text.gauge(
        "asfaleia_state",
        "The panel's state: 1 for the one it is in.",
    );
    text.value("asfaleia_state", &[("state", &body.state)], 1);
    text.gauge("asfaleia_incidents", "Incidents that go on.");
    text.value("asfaleia_incidents", &[], body.incidents.len());
    text.gauge(
        "asfaleia_sensor",
        "A sensor's state: 1 for the one it is in.",
    );
    for sensor in &body.sensors {
        let state = sensor_word(sensor.state);
        let labels = [
            ("sensor", sensor.name.as_str()),
            ("kind", sensor.kind.word()),
            ("state", state),
        ];
        text.value("asfaleia_sensor", &labels, 1);
    }
    text.family(
        "asfaleia_sensor_errors_total",
        "counter",
        "Bad lines and readings since the start.",
    );
    for sensor in &body.sensors {
        let labels = [("sensor", sensor.name.as_str())];
        text.value("asfaleia_sensor_errors_total", &labels, sensor.errors);
    }
    text.gauge("asfaleia_output_active", "1 while the output is on.");
    for (output, on) in [
        ("buzzer", body.outputs.buzzer),
        ("exhaust", body.outputs.exhaust),
    ] {
        let labels = [("output", output)];
        text.value("asfaleia_output_active", &labels, u8::from(on.active));
    }
    text.gauge("asfaleia_troubles", "What lessens protection now.");
    text.value("asfaleia_troubles", &[], body.troubles.len());
    text.gauge("asfaleia_trouble", "1 for each trouble there is.");
    for trouble in &body.troubles {
        let labels = [
            ("code", trouble.code.word()),
            ("subject", trouble.subject.as_str()),
        ];
        text.value("asfaleia_trouble", &labels, 1);
    }
    text.gauge("asfaleia_outbox_waiting", "Messages that wait.");
    text.value("asfaleia_outbox_waiting", &[], body.outbox.waiting);
    text.gauge(
        "asfaleia_proven_timestamp_seconds",
        "When each path last delivered something.",
    );
    for (path, at) in &snapshot.proven {
        let labels = [("path", path.as_str())];
        let seconds = at.timestamp().as_second();
        text.value("asfaleia_proven_timestamp_seconds", &labels, seconds);
    }
    text.0
}

pub(super) fn sensor_word(state: crate::alarm::SensorState) -> &'static str {
    use crate::alarm::SensorState;
    match state {
        SensorState::Inactive => "inactive",
        SensorState::Active => "active",
        SensorState::Silent => "silent",
        SensorState::WarmingUp => "warming_up",
        SensorState::Inhibited => "inhibited",
        SensorState::Soak => "soak",
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        if labels.is_empty() {
            return self.line(format_args!("{name} {value}"));
        }
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escape(text)))
            .collect();
        self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
    }

    fn line(&mut self, line: fmt::Arguments) {
        writeln!(self.0, "{line}").expect("a String takes everything");
    }
}

/// A label's value: the owner named the sensor, not we.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
