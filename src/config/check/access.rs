//! `[access]`: who is let in, by what.

use std::ops::Range;
use std::path::PathBuf;

use secrecy::ExposeSecret;

use super::{Check, HOUR, MINUTE, SECOND};
use crate::alarm::{Factor, Grant};
use crate::config::choice::{Choice, WordOr};
use crate::config::raw_people::{RawAccess, RawFaceLine, RawFactor, RawFinger, RawGrant};
use crate::config::values::At;
use crate::config::{Access, FaceInput, FingerInput, ModulePassword};

impl Check<'_> {
    pub(super) fn access(&mut self, raw: &At<RawAccess>) -> Access {
        let At { value: raw, span } = raw;
        let require = match &raw.require {
            None => vec![vec![Factor::Pin]],
            Some(sets) => self.require(sets, span),
        };
        let face = raw.face.as_ref().and_then(|face| self.face(face));
        let finger = raw.finger.as_ref().map(|finger| self.finger(finger));
        let asked = |factor| require.iter().flatten().any(|asked| *asked == factor);
        for (factor, key, place) in [
            (
                Factor::Face,
                "face",
                raw.face.as_ref().map(|face| &face.span),
            ),
            (
                Factor::Finger,
                "finger",
                raw.finger.as_ref().map(|finger| &finger.span),
            ),
        ] {
            if let Some(place) = place.filter(|_| !asked(factor)) {
                self.warning(
                    place,
                    &format!("`{key}` lets nobody in: no set of `require` asks for it"),
                    "add it to a set, or leave it out",
                );
            }
        }
        if require.contains(&vec![Factor::Face]) {
            let place = raw
                .require
                .as_ref()
                .map_or(span, |require| &require.span)
                .clone();
            self.warning(
                &place,
                "a photograph can fool one camera",
                "ask for a second factor: [[\"face\", \"finger\"], [\"pin\"]]",
            );
        }
        Access {
            require,
            within: self.time(&raw.within, 30 * SECOND, SECOND..=10 * MINUTE),
            grant: match raw.grant {
                None | Some(RawGrant::Disarm) => Grant::Disarm,
                Some(RawGrant::Toggle) => Grant::Toggle,
                Some(RawGrant::Pause) => Grant::Pause,
            },
            pause_for: self.time(&raw.pause_for, 30 * SECOND, SECOND..=HOUR),
            face,
            finger,
            models: raw.models.as_ref().map_or_else(
                || PathBuf::from("/usr/share/asfaleia/models"),
                PathBuf::from,
            ),
        }
    }

    fn require(
        &mut self,
        raw: &At<Vec<Vec<RawFactor>>>,
        header: &Range<usize>,
    ) -> Vec<Vec<Factor>> {
        let At { value: sets, span } = raw;
        const SETS: &str = "allowed: sets of \"face\", \"finger\" and \"pin\", such as [[\"face\", \"finger\"], [\"pin\"]]";
        if sets.is_empty() || sets.iter().any(Vec::is_empty) {
            self.error(
                span,
                "an empty set would let everybody in, no set nobody",
                SETS,
            );
        }
        let sets: Vec<Vec<Factor>> = sets
            .iter()
            .map(|set| {
                let mut set: Vec<Factor> = set.iter().copied().map(factor).collect();
                set.sort_unstable();
                set.dedup();
                set
            })
            .collect();
        for (factor, key) in [(Factor::Face, "face"), (Factor::Finger, "finger")] {
            let asked = sets.iter().flatten().any(|asked| *asked == factor);
            if asked && !self.written.element_has(header, key) {
                let example = if factor == Factor::Face {
                    RawFaceLine::FORM
                } else {
                    "{ port = \"/dev/serial0\" } or { gpio = 21 }"
                };
                self.error(
                    span,
                    &format!("\"{key}\" is asked for, and there is nothing that reads it"),
                    &format!("add `{key} = …` to [access]; allowed: {example}"),
                );
            }
        }
        sets
    }

    fn face(&mut self, raw: &At<WordOr<RawFaceLine>>) -> Option<FaceInput> {
        match &raw.value {
            WordOr::Word(word) if word == "camera" => {
                if !self.written.has("camera") {
                    self.error(
                        &raw.span,
                        "faces come from the camera, and there is none",
                        "add a section [camera]",
                    );
                }
                Some(FaceInput::Camera)
            }
            WordOr::Word(word) => {
                self.error(
                    &raw.span,
                    &format!("no face comes from \"{word}\""),
                    &format!("allowed: {}", RawFaceLine::FORM),
                );
                None
            }
            WordOr::Table(wire) => {
                let line = self.pin(&wire.gpio, "[access] face".to_owned());
                Some(FaceInput::Gpio(self.input(
                    line,
                    wire.active,
                    &wire.bias,
                    &wire.debounce,
                )))
            }
        }
    }

    fn finger(&mut self, raw: &At<RawFinger>) -> FingerInput {
        let At {
            value: finger,
            span,
        } = raw;
        match (&finger.port, &finger.gpio) {
            (None, Some(gpio)) => {
                let line = self.pin(gpio, "[access] finger".to_owned());
                FingerInput::Gpio(self.input(line, finger.active, &finger.bias, &finger.debounce))
            }
            (Some(port), None) => {
                let baud = self.number(&finger.baud, 57_600, 9_600..=115_200);
                if !baud.is_multiple_of(9_600) {
                    let place = finger.baud.as_ref().map_or(&port.span, |baud| &baud.span);
                    self.error(
                        place,
                        &format!("no reader speaks at {baud} baud"),
                        "allowed: multiples of 9600, usually 57600",
                    );
                }
                let password = finger.password_file.as_ref();
                FingerInput::Serial {
                    port: PathBuf::from(&port.value),
                    baud,
                    password: password.map_or_else(Default::default, |it| self.module_password(it)),
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                self.error(
                    span,
                    "a reader is one thing: a port or a wire",
                    "allowed: { port = \"/dev/serial0\" } or { gpio = 21 }",
                );
                FingerInput::Serial {
                    port: PathBuf::new(),
                    baud: 57_600,
                    password: ModulePassword::default(),
                }
            }
        }
    }

    fn module_password(&mut self, file: &At<String>) -> ModulePassword {
        let secret = self.secret(file);
        let text = secret.expose_secret();
        if text.is_empty() {
            return ModulePassword::default(); // only the shape is looked at, or an error was told
        }
        let number = match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        number.map(ModulePassword).unwrap_or_else(|_| {
            self.error(
                &file.span,
                "the file holds no password of a fingerprint module",
                "allowed: a number up to 4294967295, or 0x and up to 8 hexadecimal digits",
            );
            ModulePassword::default()
        })
    }
}

fn factor(raw: RawFactor) -> Factor {
    match raw {
        RawFactor::Face => Factor::Face,
        RawFactor::Finger => Factor::Finger,
        RawFactor::Pin => Factor::Pin,
    }
}
