//! What a module is asked, and what its answers mean. Pure.

/// A command to a module, with the numbers of the data sheets of R307, R503 and AS608.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// GenImg: looks for a finger, and takes its image.
    TakeImage,
    /// Img2Tz: finds what is characteristic in the image, and keeps it in a buffer.
    Characterise(Buffer),
    /// Search: looks for what is in buffer 1 among all templates.
    Search {
        /// How many pages, from page 0.
        pages: u16,
    },
    /// RegModel: makes one template of both buffers, if they are of the same finger.
    Combine,
    /// Store: writes the template to a page.
    Store(u16),
    /// DeletChar: forgets the template of a page.
    Delete(u16),
    /// ReadSysPara: its size and settings.
    Parameters,
    /// VfyPwd: without the right password it does nothing else.
    Password(u32),
    /// ReadIndexTable: which of 256 pages hold a template.
    Index {
        /// 0 for pages 0 to 255, 1 for the next 256 ...
        table: u8,
    },
    /// AuraLedConfig: the ring of an R503.
    Light(Light),
}

/// Where a module keeps characteristics while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Buffer {
    /// The first touch, and what is searched.
    One = 1,
    /// The second touch.
    Two = 2,
}

/// What the ring of light shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// Nothing: it waits.
    Off,
    /// A finger of the house: blue, for a moment.
    Known,
    /// A finger of nobody: red, for a moment.
    Stranger,
    /// Lay the finger on it: purple, breathing.
    Lay,
    /// Lift it: blue.
    Lift,
}

impl Command {
    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Command::TakeImage => "taking an image",
            Command::Characterise(_) => "reading the image",
            Command::Search { .. } => "searching",
            Command::Combine => "combining two touches",
            Command::Store(_) => "storing a template",
            Command::Delete(_) => "deleting a template",
            Command::Parameters => "reading its parameters",
            Command::Password(_) => "giving the password",
            Command::Index { .. } => "reading the table of templates",
            Command::Light(_) => "switching its light",
        }
    }

    /// The content of its packet.
    pub fn content(self) -> Vec<u8> {
        match self {
            Command::TakeImage => vec![0x01],
            Command::Characterise(buffer) => vec![0x02, buffer as u8],
            Command::Search { pages } => {
                let [high, low] = pages.to_be_bytes();
                vec![0x04, Buffer::One as u8, 0, 0, high, low]
            }
            Command::Combine => vec![0x05],
            Command::Store(page) => {
                let [high, low] = page.to_be_bytes();
                vec![0x06, Buffer::One as u8, high, low]
            }
            Command::Delete(page) => {
                let [high, low] = page.to_be_bytes();
                vec![0x0C, high, low, 0, 1]
            }
            Command::Parameters => vec![0x0F],
            Command::Password(password) => [&[0x13], &password.to_be_bytes()[..]].concat(),
            Command::Index { table } => vec![0x1F, table],
            Command::Light(light) => [&[0x35], &light.settings()[..]].concat(),
        }
    }

    /// How long an answer's content is, its first byte included: what is longer or shorter answers
    /// something else.
    pub fn answer_length(self) -> usize {
        match self {
            Command::TakeImage
            | Command::Characterise(_)
            | Command::Combine
            | Command::Store(_)
            | Command::Delete(_)
            | Command::Password(_)
            | Command::Light(_) => 1,
            Command::Search { .. } => 5,
            Command::Parameters => 17,
            Command::Index { .. } => 33,
        }
    }
}

impl Light {
    /// How: 1 breathes, 2 flashes, 3 on, 4 off; speed; colour: 1 red, 2 blue, 3 purple; how often, 0
    /// without end.
    fn settings(self) -> [u8; 4] {
        match self {
            Light::Off => [4, 0, 1, 0],
            Light::Known => [2, 40, 2, 2],
            Light::Stranger => [2, 40, 1, 3],
            Light::Lay => [1, 100, 3, 0],
            Light::Lift => [3, 0, 2, 0],
        }
    }
}

/// The first byte of an answer.
pub mod code {
    /// Done.
    pub const OK: u8 = 0x00;
    /// The command came damaged.
    pub const DAMAGED: u8 = 0x01;
    /// No finger lies on it.
    pub const NO_FINGER: u8 = 0x02;
    /// The image could not be taken.
    pub const NO_IMAGE: u8 = 0x03;
    /// The image is too disorderly.
    pub const DISORDERLY: u8 = 0x06;
    /// The image has too little that is characteristic.
    pub const TOO_LITTLE: u8 = 0x07;
    /// The two buffers do not match.
    pub const NO_MATCH: u8 = 0x08;
    /// No template matches.
    pub const NOT_FOUND: u8 = 0x09;
    /// The two touches are of different fingers.
    pub const DIFFERENT: u8 = 0x0A;
    /// There is no such page.
    pub const BAD_PAGE: u8 = 0x0B;
    /// The page holds no template, or a broken one.
    pub const NO_TEMPLATE: u8 = 0x0C;
    /// It could not be deleted.
    pub const NOT_DELETED: u8 = 0x10;
    /// The password is wrong.
    pub const WRONG_PASSWORD: u8 = 0x13;
    /// There is no image to read.
    pub const INVALID_IMAGE: u8 = 0x15;
    /// The password has to be given first.
    pub const ASKS_PASSWORD: u8 = 0x21;
}
