//! What the panel wants done. `step` returns these; the executors do them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::Factor;
use super::drill::Proof;
use super::event::{Actor, Test, TroubleCode};
use super::incident::{Incident, IncidentId, IncidentKind, PhotoId};
use super::ladder::Calls;
use super::policy::{Mode, Rung, SensorKind, SensorName};
use super::start::BootReport;
use super::state::Recording;
use super::time::BootTime;

/// One thing to do. Of one step's actions the outputs are switched first, in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Now, inline: what the buzzer sounds from now on; `None` is silence.
    Buzzer(Option<Pattern>),
    /// Now, inline: a short pattern once, then what sounded before.
    Chirp(Pattern),
    /// Now, inline: the exhaust fan on or off.
    Exhaust(bool),
    /// Now, by the camera's task: take photos for this incident.
    TakePhotos {
        /// For which incident.
        incident: IncidentId,
        /// How many; the first as early as the camera allows, the rest spread over two seconds.
        count: u32,
    },
    /// To the store: this is what the incident is now.
    Save(Incident),
    /// To the store: nobody had acknowledged them, and now somebody has, all that are over with
    /// lower numbers. The alarm itself remembers the latest alone.
    AcknowledgeEnded {
        /// Who.
        by: Actor,
        /// Every incident before this one is over.
        before: IncidentId,
    },
    /// To the store: a line of history.
    Record {
        /// The incident it belongs to.
        incident: Option<IncidentId>,
        /// What happened.
        what: Record,
    },
    /// To the outbox: tell people. A row for each recipient.
    Send(Notice),
    /// To the outbox: climb a phone ladder.
    Call {
        /// The incident it is about; `None` for an unwatched sensor or a test.
        incident: Option<IncidentId>,
        /// What the voice says.
        notice: Notice,
        /// Who is called, in order.
        rungs: Vec<Rung>,
        /// How often the ladder is climbed.
        rounds: u32,
        /// Nobody acknowledged so long after a call ended: the next rung.
        ack_time: Duration,
    },
    /// To the outbox: this photo belongs to this incident; attach it where a mail waits for one.
    Attach {
        /// The incident.
        incident: IncidentId,
        /// The photo, or why there is none.
        photo: Result<PhotoId, String>,
    },
    /// To the outbox: stop calling. `None` stops the ladders that belong to no incident.
    StopCalls {
        /// Which calls.
        whose: Calls,
    },
    /// To the store: what the sensors did around an incident.
    SaveRecording(Recording),
    /// Now, by the camera's task: one photo that belongs to no incident.
    TryCamera,
    /// To the store, apart from the history: somebody was forced.
    RecordDuress {
        /// Whose finger or PIN it was.
        by: Actor,
    },
    /// Now, for a drill: the broker, and the camera if there is one. What becomes of it is written
    /// down as [`Record::Proof`]; the photo goes to the drill's mails.
    Prove {
        /// There is a camera, and mails wait for its photo.
        camera: bool,
    },
}

/// What the buzzer sounds. `docs/configuration.md` lists the rhythms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// The service has started: one short beep.
    Start,
    /// The exit delay runs: a slow tick that quickens at the end.
    ExitDelay,
    /// The entry delay runs: a faster tick.
    EntryDelay,
    /// Intrusion: three beeps, again and again.
    Alarm,
    /// Gas: long tones.
    Gas,
    /// An owner was recognised: two beeps.
    OwnerRecognised,
    /// Arming was refused, or something is still open: a low stutter.
    ArmFailed,
    /// A sensor triggered in a walk test: one beep.
    WalkTest,
}

