//! The broker is killed under the running service, and comes back.

use std::io::Write;

use crate::house::House;

#[test]
fn a_broker_that_is_killed_is_a_trouble_and_its_sensors_alarm_again_when_it_is_back() {
    let mut house = House::start(&[]);
    house.mosquitto.kill();
    house.api.until_trouble("mqtt");
    assert_eq!(house.api.state(), "armed_away", "nothing else has changed");
    house.mosquitto.come_back();
    house.api.until_no_trouble("mqtt");
    // A program that does not come back by itself asks anew.
    let peer = house.another_peer();
    peer.publish("esp/test", "1", false);
    house.api.until_output("buzzer", true);
    // The trouble may have been mailed before.
    while house.mail.next()["subject"] != "Home: ALARM beam broken at front door" {}
    house.telephone.next();
    peer.publish("esp/tes", "0", false);
    house.api.until_output("exhaust", true);
    // With the broker gone the fan runs on: silent is not clear.
    house.mosquitto.kill();
    house.api.until_trouble("sensor-silent");
    assert!(house.api.output("exhaust"), "silent is not clear");
    let line = b"faults: mqtt: broker killed 2 times, 0 violations\n";
    std::io::stdout().write_all(line).unwrap();
}
