//! Single values as written: each knows what it may look like, and says so when it does not.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::config::units::{
    DURATION_FORM, DURATION_PATTERN, SIZE_FORM, SIZE_PATTERN, read_duration, read_size,
};

/// A value and where it stands in the file, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        Ok(At {
            span: spanned.span(),
            value: spanned.into_inner(),
        })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value that is written as a string of a certain form.
pub(super) trait Written: Sized {
    /// What it may look like, for people.
    const FORM: &'static str;
    /// A regular expression for the JSON Schema, where one says enough.
    const PATTERN: Option<&'static str>;
    /// Reads it; the error is a sentence, to which [`Self::FORM`] is added.
    fn read(text: &str) -> Result<Self, String>;
}

macro_rules! written {
    ($($name:ident),*) => { $(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(WrittenVisitor(PhantomData))
            }
        }
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                match Self::PATTERN {
                    Some(pattern) => json_schema!({ "type": "string", "pattern": pattern }),
                    None => json_schema!({ "type": "string" }),
                }
            }
        }
    )* };
}

struct WrittenVisitor<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for WrittenVisitor<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::FORM)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        // The line break parts message and help; see `parse::explain`.
        T::read(text).map_err(|why| E::custom(format!("{why}\n{}", T::FORM)))
    }
}

written!(
    Time,
    Size,
    Name,
    Identifier,
    PhoneNumber,
    MailAddress,
    Pointer,
    Topic,
    Template,
    HttpUrl,
    UsbId,
    TimeOfDay
);

/// A duration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time(pub(crate) Duration);

impl Written for Time {
    const FORM: &'static str = DURATION_FORM;
    const PATTERN: Option<&'static str> = Some(DURATION_PATTERN);
    fn read(text: &str) -> Result<Self, String> {
        read_duration(text).map(Time)
    }
}

/// Bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl Written for Size {
    const FORM: &'static str = SIZE_FORM;
    const PATTERN: Option<&'static str> = Some(SIZE_PATTERN);
    fn read(text: &str) -> Result<Self, String> {
        read_size(text).map(Size)
    }
}

/// A name for people: of the site, a sensor, a contact.
#[derive(Debug, Clone)]
pub(super) struct Name(pub(super) String);

impl Written for Name {
    const FORM: &'static str =
        "a name of 1 to 60 characters, without line breaks and spaces around it";
    const PATTERN: Option<&'static str> = None;
    fn read(text: &str) -> Result<Self, String> {
        // Names get into subjects, topics and addresses of the API: nothing may break out of them.
        let fits = (1..=60).contains(&text.chars().count());
        if !fits || text.trim() != text || text.chars().any(char::is_control) {
            return Err(format!("{text:?} is no name"));
        }
        Ok(Name(text.to_owned()))
    }
}

/// A word for machines: in MQTT topics and serial lines.
#[derive(Debug, Clone)]
pub(super) struct Identifier(pub(super) String);

impl Written for Identifier {
    const FORM: &'static str = "1 to 40 of the characters a-z, 0-9, - and _";
    const PATTERN: Option<&'static str> = Some("^[a-z0-9_-]{1,40}$");
    fn read(text: &str) -> Result<Self, String> {
        let fits = (1..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        if !fits {
            return Err(format!("{text:?} cannot stand in a topic"));
        }
        Ok(Identifier(text.to_owned()))
    }
}

/// A telephone number in E.164 form that is not an emergency number.
#[derive(Debug, Clone)]
pub(super) struct PhoneNumber(pub(super) String);

/// Emergency numbers of the world as people might enter them. None is longer than three digits,
/// and no subscriber's E.164 number is shorter than seven: so the length alone refuses them all,
/// with and without a country's prefix, and this list is there to say why.
const EMERGENCY: &[&str] = &[
    "000", "066", "100", "101", "102", "103", "104", "105", "106", "107", "108", "110", "111",
    "112", "113", "114", "115", "117", "118", "119", "120", "122", "123", "125", "127", "128",
    "131", "132", "133", "140", "144", "150", "155", "158", "160", "166", "180", "190", "191",
    "192", "193", "194", "195", "197", "198", "199", "907", "911", "913", "991", "992", "993",
    "994", "995", "997", "998", "999",
];

impl Written for PhoneNumber {
    const FORM: &'static str = "a telephone number in international form: + and 7 to 15 digits without spaces, such as \"+302101234567\"; never an emergency number";
    const PATTERN: Option<&'static str> = Some(r"^\+[1-9][0-9]{6,14}$");
    fn read(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if (3..=6).contains(&digits.len()) && EMERGENCY.iter().any(|n| digits.ends_with(n)) {
            return Err("an emergency number is never called by a machine".to_owned());
        }
        let well_formed = text.strip_prefix('+').is_some_and(|rest| rest == digits)
            && (7..=15).contains(&digits.len())
            && !digits.starts_with('0');
        if !well_formed {
            return Err("this is no telephone number in international form".to_owned());
        }
        Ok(PhoneNumber(text.to_owned()))
    }
}

/// A mailbox, with or without a name.
#[derive(Debug, Clone)]
pub(super) struct MailAddress(pub(super) String);

impl Written for MailAddress {
    const FORM: &'static str =
        "a mail address such as \"anna@example.org\" or \"Anna <anna@example.org>\"";
    const PATTERN: Option<&'static str> = Some("^[^@]+@[^@]+$");
    fn read(text: &str) -> Result<Self, String> {
        match text.parse::<lettre::message::Mailbox>() {
            Ok(_) => Ok(MailAddress(text.to_owned())),
            Err(why) => Err(format!("{text:?} is no mail address ({why})")),
        }
    }
}

/// A JSON pointer (RFC 6901).
#[derive(Debug, Clone)]
pub(super) struct Pointer(pub(super) String);

impl Written for Pointer {
    const FORM: &'static str =
        "a JSON pointer such as \"/occupancy\" or \"/sensors/0/open\" (~0 stands for ~, ~1 for /)";
    const PATTERN: Option<&'static str> = Some("^(/([^~/]|~[01])*)+$");
    fn read(text: &str) -> Result<Self, String> {
        let tildes_escape = text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with(['0', '1']));
        if !text.starts_with('/') || !tildes_escape {
            return Err(format!("{text:?} is no JSON pointer"));
        }
        Ok(Pointer(text.to_owned()))
    }
}