/// A line of history. Serialises to the `kind` and `data` of the API's events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Record {
    /// The service started.
    Started {
        /// The machine was switched on since.
        new_boot: bool,
        /// Seconds without a sign of life.
        gap_seconds: Option<u64>,
        /// The panel's state.
        state: String,
    },
    /// The panel changed its state.
    State {
        /// From ...
        from: String,
        /// ... to.
        to: String,
        /// Who did it.
        by: Option<Actor>,
    },
    /// A sensor's trigger was counted.
    Trigger {
        /// Which sensor.
        sensor: SensorName,
        /// What it senses.
        sensor_kind: SensorKind,
        /// What it did: `alarm`, `follow-up`, `entry-delay`, `soak`, `walk-test`, `gas`, `warm-up`.
        effect: Effect,
    },
    /// An incident began.
    IncidentOpened {
        /// Intrusion or gas.
        incident_kind: IncidentKind,
        /// Its first sensor.
        sensor: SensorName,
    },
    /// An incident was confirmed by a second sensor.
    Confirmed {
        /// The second sensor.
        sensor: SensorName,
    },
    /// An incident ended.
    IncidentEnded {
        /// `cleared`, `disarmed` or `paused`.
        how: String,
        /// By whom.
        by: Option<Actor>,
    },
    /// Somebody acknowledged.
    Acknowledged {
        /// Who.
        by: Actor,
    },
    /// Somebody silenced the buzzer.
    Silenced {
        /// Who.
        by: Actor,
    },
    /// Somebody was let in.
    Granted {
        /// What for: `disarm`, `pause`, `arm`, ...
        what: String,
        /// Who, where, and by what.
        by: Actor,
    },
    /// Somebody can be known by something more.
    Enrolled {
        /// Who.
        person: String,
        /// By what.
        factor: Factor,
        /// Who asked for it.
        by: Actor,
    },
    /// Somebody is not known any more.
    Forgotten {
        /// Who.
        person: String,
        /// Who asked for it.
        by: Actor,
    },
    /// Somebody logged in or out, or who may has changed.
    Login {
        /// What was done.
        did: LoginDeed,
        /// The account's or the token's name.
        name: String,
        /// Where: an address, or words.
        place: String,
        /// Who did it.
        by: Actor,
    },
    /// A command, or a try at access, was refused.
    Refused {
        /// What was asked; `access` at the door.
        command: String,
        /// By whom.
        by: Actor,
        /// Why.
        reasons: Vec<String>,
    },
    /// A sensor was inhibited.
    Inhibited {
        /// Which.
        sensor: SensorName,
        /// Why, in a sentence.
        why: String,
    },
    /// A sensor takes part again.
    Restored {
        /// Which.
        sensor: SensorName,
    },
    /// The fan was switched.
    Exhaust {
        /// On or off.
        on: bool,
    },
    /// A photo was taken.
    Photo {
        /// Its number.
        photo: PhotoId,
    },
    /// A photo could not be taken.
    PhotoFailed {
        /// Why.
        why: String,
    },
    /// A phone ladder was held back by `ladder-every`.
    LadderHeldBack {},
    /// Nobody answered.
    NobodyAnswered {},
    /// A trouble began.
    TroubleRaised {
        /// Its code.
        code: TroubleCode,
        /// What has it.
        subject: String,
        /// What is wrong.
        text: String,
    },
    /// A trouble is over.
    TroubleCleared {
        /// Its code.
        code: TroubleCode,
        /// What had it.
        subject: String,
    },
    /// A message was delivered, answered or given up.
    Message {
        /// `email`, `phone`, `webhook`.
        channel: String,
        /// Who it went to: a contact's or webhook's name, never an address or number.
        to: String,
        /// `delivered`, `refused`, `given-up`, `calling`, `no-answer`, `busy`, ...
        outcome: String,
        /// The server's reply or what went wrong.
        detail: String,
    },
    /// The configuration was applied, or refused.
    Configuration {
        /// What changed, in a sentence.
        text: String,
    },
    /// A walk test began or ended.
    WalkTest {
        /// On or off.
        on: bool,
    },
    /// The service is back: what it found.
    BootReport(BootReport),
    /// A drill began.
    Drill {
        /// Who asked for it.
        by: Actor,
    },
    /// A drill's test went along one path, or did not.
    Proof {
        /// `email:NAME`, `phone:NAME`, `webhook:NAME`, `mqtt`, `camera`.
        path: String,
        /// What became of it.
        outcome: Proof,
        /// The server's reply or what went wrong.
        detail: String,
    },
    /// An output was tried on command.
    Test {
        /// Which.
        what: Test,
        /// By whom.
        by: Actor,
    },
}

/// What a counted trigger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It began an intrusion incident.
    Alarm,
    /// It joined one.
    FollowUp,
    /// It began, or joined, an entry delay.
    EntryDelay,
    /// Logged only: the sensor is on trial.
    Soak,
    /// Logged only: a walk test.
    WalkTest,
    /// It began or joined a gas incident.
    Gas,
    /// Gas while the sensor warms up: the fan runs, nobody is called.
    WarmUp,
}

