//! Values that may be written in two ways: as a number or a name, as a word or a table.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::Line;

/// A GPIO line: `18`, `"GPIO18"` (the same) or any other name.
#[derive(Debug, Clone)]
pub(super) struct GpioLine(pub(super) Line);

const LINE_FORM: &str =
    "a BCM number from 0 to 53 such as 18, or the name of a line such as \"GPIO18\"";

impl<'de> Deserialize<'de> for GpioLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LineVisitor;
        impl Visitor<'_> for LineVisitor {
            type Value = GpioLine;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(LINE_FORM)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<GpioLine, E> {
                match u32::try_from(number) {
                    Ok(n) if n <= 53 => Ok(GpioLine(Line::Number(n))),
                    Ok(_) | Err(_) => {
                        Err(E::custom(format!("there is no GPIO {number}\n{LINE_FORM}")))
                    }
                }
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<GpioLine, E> {
                // `GPIO<n>` is the kernel's name of BCM number n: one way to say it inside, so
                // that a pin used twice is found out.
                let number = name.strip_prefix("GPIO").map(str::parse::<u32>);
                match number {
                    Some(Ok(n)) => self.visit_i64(n.into()),
                    Some(Err(_)) | None if !name.trim().is_empty() => {
                        Ok(GpioLine(Line::Name(name.to_owned())))
                    }
                    Some(Err(_)) | None => {
                        Err(E::custom(format!("the line's name is empty\n{LINE_FORM}")))
                    }
                }
            }
        }
        deserializer.deserialize_any(LineVisitor)
    }
}

impl JsonSchema for GpioLine {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "GpioLine".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 53 },
            { "type": "string", "minLength": 1 },
        ] })
    }
}

/// A word or a table, told apart by what is written: serde's untagged enums would swallow the
/// reason why neither fits.
#[derive(Debug, Clone)]
pub(super) enum WordOr<T> {
    /// A string.
    Word(String),
    /// A table.
    Table(T),
}

/// What both forms of a [`WordOr`] look like.
pub(super) trait Choice {
    /// For people.
    const FORM: &'static str;
}

impl<'de, T: Deserialize<'de> + Choice> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Choice> Visitor<'de> for ChoiceVisitor<T> {
            type Value = WordOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::FORM)
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Table)
            }
        }
        deserializer.deserialize_any(ChoiceVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for WordOr<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("WordOr{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
