//! `[buzzer]`, `[exhaust]` and `[camera]`.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::{Check, HOUR, MINUTE, SECOND, level};
use crate::alarm::SensorKind;
use crate::config::choice::{Choice, GpioLine, WordOr};
use crate::config::raw::{Maybe, RawActive, RawBuzzer, RawCamera, RawCameraSource, RawExhaust};
use crate::config::values::At;
use crate::config::{Camera, CameraDevice, Exhaust, GpioBackend, OutputLine};

impl Check<'_> {
    pub(super) fn buzzer(&mut self, raw: &At<RawBuzzer>) -> OutputLine {
        let At { value, span } = raw;
        self.output("buzzer", span, &value.gpio, value.active, &value.simulated)
    }

    pub(super) fn exhaust(&mut self, raw: &At<RawExhaust>) -> Exhaust {
        let At { value, span } = raw;
        let mut sensors = self.written.file.sensor.iter();
        if !sensors.any(|sensor| sensor.value.kind.value == SensorKind::Gas) {
            self.warning(
                span,
                "no gas sensor switches this fan on",
                "add a [[sensor]] with kind = \"gas\"",
            );
        }
        Exhaust {
            output: self.output("exhaust", span, &value.gpio, value.active, &value.simulated),
            run_on: self.time(&value.run_on, 5 * MINUTE, Duration::ZERO..=24 * HOUR),
            max_run: self.time(&value.max_run, 2 * HOUR, SECOND..=30 * 24 * HOUR),
        }
    }

    fn output(
        &mut self,
        name: &str,
        header: &Range<usize>,
        gpio: &Maybe<GpioLine>,
        active: Option<RawActive>,
        simulated: &Maybe<bool>,
    ) -> OutputLine {
        const ONE: &str = "allowed: `gpio = 17`, or `simulated = true` for one without a wire";
        let pretended = simulated.as_ref().filter(|simulated| simulated.value);
        match (gpio, pretended) {
            (Some(_), Some(simulated)) => {
                self.error(
                    &simulated.span,
                    &format!("[{name}] has a wire and is simulated"),
                    ONE,
                );
            }
            (None, None)
                if self.backend != GpioBackend::Simulated
                    && !self.written.element_has(header, "gpio") =>
            {
                self.error(header, &format!("[{name}] has no wire"), ONE);
            }
            (Some(_), None) | (None, Some(_)) | (None, None) => {}
        }
        OutputLine {
            line: gpio
                .as_ref()
                .map(|line| self.pin(line, format!("[{name}]"))),
            active: level(active),
        }
    }

    pub(super) fn camera(&mut self, raw: &RawCamera) -> Camera {
        Camera {
            device: raw
                .device
                .as_ref()
                .map_or(CameraDevice::Auto, |device| self.device(device)),
            width: self.number(&raw.width, 1280, 16..=4096),
            height: self.number(&raw.height, 720, 16..=4096),
            burst: self.number(&raw.burst, 3, 1..=20),
            // Frames wait in memory: 30 s at 10 a second are about 30 MB already.
            pre_roll: self.time(&raw.pre_roll, Duration::ZERO, Duration::ZERO..=30 * SECOND),
        }
    }

    fn device(&mut self, raw: &At<WordOr<RawCameraSource>>) -> CameraDevice {
        let allowed = format!("allowed: {}", RawCameraSource::FORM);
        match &raw.value {
            WordOr::Word(word) if word == "auto" => CameraDevice::Auto,
            WordOr::Word(word) if word == "simulated" => CameraDevice::Simulated,
            WordOr::Word(path) if path.starts_with('/') => CameraDevice::Path(PathBuf::from(path)),
            WordOr::Word(word) => {
                self.error(
                    &raw.span,
                    &format!("there is no camera \"{word}\""),
                    &allowed,
                );
                CameraDevice::Auto
            }
            WordOr::Table(RawCameraSource {
                command: Some(command),
                url: None,
            }) => {
                if command.first().is_none_or(String::is_empty) {
                    self.error(&raw.span, "the camera's command is empty", &allowed);
                }
                CameraDevice::Command(command.clone())
            }
            WordOr::Table(RawCameraSource {
                command: None,
                url: Some(url),
            }) => CameraDevice::Url(url.0.to_string()),
            WordOr::Table(RawCameraSource { .. }) => {
                self.error(
                    &raw.span,
                    "a camera is one thing: a command or an address",
                    &allowed,
                );
                CameraDevice::Auto
            }
        }
    }
}