/// What was done about logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginDeed {
    /// Somebody came in.
    LoggedIn,
    /// Their browser went out.
    LoggedOut,
    /// All their browsers went out.
    LoggedOutEverywhere,
    /// Somebody has a password.
    AccountAdded,
    /// Somebody has another password, or right.
    PasswordChanged,
    /// Somebody has none any more.
    AccountRemoved,
    /// A program may come in.
    TokenAdded,
    /// A program may not any more.
    TokenRevoked,
}

impl LoginDeed {
    /// What was done, for people.
    pub fn word(self) -> &'static str {
        match self {
            LoginDeed::LoggedIn => "logged in",
            LoginDeed::LoggedOut => "logged out",
            LoginDeed::LoggedOutEverywhere => "logged out everywhere",
            LoginDeed::AccountAdded => "account added",
            LoginDeed::PasswordChanged => "password changed",
            LoginDeed::AccountRemoved => "account removed",
            LoginDeed::TokenAdded => "token added",
            LoginDeed::TokenRevoked => "token revoked",
        }
    }
}

/// Something to tell people: facts, not words. `notify::words` finds the words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub about: About,
    /// The incident it belongs to; mails of one incident form a thread.
    pub incident: Option<IncidentId>,
    /// When it happened.
    pub happened: BootTime,
    /// Hold the mail for a photo until then.
    pub wait_for_photo: Option<BootTime>,
    /// Photos to attach that are there already.
    pub photos: Vec<PhotoId>,
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum About {
    /// An alarm has begun.
    Alarm {
        /// Intrusion or gas.
        kind: IncidentKind,
        /// The sensor that began it.
        sensor: SensorName,
        /// What it senses.
        sensor_kind: SensorKind,
        /// What the panel was armed for.
        mode: Option<Mode>,
        /// It was confirmed by a second sensor.
        confirmed: bool,
    },
    /// More of the same incident, counted.
    FollowUp {
        /// Intrusion or gas.
        kind: IncidentKind,
        /// Triggers since the last mail, for each sensor.
        triggers: Vec<(SensorName, u32)>,
        /// The incident is now confirmed.
        confirmed: bool,
        /// Phone ladders that were held back by `ladder-every`.
        ladders_held_back: u32,
    },
    /// The incident is over, all is quiet.
    AllClear {
        /// Intrusion or gas.
        kind: IncidentKind,
        /// How long it lasted, in seconds.
        lasted_seconds: u64,
        /// Triggers in all.
        triggers: u32,
        /// Triggers that no mail has counted before, for each sensor.
        untold: Vec<(SensorName, u32)>,
        /// Phone ladders that were held back by `ladder-every` and not told before.
        ladders_held_back: u32,
        /// Sensors that stay open and take no part until they close.
        still_open: Vec<SensorName>,
    },
    /// Somebody ended the incident.
    Disarmed {
        /// Who.
        by: Actor,
        /// Seconds from the first trigger.
        after_seconds: u64,
        /// Paused rather than disarmed.
        paused: bool,
    },
    /// The ladder was climbed and nobody acknowledged.
    NobodyAnswered {
        /// How many contacts were tried.
        contacts: u32,
    },
    /// A gas sensor has been silent for too long.
    Unwatched {
        /// Which.
        sensor: SensorName,
        /// Seconds since its last sign of life.
        silent_seconds: u64,
    },
    /// The panel armed although these are still open; they are inhibited until they close.
    ArmedWithOpen {
        /// Armed for.
        mode: Mode,
        /// Which sensors.
        sensors: Vec<SensorName>,
    },
    /// A sensor was inhibited.
    Inhibited {
        /// Which.
        sensor: SensorName,
        /// Why, in a sentence.
        why: String,
    },
    /// Troubles that began or ended since the last such mail, merged.
    Troubles {
        /// Began and still there: (code, subject, text).
        raised: Vec<(TroubleCode, String, String)>,
        /// Over: (code, subject).
        cleared: Vec<(TroubleCode, String)>,
    },
    /// The service is back after power was away.
    BootReport(BootReport),
    /// A drill: a test along every path.
    Drill {
        /// Who asked for it.
        by: Actor,
    },
    /// A test, asked for by somebody.
    Test {
        /// By whom.
        by: Actor,
    },
    /// Somebody was forced to show a finger or PIN. For contacts with `duress = true` alone.
    Duress {
        /// Whose it was.
        by: Actor,
    },
}
