//! Owns the webcam: frames for photos and pre-roll.
