//! Faces: found, told apart, and shown to be no picture.

mod detect;
mod embed;
mod fold;
mod models;
mod picture;
mod quality;
mod recogniser;
mod relief;

pub use detect::{Face, Landmarks, Point};
pub use embed::Embedding;
pub use models::{FETCH, MODELS, ModelFile, NoModel, install, installed};
pub use picture::{NoPicture, Picture, Rect};
pub use quality::{Flaw, Quality};
pub use recogniser::{CloseUp, Failed, Recogniser};
