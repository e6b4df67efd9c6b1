//! Faces, with the real models: how many owners are turned away, whom else it lets in, and what a
//! print can do. `tests/run` brings models and faces; where they are not, these are left out.
//!
//! `ASFALEIA_MODELS`: a directory with both models. `ASFALEIA_FACES`: a directory with one of each
//! person, with ten pictures or more of them. `ASFALEIA_FEW_FACES`: the same, with any pictures.

#![allow(clippy::unwrap_used)]

mod accuracy;
mod child;
mod few;
mod files;
mod golden;
mod guided;
mod house;
mod pictures;
mod prints;
mod service;
mod timing;

use std::path::PathBuf;

use asfaleia::access::face::Recogniser;

fn models() -> PathBuf {
    let models = std::env::var_os("ASFALEIA_MODELS").map(PathBuf::from);
    models.expect("ASFALEIA_MODELS names the directory of the models: tests/run sets it")
}

fn recogniser() -> Recogniser {
    Recogniser::load(&models(), None).expect("the models are those that this was built for")
}
