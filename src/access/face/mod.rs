//! Faces: found, told apart, and shown to be no picture of one.
//!
//! The networks run in a child of the same program ([`run`], [`Looker`]), which says what it sees;
//! whose face it is, and when that counts, is decided in the daemon ([`Sightings`]).

mod awaited;
mod child;
mod detect;
mod embed;
mod enrol;
mod eyes;
mod fold;
mod guide;
mod homography;
mod message;
mod models;
mod picture;
mod protobuf;
mod quality;
mod recogniser;
mod relief;
mod watch;

pub use awaited::{SAME, Sightings, TOO_CLOSE, closest};
pub use child::{Looker, NoLook, Start};
pub use detect::{Face, Landmarks, Point};
pub use embed::Embedding;
pub use enrol::{Unfit, VIEWS, Views, fit, too_close};
pub use eyes::{Eyes, FRAME, STILL, run};
pub use fold::{Unexpected, folded};
pub use guide::{Guide, Guided, NotGuided, Pose};
pub use message::{Answer, Look, Seen};
pub use models::{FETCH, KEPT, MODELS, ModelFile, NoModel, install, installed, place, verified};
pub use picture::{NoPicture, Picture, Rect};
pub use quality::{Flaw, Quality};
pub use recogniser::{CloseUp, Failed, Recogniser};
pub use watch::{TakeFrame, Watch};
