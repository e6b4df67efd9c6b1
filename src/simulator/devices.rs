//! Simulated devices of a real service: what `sim/` drives under `run`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::SharedSensors;
use crate::inbox::Inbox;
use crate::web::Sim;

const ELSEWHERE: &str = "this is the simulator's: asfaleia simulate";

/// Simulated devices of a real service: sensors alone, no world around them.
pub struct SimulatedDevices(pub SharedSensors);

impl Sim for SimulatedDevices {
    fn set_sensor(&self, name: &str, active: bool) -> Result<(), String> {
        self.0.set(name, active).map_err(|error| error.to_string())
    }

    fn pulse(&self, name: &str, length: Duration) -> Result<(), String> {
        (self.0.pulse(name, length)).map_err(|error| error.to_string())
    }

    fn faults(&self) -> Value {
        Value::Null
    }

    fn set_faults(&self, _: Value) -> Result<Value, String> {
        Err(ELSEWHERE.to_owned())
    }

    fn lay_finger(&self, _: Option<&str>) -> Result<(), String> {
        Err(ELSEWHERE.to_owned())
    }

    fn mails(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn attachment(&self, _: usize, _: usize) -> Option<(String, Vec<u8>)> {
        None
    }

    fn calls(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn show_faces(&self, _: Option<&Path>) -> Result<usize, String> {
        Err("the camera is real".to_owned())
    }

    fn decide_call(&self, _: usize, _: &str) -> Result<(), String> {
        Err(ELSEWHERE.to_owned())
    }

    fn surroundings(&self) -> Value {
        json!({})
    }

    fn speed(&self) -> Value {
        Value::Null
    }

    fn set_speed(&self, _: u32) -> Result<(), String> {
        Err(ELSEWHERE.to_owned())
    }

    fn cut_power(self: Arc<Self>) -> Result<(), String> {
        Err(ELSEWHERE.to_owned())
    }

    fn scenarios(&self) -> Value {
        Value::Null
    }

    fn play(self: Arc<Self>, _: &str, _: &str, _: &Inbox) -> Result<(), String> {
        Err(ELSEWHERE.to_owned())
    }
}