/// An MQTT topic to which one subscribes without wildcards.
#[derive(Debug, Clone)]
pub(super) struct Topic(pub(super) String);

impl Written for Topic {
    const FORM: &'static str =
        "one topic such as \"esp/test\", without the wildcards + and #: a sensor is one topic";
    const PATTERN: Option<&'static str> = Some("^[^+#]+$");
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 65_535 || text.contains(['+', '#', '\0']) {
            return Err(format!("{text:?} is no topic of one sensor"));
        }
        Ok(Topic(text.to_owned()))
    }
}

/// A minijinja template.
#[derive(Debug, Clone)]
pub(super) struct Template(pub(super) String);

impl Written for Template {
    const FORM: &'static str = "a minijinja template such as \"{{ title }}: {{ text }}\" (docs/configuration.md lists the names)";
    const PATTERN: Option<&'static str> = None;
    fn read(text: &str) -> Result<Self, String> {
        match minijinja::Environment::empty().template_from_str(text) {
            Ok(_) => Ok(Template(text.to_owned())),
            Err(why) => Err(format!("the template does not compile: {why}")),
        }
    }
}

/// An address of a web server.
#[derive(Debug, Clone)]
pub(super) struct HttpUrl(pub(super) reqwest::Url);

impl Written for HttpUrl {
    const FORM: &'static str =
        "an address such as \"https://example.org/path\", without a user name or password in it";
    const PATTERN: Option<&'static str> = Some("^https?://[^@]+$");
    fn read(text: &str) -> Result<Self, String> {
        let url = reqwest::Url::parse(text).map_err(|why| match text.is_ascii() {
            true => format!("this is no address ({why})"),
            false => format!(
                "this is no address ({why}): a host's name with letters beyond ASCII is written in \
                 its form that begins with xn--"
            ),
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("this is no address of a web server".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a login does not belong into an address".to_owned());
        }
        Ok(HttpUrl(url))
    }
}

/// A time on the clock on the wall.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeOfDay(pub(super) jiff::civil::Time);

impl Written for TimeOfDay {
    const FORM: &'static str = "hours and minutes in quotes, such as \"11:00\" or \"18:30\"";
    const PATTERN: Option<&'static str> = Some("^([01][0-9]|2[0-3]):[0-5][0-9]$");
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time of day");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let number = |digits: &str| {
            let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            two.then(|| digits.parse().ok()).flatten()
        };
        let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
        let time = jiff::civil::Time::new(hour, minute, 0, 0);
        time.map(TimeOfDay).map_err(|_| wrong())
    }
}

/// USB vendor or product.
#[derive(Debug, Clone)]
pub(super) struct UsbId(pub(super) String);

impl Written for UsbId {
    const FORM: &'static str = "four hexadecimal digits such as \"1a86\", as `lsusb` prints them";
    const PATTERN: Option<&'static str> = Some("^[0-9a-fA-F]{4}$");
    fn read(text: &str) -> Result<Self, String> {
        if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("{text:?} is no USB id"));
        }
        Ok(UsbId(text.to_ascii_lowercase()))
    }
}
